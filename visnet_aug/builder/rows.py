"""What is known of a built set's images: their manifest rows, records and counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

from visnet_aug.builder.journal import Written
from visnet_aug.builder.plan import Plan, Planned, Task
from visnet_aug.datasets.record import Dataset, Split
from visnet_aug.manifest import ManifestRow, ManifestSplit
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import MaskEntry, mask_name

if TYPE_CHECKING:
    from visnet_aug.masks.compute import MaskSummary
    from visnet_aug.recipe import Recipe

_SUFFIXES: Final = re.compile(r"(\.(jpe?g|png))+$", re.IGNORECASE)

_PARTS: Final = 4
"""Of ``<pid>_c<camera>s<sequence>_<frame>_<box>``."""

SOURCE_SPLITS: Final[Mapping[ManifestSplit, Split]] = {
    "train": "train",
    "val": "train",
    "query": "query",
    "gallery": "gallery",
    "probe-query": "query",
    "probe-gallery": "gallery",
}
"""The split of the source dataset that images of each split come from."""

UNTOUCHED: Final = "original"
"""Family and variant, in a record, of an image whose background is its own."""

RECORD_COLUMNS: Final = (
    "file_name", "split", "pid", "camid", "sequence", "frame", "kind", "source", "copy", "family",
    "variant", "intensity",
)  # fmt: skip
"""What a record has; see `image_record`."""


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Counts of one split of a built set.

    Attributes:
        images: All of its images.
        identities: Different people, without junk and distractors.
        cameras: Different cameras.
        originals: Images passed through.
        copies: Augmented images.
    """

    images: int
    identities: int
    cameras: int
    originals: int
    copies: int


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """Counts of a built set.

    Attributes:
        total: Rows of the manifest.
        splits: By split, without empty ones.
        folders: The folders (or shards) that hold images, each with the split of its images.
        families: Copies by family.
        variants: Copies by family and variant.
    """

    total: int
    splits: Mapping[ManifestSplit, SplitSummary]
    folders: Mapping[str, ManifestSplit]
    families: Mapping[str, int]
    variants: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an image comes from, as its row has it.

    Attributes:
        source: The image it is made from, relative to the source dataset.
        mask: The verdict on that image's mask, if it has a usable one.
    """

    source: str
    mask: MaskEntry | None


@dataclass(frozen=True)
class BuiltSet:
    """A set whose images are all written: what its tables are made of.

    Attributes:
        dataset: The part of the source that was used.
        recipe: What was asked for.
        identity: Which build it is.
        masks: What the mask stage did.
        arithmetic: How the number of images comes about, in one line.
        rows: The manifest.
        shards: Checksums of shards, sorted by path; empty where images are single files.
    """

    dataset: Dataset
    recipe: Recipe
    identity: Mapping[str, Any]
    masks: MaskSummary
    arithmetic: str
    rows: Sequence[ManifestRow]
    shards: Mapping[str, str]

    @cached_property
    def summary(self) -> BuildSummary:
        """Counts of the rows."""
        return summarise(self.rows)


def manifest_rows(
    plan: Plan,
    written: Mapping[str, Written],
    masks: Mapping[str, MaskEntry],
    dataset: Dataset,
) -> list[ManifestRow]:
    """Return the row of every image, sorted by split, in `ManifestSplit`'s order, and by path.

    Images in shards are sorted by their paths in the plan, too, so that a manifest lists the same
    images in the same order whether they are in shards or not.

    Args:
        plan: What was to be made.
        written: What was written, by the plan's paths.
        masks: Verdicts on the images that were masked, by name.
        dataset: What was read.
    """
    order = {split: number for number, split in enumerate(get_args(ManifestSplit))}
    images = sorted(plan.images, key=lambda image: (order[split_of(image)], image.path))
    return [
        make_row(image, written[image.path], find_provenance(image, masks, dataset))
        for image in images
    ]


def split_of(image: Planned) -> ManifestSplit:
    """Return the split that an image will be in."""
    return image.split if isinstance(image, Task) else image.source.split


def find_provenance(image: Planned, masks: Mapping[str, MaskEntry], dataset: Dataset) -> Provenance:
    """Look up where an image comes from; arguments as for `manifest_rows`."""
    source = image.source
    entry = masks.get(mask_name(source.split, source.stem))
    return Provenance(
        source=dataset.origin(source),
        mask=entry if entry and entry.accepted else None,
    )


def make_row(image: Planned, written: Written, provenance: Provenance) -> ManifestRow:
    """Return the manifest row of one image, at the path where it was written."""
    source, mask = image.source, provenance.mask
    task = image if isinstance(image, Task) else None
    return ManifestRow(
        path=written.path,
        split=split_of(image),
        pid=source.pid,
        camid=source.camid,
        sequence=source.sequence,
        frame=source.frame,
        kind="augmented" if task else "original",
        source=provenance.source,
        copy=task.copy if task else None,
        family=task.family if task else None,
        variant=task.variant if task else None,
        intensity=task.intensity if task else None,
        seed=task.seed if task else None,
        params=written.params,
        mask=f"{MASK_FOLDER}/{mask.stem}.png" if mask else None,
        mask_area=mask.area if mask else None,
        mask_confidence=mask.confidence if mask else None,
        mask_quality=mask.mask_quality if mask else None,
        width=written.width,
        height=written.height,
        sha256=written.sha256,
    )


def image_record(row: ManifestRow) -> dict[str, object]:
    """Return an image's record, by `RECORD_COLUMNS`: what readers get with its pixels.

    Readers guess each value's type, so that none is empty: what an original has no value for is
    ``original`` or 0. Only sequence and frame can be ``None``, in layouts without them.
    """
    return {
        "file_name": row.path.rpartition("/")[2],
        "split": row.split,
        "pid": row.pid,
        "camid": row.camid,
        "sequence": row.sequence,
        "frame": row.frame,
        "kind": row.kind,
        "source": row.source,
        "copy": row.copy or 0,
        "family": row.family or UNTOUCHED,
        "variant": row.variant or UNTOUCHED,
        "intensity": row.intensity or 0.0,
    }


def stem_of(path: str) -> str:
    """Return the stem of an image's path, without any of its suffixes (``.jpg.jpg``)."""
    return _SUFFIXES.sub("", path.rpartition("/")[2])


def source_stem(row: ManifestRow) -> str:
    """Return the stem in the output of the image that a row was made from, kept or not.

    Whatever the source's layout, it has Market-1501's form of four parts; a copy's name appends
    its number and family.
    """
    return "_".join(stem_of(row.path).split("_")[:_PARTS])


def mask_of(row: ManifestRow) -> str:
    """Return the name of the mask of the image that a row was made from."""
    return mask_name(SOURCE_SPLITS[row.split], source_stem(row))


def summarise(rows: Iterable[ManifestRow]) -> BuildSummary:
    """Count a manifest's rows."""
    rows = list(rows)
    by_split: dict[ManifestSplit, list[ManifestRow]] = {}
    for row in rows:
        by_split.setdefault(row.split, []).append(row)
    variants = Counter((row.family, row.variant) for row in rows if row.family and row.variant)
    return BuildSummary(
        total=len(rows),
        splits={split: _count(of_split) for split, of_split in by_split.items()},
        folders={row.path.rpartition("/")[0]: row.split for row in rows},
        families=_sorted(Counter(row.family for row in rows if row.family)),
        variants=_sorted(variants),
    )


def _count(rows: list[ManifestRow]) -> SplitSummary:
    copies = sum(row.kind == "augmented" for row in rows)
    return SplitSummary(
        images=len(rows),
        identities=len({row.pid for row in rows if row.pid > 0}),
        cameras=len({row.camid for row in rows}),
        originals=len(rows) - copies,
        copies=copies,
    )


def _sorted(counts: Mapping[Any, int]) -> dict[Any, int]:
    return dict(sorted(counts.items()))
