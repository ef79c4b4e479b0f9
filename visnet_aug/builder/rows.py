"""From a plan and the files written for it to the manifest's rows, and to their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from visnet_aug.builder.journal import Written
from visnet_aug.builder.plan import Plan, Planned, Task
from visnet_aug.datasets.record import Dataset
from visnet_aug.manifest import ManifestRow, ManifestSplit
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import MaskEntry, mask_name


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Counts of one split of a built set.

    Attributes:
        images: All of its images.
        identities: Different people; junk and distractors are none.
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
        splits: By split, those without images left out.
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
class Facts:
    """What an image's row says that follows neither from how it is made nor from its file.

    Attributes:
        source: The image it is made from, relative to the source dataset.
        mask: The verdict on that image's mask, if there is a usable one.
    """

    source: str
    mask: MaskEntry | None


def manifest_rows(
    plan: Plan,
    written: Mapping[str, Written],
    masks: Mapping[str, MaskEntry],
    dataset: Dataset,
) -> list[ManifestRow]:
    """Describe every image of a build, sorted by split, in `ManifestSplit`'s order, and path.

    In shards, too, images are sorted by the paths that the plan has for them: who reads a set by
    its manifest meets the same images in the same order, whichever way they are kept.

    Args:
        plan: What was to be made.
        written: What was written, by the plan's paths.
        masks: Verdicts on the images that were masked, by name.
        dataset: What was read.
    """
    order = {split: number for number, split in enumerate(get_args(ManifestSplit))}
    images = sorted(plan.images, key=lambda image: (order[split_of(image)], image.path))
    return [
        make_row(image, written[image.path], find_facts(image, masks, dataset)) for image in images
    ]


def split_of(image: Planned) -> ManifestSplit:
    """Return the split that an image will be in."""
    return image.split if isinstance(image, Task) else image.source.split


def find_facts(image: Planned, masks: Mapping[str, MaskEntry], dataset: Dataset) -> Facts:
    """Look up what an image's row says beside; arguments as for `manifest_rows`."""
    source = image.source
    entry = masks.get(mask_name(source.split, source.stem))
    return Facts(
        source=dataset.origin(source),
        mask=entry if entry and entry.accepted else None,
    )


def make_row(image: Planned, written: Written, facts: Facts) -> ManifestRow:
    """Describe one image, which lies where it was written."""
    source, mask = image.source, facts.mask
    task = image if isinstance(image, Task) else None
    return ManifestRow(
        path=written.path,
        split=split_of(image),
        pid=source.pid,
        camid=source.camid,
        sequence=source.sequence,
        frame=source.frame,
        kind="augmented" if task else "original",
        source=facts.source,
        copy=task.copy if task else None,
        family=task.family if task else None,
        variant=task.variant if task else None,
        intensity=task.intensity if task else None,
        seed=task.seed if task else None,
        params=written.params,
        mask=f"{MASK_FOLDER}/{mask.stem}.png" if mask else None,
        mask_area=mask.area if mask else None,
        mask_confidence=mask.confidence if mask else None,
        width=written.width,
        height=written.height,
        sha256=written.sha256,
    )


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
