"""The mask stage: a mask, or the reason for none, for every image; stored ones are reused.

What a network says of an image can depend on what shares its batch. Batches are therefore cut
from the whole list of records, whatever of it is stored: an image has the same companions in a
build that is gone on with, after a lost file, and whoever computes the batches. Where one mask of
a batch is missing, the whole batch goes through the network, and only what is missing is stored;
that costs a third of a second a batch, and only where batches are stored in part.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from visnet_aug.datasets.images import decode_rgb, read_again
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.masks.person import PersonMask
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import Damage, MaskEntry, MaskStore, mask_key, mask_name

Image: TypeAlias = npt.NDArray[np.uint8]

BATCH: Final = 256
"""Images handed to the segmenter at once: several of its forward passes."""

BATCH_PIXELS: Final = 4096 * 4096
"""Most pixels in one batch of several images: 48 MiB; bounds memory where images are large."""

AHEAD: Final = 2
"""Batches decoded ahead of the network, each by a thread of its own."""

FLUSH_BATCHES: Final = 8
"""Batches between two writings of ``masks.csv``: what a kill can cost, a few seconds' work."""


class Segmenter(Protocol):
    """What finds the person in each image; ``PersonSegmenter`` is one."""

    def segment(self, images: Sequence[Image]) -> list[PersonMask]:
        """Return one mask per RGB uint8 H×W×3 image, each of its image's own size."""


@dataclass(frozen=True, slots=True)
class MaskSummary:
    """What the mask stage did.

    Attributes:
        entries: The entry of each image, by `mask_name`, in the order of the records.
        computed: Images whose mask was not stored.
        reused: Images whose stored verdict was taken, edits included.
        edited: Images whose mask a person has mended.
        damaged: What stored files and lines were unusable and so computed again, by kind.
    """

    entries: Mapping[str, MaskEntry]
    computed: int
    reused: int
    edited: int
    damaged: Mapping[Damage, int]

    @property
    def accepted(self) -> tuple[str, ...]:
        """Names of the images that have a mask, in order."""
        return tuple(name for name, entry in self.entries.items() if entry.accepted)

    @property
    def rejected(self) -> Mapping[str, int]:
        """Number of rejected masks by reason, the most frequent first."""
        reasons = Counter(e.reason for e in self.entries.values() if not e.accepted)
        return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def compute_masks(
    records: Sequence[ImageRecord],
    store: MaskStore,
    *,
    segmenter_key: str,
    load_segmenter: Callable[[], Segmenter],
    settings: MaskSettings,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSummary:
    """Bring the store up to date with the images.

    Args:
        records: The images to mask.
        store: Where masks are kept.
        segmenter_key: Names whatever decides a mask besides the image and the settings, such as
            the weights' checksum; known without loading them.
        load_segmenter: Called at most once, and only if something must be computed.
        settings: How masks are cleaned and judged; must be the segmenter's own.
        progress: Called with (images done, images in all), reused ones first.

    Returns:
        All entries, with counts.

    Raises:
        DatasetError: An image changed or vanished since the dataset was read.
        OutputError: The output folder cannot be written.
    """
    keys = {_name(r): mask_key(r.sha256, segmenter_key, settings) for r in records}
    store.sweep(keys)
    found = {_name(r): store.find(_name(r), r.sha256, keys[_name(r)], _shape(r)) for r in records}
    missing = {name: keys[name] for name, entry in found.items() if entry is None}
    done = len(records) - len(missing)
    report = progress or (lambda done, total: None)
    report(done, len(records))
    try:
        for entries in _compute(records, missing, store, load_segmenter):
            found |= {entry.stem: entry for entry in entries}
            done += len(entries)
            report(done, len(records))
    finally:
        store.flush()
    verdicts = {name: entry for name, entry in found.items() if entry is not None}
    return MaskSummary(
        entries=verdicts,
        computed=len(missing),
        reused=len(records) - len(missing),
        edited=sum(entry.edited for entry in verdicts.values()),
        damaged=store.damaged.copy(),
    )


def _compute(
    records: Sequence[ImageRecord],
    missing: Mapping[str, str],
    store: MaskStore,
    load_segmenter: Callable[[], Segmenter],
) -> Iterator[list[MaskEntry]]:
    """Yield the missing entries of one batch after the other, saved; write the table now and then.

    ``missing`` has the key of each mask that is not stored.
    """
    if not missing:
        return
    segmenter = load_segmenter()
    store.forget(missing)
    wanted = (
        batch for batch in _batches(records) if any(_name(record) in missing for record in batch)
    )
    with closing(_decoded(wanted)) as batches:
        for number, (batch, images) in enumerate(batches, 1):
            masks = {_name(r): m for r, m in zip(batch, segmenter.segment(images), strict=True)}
            yield [
                store.save(name, record.sha256, missing[name], masks[name])
                for record in batch
                if (name := _name(record)) in missing
            ]
            if number % FLUSH_BATCHES == 0:
                store.flush()


def _name(record: ImageRecord) -> str:
    return mask_name(record.split, record.stem)


def _shape(record: ImageRecord) -> tuple[int, int]:
    return record.height, record.width


def _batches(records: Sequence[ImageRecord]) -> Iterator[list[ImageRecord]]:
    """Cut records into batches of at most `BATCH` images and about `BATCH_PIXELS` pixels."""
    batch: list[ImageRecord] = []
    pixels = 0
    for record in records:
        size = record.height * record.width
        if batch and (len(batch) == BATCH or pixels + size > BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(record)
        pixels += size
    if batch:
        yield batch


def _decoded(
    batches: Iterable[list[ImageRecord]],
) -> Generator[tuple[list[ImageRecord], list[Image]]]:
    """Yield batches with their pixels, the next ones being decoded meanwhile."""
    waiting: deque[tuple[list[ImageRecord], Future[list[Image]]]] = deque()
    pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="decode")
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(_decode, batch)))
            if len(waiting) > AHEAD:
                ready, images = waiting.popleft()
                yield ready, images.result()
        for ready, images in waiting:
            yield ready, images.result()
    finally:  # also when the caller stops early: what waits is not worth decoding
        pool.shutdown(cancel_futures=True)


def _decode(batch: Sequence[ImageRecord]) -> list[Image]:
    return [decode_rgb(read_again(record)) for record in batch]
