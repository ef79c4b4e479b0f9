"""How many images, identities and cameras a split has, beside the published numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Counts of one split.

    Attributes:
        images: All images, junk and distractors included.
        identities: Different people; junk and distractors are none.
        cameras: Different cameras.
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
    is when the published numbers beside its own say most.
    """
    images = Counter(record.split for record in dataset.records)
    images.update(image.split for image in dataset.rejected)
    published = {split: counts.images for split, counts in PUBLISHED.items()}
    return dataset.layout == "market1501" and images == published


def _count(records: Iterable[ImageRecord]) -> SplitCounts:
    pids = Counter(record.pid for record in records)
    return SplitCounts(
        images=pids.total(),
        identities=len(pids.keys() - {JUNK_PID, DISTRACTOR_PID}),
        cameras=len({record.camid for record in records}),
        junk=pids[JUNK_PID],
        distractors=pids[DISTRACTOR_PID],
    )
