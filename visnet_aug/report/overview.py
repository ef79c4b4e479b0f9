"""What was built, in numbers: counts, compared with the plan and the published Market-1501."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from visnet_aug.builder.folder import RECIPE
from visnet_aug.builder.plan import PUBLISHED_RATIO
from visnet_aug.builder.rows import SOURCE_SPLITS, summarise
from visnet_aug.builder.tables import Timings, read_timings
from visnet_aug.datasets.counts import PUBLISHED
from visnet_aug.errors import OutputError
from visnet_aug.masks.settings import PERSON
from visnet_aug.recipe import Recipe
from visnet_aug.report.finished import FinishedBuild
from visnet_aug.verification.verdict import Problem

PUBLISHED_TRAIN: Final = PUBLISHED_RATIO[0]
PUBLISHED_TOTAL: Final = PUBLISHED_TRAIN + PUBLISHED["query"].images + PUBLISHED["gallery"].images
"""Images of the set that the paper's authors published, made of Market-1501."""


@dataclass(frozen=True, slots=True)
class Number:
    """A count, beside the published one where this is Market-1501."""

    value: int
    published: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether the published set has as many."""
        return self.value == self.published


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A split of the set.

    Attributes:
        name: Of the split.
        planned: Images as ``build.json`` has them; ``None`` if it doesn't say.
        images: All of its images.
        originals: Images passed through.
        copies: Augmented images.
        identities: Different people; distractors and junk are none.
        cameras: Different cameras.
    """

    name: str
    planned: int | None
    images: Number
    originals: Number
    copies: Number
    identities: Number
    cameras: Number


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the set in the bar that shows what it is made of."""

    name: str
    style: str
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The set as a whole.

    Attributes:
        product: ``build`` or ``probe``.
        lines: Its splits.
        total: Images in all.
        planned: As ``build.json`` has it; ``None`` if that is damaged.
        copies: Augmented images.
        identities: Different people.
        cameras: Different cameras.
        parts: What it is made of.
        arithmetic: How the number came about, in a sentence.
        classes: What masks are of: ``person``, unless the recipe says otherwise.
        masks: Images with a usable mask, and images that one was looked for in.
        qualities: Median and lowest predicted quality of the usable masks; ``None`` if no quality
            was predicted.
        keeps_originals: Whether every copy stands beside the image that it was made of.
        changes: Name, default and value of the settings that are not the default.
        recipe: ``recipe.yaml`` as it is.
        facts: Names and values of what tells this set from others.
        versions: Libraries, with their versions.
        checksums: Name, checksum, and whether the file still has it.
        timings: How long it took; ``None`` if that is not known.
        untimed: Why it is not known, if there is more to say than that nothing says so.
        problems: What is wrong with the tables.
    """

    product: str
    lines: Sequence[SplitLine]
    total: Number
    planned: int | None
    copies: int
    identities: int
    cameras: int
    parts: Sequence[Part]
    arithmetic: str
    classes: Sequence[str]
    masks: tuple[int, int]
    qualities: tuple[float, float] | None
    keeps_originals: bool
    changes: Sequence[tuple[str, str, str]]
    recipe: str
    facts: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    checksums: Sequence[tuple[str, str, bool]]
    timings: Timings | None
    untimed: str
    problems: Sequence[Problem]

    @property
    def as_planned(self) -> bool:
        """Whether every split has the images that it was to have."""
        return self.planned == self.total.value and all(
            line.planned == line.images.value for line in self.lines
        )

    @property
    def masked(self) -> float:
        """Share of images with a usable mask, rounded down: all of them are 1, and nothing less."""
        usable, looked_at = self.masks
        return usable * 1000 // max(1, looked_at) / 1000

    @property
    def as_published(self) -> bool | None:
        """Whether all counts are Market-1501's and the published set's; ``None`` if it is neither.

        The published set has no originals to train on, so these are as the dataset's authors ship
        them.
        """
        numbers = [self.total]
        for line in self.lines:
            numbers += [line.images, line.originals, line.identities, line.cameras]
        compared = [number.agrees for number in numbers if number.published is not None]
        return all(compared) if compared else None


def overview(finished: FinishedBuild) -> Overview:
    """Sum up a build."""
    tables = finished.tables
    report: Mapping[str, Any] = tables.report or {}
    used = tables.masked
    accepted = [e for name, e in tables.entries.items() if name in used and e.accepted]
    qualities = [e.mask_quality for e in accepted if e.mask_quality is not None]
    market = _is_market(finished)
    lines = list(_lines(finished, report, market))
    timings, untimed = _timings(finished.root)
    return Overview(
        product=tables.product,
        lines=lines,
        total=_total(lines, PUBLISHED_TOTAL if market else None),
        planned=report.get("images"),
        copies=sum(row.kind == "augmented" for row in finished.rows),
        identities=len({row.pid for row in finished.rows if row.pid > 0}),
        cameras=len({row.camid for row in finished.rows}),
        parts=_parts(finished),
        arithmetic=str(report.get("arithmetic", "")),
        classes=tables.recipe.masks.classes if tables.recipe else PERSON,
        masks=(len(accepted), len(used)),
        qualities=(median(qualities), min(qualities)) if qualities else None,
        keeps_originals=finished.keeps_originals,
        changes=_recipe_changes(finished.tables.recipe),
        recipe=_text(finished.root / RECIPE),
        facts=list(_facts(report)),
        versions=_versions(report),
        checksums=list(_checksums(finished, report)),
        timings=timings,
        untimed=untimed,
        problems=tables.problems,
    )


def _is_market(finished: FinishedBuild) -> bool:
    """Tell whether the source was the whole of Market-1501, unusable files included."""
    tables = finished.tables
    if tables.product == "probe":
        return False
    images = Counter(row.split for row in finished.sources.values())
    images["train"] = len(tables.masked)
    images.update(row.split for row in tables.rejected or () if row.stage == "read")
    return images == {split: counts.images for split, counts in PUBLISHED.items()}


def _lines(finished: FinishedBuild, report: Mapping[str, Any], market: bool) -> Iterator[SplitLine]:
    splits = report.get("splits", {})
    for split, counts in summarise(finished.rows).splits.items():
        published = PUBLISHED[SOURCE_SPLITS[split]] if market and split != "val" else None
        images = (PUBLISHED_TRAIN if split == "train" else published.images) if published else None
        kept = published if published and counts.originals else None
        yield SplitLine(
            name=split,
            planned=splits.get(split, {}).get("images"),
            images=Number(counts.images, images),
            originals=Number(counts.originals, kept.images if kept else None),
            copies=Number(counts.copies),
            identities=Number(counts.identities, published.identities if published else None),
            cameras=Number(counts.cameras, published.cameras if published else None),
        )


def _total(lines: Sequence[SplitLine], published: int | None) -> Number:
    """Add up the splits. What the published composition holds back is beside its number."""
    held_back = any(line.name == "val" for line in lines)
    return Number(sum(line.images.value for line in lines), None if held_back else published)


def _parts(finished: FinishedBuild) -> list[Part]:
    """Divide the set as its bar shows it: by split, and training images by kind."""
    counts = Counter((row.split, row.kind) for row in finished.rows)
    parts = []
    for (split, kind), count in counts.items():
        alone = sum(of == split for of, _ in counts) == 1
        name = split if alone else f"{split}: {'originals' if kind == 'original' else 'copies'}"
        style = ("copies" if kind == "augmented" else "originals") if split == "train" else split
        parts.append(Part(name, style, count))
    return parts


def _recipe_changes(recipe: Recipe | None) -> list[tuple[str, str, str]]:
    if recipe is None:
        return []
    default = Recipe().model_dump(mode="json") | {"layout": recipe.layout}  # as recognised
    return list(_changes(default, recipe.model_dump(mode="json")))


def _changes(
    default: Mapping[str, Any], here: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and value of each setting that is not its default."""
    for name in here:
        old, new = default.get(name), here[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}", json.dumps(old), json.dumps(new)


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what decides the set's bytes beside recipe and versions, as far as it is short."""
    for name, value in report.get("identity", {}).items():
        if isinstance(value, str | int):
            yield name, str(value)


def _versions(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the libraries that decide bytes, then others that took part."""
    versions = report.get("identity", {}).get("versions", {}) | report.get("other_versions", {})
    return [(name, str(version)) for name, version in versions.items()]


def _checksums(
    finished: FinishedBuild, report: Mapping[str, Any]
) -> Iterator[tuple[str, str, bool]]:
    changed = {problem.text.partition(":")[0] for problem in finished.tables.problems}
    for name, digest in report.get("sha256", {}).items():
        yield name, str(digest), name not in changed


def _timings(root: Path) -> tuple[Timings | None, str]:
    try:
        return read_timings(root), ""
    except OutputError as error:
        return None, str(error)


def _text(path: Path) -> str:
    """Read a text to show, even a damaged one."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError as error:
        return f"{path.name}: cannot be read ({error.strerror})"
