"""Counts of images, identities and cameras, the published ones, and why images are left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from visnet_aug.datasets.record import (
    UNKNOWN_CAMID,
    Dataset,
    ImageRecord,
    RejectedImage,
    Split,
)
from visnet_aug.errors import DatasetError, printable
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

MOST_REASONS: Final = 3
"""Reasons for leaving images out that a message lists; all of them are in ``rejected.csv``."""


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Counts of one split.

    Attributes:
        images: All images, junk and distractors included.
        identities: Different people; junk and distractors are none.
        cameras: Different cameras that are known.
        junk: Images that evaluation ignores.
        distractors: Images of nobody in the query set.
    """

    images: int
    identities: int
    cameras: int
    junk: int
    distractors: int


PUBLISHED: Final[Mapping[Split, SplitCounts]] = MappingProxyType(
    {
        "train": SplitCounts(12_936, 751, 6, 0, 0),
        "query": SplitCounts(3_368, 750, 6, 0, 0),
        "gallery": SplitCounts(19_732, 750, 6, 3_819, 2_798),
    }
)
"""Market-1501 as its authors ship it."""


def count_splits(dataset: Dataset) -> dict[Split, SplitCounts]:
    """Count the usable images of each split that has some."""
    images = {split: dataset.split(split) for split in dataset.folders}
    return {split: _count(of_split) for split, of_split in images.items() if of_split}


def is_published(dataset: Dataset) -> bool:
    """Tell whether this is the whole of Market-1501, by its layout and numbers of images.

    Rejected images count, too: a copy with a few damaged files is still Market-1501, and that
    is when comparing with the published numbers is most useful.
    """
    images = Counter(record.split for record in dataset.records)
    images.update(image.split for image in dataset.rejected)
    published = {split: counts.images for split, counts in PUBLISHED.items()}
    return dataset.layout == "market1501" and images == published


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many images were left out for one reason.

    Attributes:
        reason: A name out of `visnet_aug.datasets.images.REASONS`.
        images: How many.
        example: Path of the first, relative to the dataset's root.
        detail: What is wrong with that one, and what to do.
    """

    reason: str
    images: int
    example: str
    detail: str


def count_reasons(
    dataset: Dataset, rejected: Sequence[RejectedImage] | None = None
) -> list[ReasonCount]:
    """Count why images were left out, the most frequent reason first.

    Args:
        dataset: What was read.
        rejected: Which of its rejected images; all when ``None``.
    """
    rejected = dataset.rejected if rejected is None else rejected
    first: dict[str, RejectedImage] = {}
    for image in rejected:
        first.setdefault(image.reason, image)
    counts = Counter(image.reason for image in rejected)
    return [
        ReasonCount(reason, count, dataset.origin(first[reason]), first[reason].detail)
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def describe_rejected(
    dataset: Dataset, rejected: Sequence[RejectedImage] | None = None, most: int = MOST_REASONS
) -> str:
    """Say in one line why images were left out: the most frequent reasons, each with an example.

    Example:
        ``17 greyscale, such as query/3.jpg: JPEG with one channel; ...; and 2 for other reasons``
    """
    counts = count_reasons(dataset, rejected)
    parts = [
        f"{of.images:,} {of.reason}, such as {printable(of.example)}: {of.detail}"
        for of in counts[:most]
    ]
    if others := sum(of.images for of in counts[most:]):
        parts.append(f"and {others:,} for other reasons")
    return "; ".join(parts)


def check_rejected(dataset: Dataset, allowed: float) -> None:
    """Check that no more than a share of a dataset's images is left out.

    Args:
        dataset: What was read.
        allowed: The share, from 0 to 1.

    Raises:
        DatasetError: It is more; the message has the most frequent reasons.
    """
    lost, whole = len(dataset.rejected), len(dataset.records) + len(dataset.rejected)
    if lost > allowed * whole:
        raise DatasetError(
            f"{printable(dataset.root)}: {lost:,} of {whole:,} images would be left out, more than "
            f"{allowed:.0%}: {describe_rejected(dataset)}. Fix them, or allow it with "
            f"--allow-rejected {math.ceil(lost / whole * 100) / 100:g}"
        )


def _count(records: Iterable[ImageRecord]) -> SplitCounts:
    pids = Counter(record.pid for record in records)
    return SplitCounts(
        images=pids.total(),
        identities=len(pids.keys() - {JUNK_PID, DISTRACTOR_PID}),
        cameras=len({record.camid for record in records} - {UNKNOWN_CAMID}),
        junk=pids[JUNK_PID],
        distractors=pids[DISTRACTOR_PID],
    )
