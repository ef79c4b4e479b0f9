"""A finished build as the report shows it: its tables, and the images to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from visnet_aug.builder.rows import mask_of
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import MaskEntry
from visnet_aug.report.sample import spread_sample
from visnet_aug.shards import shard_of
from visnet_aug.verification.tables import Tables, read_tables

COLOURS: Final = 10
"""Different colours for families in the page's style sheet, ``f0`` to ``f9``."""


@dataclass(frozen=True)
class FinishedBuild:
    """A finished build or probe.

    Attributes:
        tables: All of its tables, and what is wrong with them.
        shown: The images that the page shows one by one, in the manifest's order.
    """

    tables: Tables
    shown: Sequence[ManifestRow]

    @property
    def root(self) -> Path:
        """The build's folder."""
        return self.tables.root

    @property
    def rows(self) -> Sequence[ManifestRow]:
        """All images."""
        return self.tables.rows

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The number of each image that is shown, by path."""
        return {row.path: number for number, row in enumerate(self.shown)}

    @cached_property
    def sources(self) -> Mapping[str, ManifestRow]:
        """The originals in the set, by the path that they have in the source dataset."""
        return {row.source: row for row in self.rows if row.kind == "original"}

    @cached_property
    def keeps_originals(self) -> bool:
        """Whether the set contains the source of every copy."""
        return all(row.source in self.sources for row in self.rows if row.kind == "augmented")

    @cached_property
    def copies(self) -> Sequence[ManifestRow]:
        """The augmented images that are shown."""
        return [row for row in self.shown if row.kind == "augmented"]

    @cached_property
    def masked(self) -> Mapping[str, ManifestRow]:
        """For each image of the mask stage: itself, or else its first copy.

        The keys are names of masks; the person is the same in both.
        """
        found: dict[str, ManifestRow] = {}
        for row in sorted(self.shown, key=lambda row: row.kind == "augmented"):
            if (name := mask_of(row)) in self.tables.entries:
                found.setdefault(name, row)
        return found

    @cached_property
    def families(self) -> Sequence[str]:
        """Families of the copies, the recipe's order first."""
        there = dict.fromkeys(row.family for row in self.rows if row.family)
        recipe = self.tables.recipe
        known = recipe.backgrounds.names() if recipe is not None else ()
        return [*(name for name in known if name in there), *sorted(set(there) - set(known))]

    def style(self, family: str) -> str:
        """Return the class that colours a family: a number, as its name may be anything."""
        return f"f{self.families.index(family) % COLOURS}"

    def entry(self, row: ManifestRow) -> MaskEntry | None:
        """Return what the mask stage found in the image that a row was made from."""
        return self.tables.entries.get(mask_of(row))

    def linkable(self, row: ManifestRow) -> bool:
        """Tell whether a browser can open the image: it is a file, not a tar's member."""
        return shard_of(row.path) is None


def read_finished(root: Path, sample: int | None) -> FinishedBuild:
    """Read a build's tables.

    Args:
        root: The output folder of a build or probe.
        sample: How many source images to show, each with everything made from it; ``None`` for
            all.

    Raises:
        OutputError: The folder holds no finished build, or a table cannot be read at all.
        ManifestError: The manifest is damaged.
    """
    tables = read_tables(root)
    return FinishedBuild(tables, tables.rows if sample is None else _sample(tables.rows, sample))


def _sample(rows: Iterable[ManifestRow], sample: int) -> list[ManifestRow]:
    """Take a share of each split's source images, with everything made from them."""
    rows = list(rows)
    first: dict[str, ManifestRow] = {}
    for row in rows:
        first.setdefault(row.source, row)
    by_split: dict[str, list[ManifestRow]] = {}
    for row in first.values():
        by_split.setdefault(row.split, []).append(row)
    wanted = {
        row.source
        for of_split in by_split.values()
        for row in spread_sample(of_split, max(1, round(sample * len(of_split) / len(first))))
    }
    return [row for row in rows if row.source in wanted]
