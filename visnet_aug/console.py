"""What commands print: progress bars on a terminal, plain lines elsewhere, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import median
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from visnet_aug import progress
from visnet_aug.builder.build import Observer
from visnet_aug.datasets.counts import PUBLISHED, SplitCounts, count_splits, is_published

if TYPE_CHECKING:
    from visnet_aug.builder.build import BuildResult, DryRun
    from visnet_aug.builder.plan import Plan
    from visnet_aug.builder.rows import BuildSummary
    from visnet_aug.datasets.record import Dataset
    from visnet_aug.doctor import Finding
    from visnet_aug.masks.compute import MaskSummary
    from visnet_aug.progress import Advance


_COUNTS = ("images", "identities", "cameras", "junk", "distractors")
"""What is shown of a split that was read."""


class ConsoleObserver(Observer):
    """Shows a build's stages while they run, and what it found."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Show one stage."""
        return progress.stage(name)

    def read(self, dataset: Dataset) -> None:
        """Show what was read, with the published counts if it is Market-1501."""
        if dataset.recognised:
            self._say(f"layout {dataset.layout}, recognised by {dataset.recognised}")
        for note in dataset.notes:
            self._say(note)
        self._out.print(_dataset_table(dataset))
        if dataset.rejected:
            count = len(dataset.rejected)
            files = f"{count:,} unusable file{'s' * (count != 1)}"
            self._say(f"{files} left out (a build lists them in rejected.csv)")

    def planned(self, plan: Plan) -> None:
        """Show how the total comes about."""
        self._say(plan.arithmetic)

    def built(self, result: BuildResult, out: object) -> None:
        """Show the summary of a build or probe."""
        if result.was_there:
            self._say(f"{out}: already finished; nothing to do (visnet-aug verify checks it)")
        self._out.print(_summary_table(result.summary))
        self._out.print(_counts_table("family", "copies", result.summary.families))
        if result.masks is not None:
            self.masked(result.masks)
            self._out.print(_times_table(result.seconds))
        if result.found and result.made:
            self._say(f"{result.found:,} images from an earlier run, {result.made:,} from this one")

    def masked(self, masks: MaskSummary) -> None:
        """Show what the mask stage found."""
        total = len(masks.entries)
        accepted = len(masks.accepted)
        share = (total - accepted) / total if total else 0.0
        self._say(
            f"{accepted:,} of {total:,} images have a usable mask, {share:.1%} have none; "
            f"{masks.computed:,} computed, {masks.reused:,} reused, {masks.edited:,} edited by hand"
        )
        if masks.rejected:
            self._out.print(_counts_table("no mask because", "images", masks.rejected))
        if qualities := masks.qualities:
            self._say(
                f"predicted quality of the usable masks: median {median(qualities):.2f}, lowest "
                f"{min(qualities):.2f}"
            )
        elif any(entry.accepted and entry.computed for entry in masks.entries.values()):
            self._say("these weights do not predict the quality of masks: it is not judged")
        for damage, count in masks.damaged.items():
            self._say(f"computed again: {count:,} × {damage}")

    def would_build(self, result: DryRun) -> None:
        """Show what a build would make."""
        masks = result.masks
        self._say(
            f"stored masks: {len(masks.accepted):,} usable, {masks.rejected:,} rejected, "
            f"{len(masks.unknown):,} not computed yet (planned for as if all were usable)"
        )
        families = Counter(task.family for task in result.plan.tasks)
        self._out.print(_counts_table("family", "copies", dict(sorted(families.items()))))
        self._say(f"{result.plan.total:,} images would be made; nothing was written")

    def _say(self, text: str) -> None:
        """Print a line, which a terminal may wrap and a file does not."""
        self._out.print(text, soft_wrap=True, markup=False)


def show_findings(findings: Sequence[Finding]) -> bool:
    """Show what ``doctor`` found; return whether nothing is wrong."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        console.print(f"{'ok' if finding.ok else '!!'}  {finding.name:{width}}  {finding.value}")
        if finding.problem:
            console.print(f"    {'':{width}}  {finding.problem}", style="red")
    return all(finding.ok for finding in findings)


def _dataset_table(dataset: Dataset) -> Table:
    """Lay out each split's counts, with the published ones where Market-1501 differs."""
    table = _table("read", *_COUNTS)
    published = PUBLISHED if is_published(dataset) else {}
    found = count_splits(dataset)
    for split, counts in found.items():
        table.add_row(split, *_cells(counts, published.get(split, counts)))
    if published:
        table.caption = "as published" if found == published else "in brackets: as published"
    return table


def _cells(counts: SplitCounts, published: SplitCounts) -> Iterator[str]:
    for name in _COUNTS:
        value, expected = getattr(counts, name), getattr(published, name)
        yield f"{value:,}" if value == expected else f"{value:,} ({expected:,})"


def _summary_table(summary: BuildSummary) -> Table:
    table = _table("built", "images", "originals", "augmented", "identities", "cameras")
    for split, counts in summary.splits.items():
        numbers = (counts.images, counts.originals, counts.copies)
        table.add_row(
            split, *(f"{n:,}" for n in numbers), f"{counts.identities:,}", f"{counts.cameras}"
        )
    table.add_section()
    table.add_row("total", f"{summary.total:,}")
    return table


def _counts_table(what: str, of: str, counts: Mapping[str, int]) -> Table:
    table = _table(what, of)
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def _times_table(seconds: Mapping[str, float]) -> Table:
    table = _table("stage", "seconds")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}")
    table.add_section()
    table.add_row("all", f"{sum(seconds.values()):.1f}")
    return table


def _table(first: str, *rest: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in rest:
        table.add_column(name, justify="right")
    return table
