"""The mask stage: a mask, or the reason for none, for every image; stored ones are reused.

What a network says of an image can depend on what shares its batch. Batches are therefore cut
from the whole list of records, whatever of it is stored: an image has the same companions in a
build that is gone on with, after a lost file, and whoever computes the batches. Where one mask of
a batch is missing, the whole batch goes through the network, and only what is missing is stored;
that costs a quarter of a second a batch, and only where batches are stored in part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from visnet_aug.datasets.record import ImageRecord
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import Damage, MaskEntry, MaskStore, mask_key, mask_name
from visnet_aug.masks.worker import MaskBatch

BATCH: Final = 128
"""Images in one batch: two of the segmenter's forward passes, a quarter of a second's work. Larger
ones leave processors idle at the end, and smaller ones a GPU between them."""

BATCH_PIXELS: Final = 4096 * 4096
"""Most pixels in one batch of several images: 48 MiB; bounds memory where images are large."""

FLUSH: Final = 2048
"""Entries between two writings of ``masks.csv``: what a kill can cost, a few seconds' work."""

GROWTH: Final = 16
"""The table is written again only when it has grown by one part in so many: a table of millions
would otherwise cost more to write than the masks in it to compute."""


class RunBatches(Protocol):
    """Computes batches and writes their masks, in worker processes or here."""

    def __call__(
        self,
        batches: Sequence[MaskBatch],
        *,
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        """Compute batches in any order.

        Args:
            batches: At least one.
            ready: Called once all is there that is needed, before anything is written.
            finished: Called with the entries of each batch, by the calling thread.
        """


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
    settings: MaskSettings,
    run: RunBatches,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSummary:
    """Bring the store up to date with the images.

    Args:
        records: The images to mask.
        store: Where masks are kept.
        segmenter_key: Names whatever decides a mask besides the image and the settings, such as
            the weights' checksum; known without loading them.
        settings: How masks are cleaned and judged; must be the segmenter's own.
        run: Called if something must be computed.
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
    unwritten = 0
    report = progress or (lambda done, total: None)
    report(done, len(records))

    def finished(entries: Sequence[MaskEntry]) -> None:
        nonlocal done, unwritten
        store.note(entries)
        found.update((entry.stem, entry) for entry in entries)
        done += len(entries)
        unwritten += len(entries)
        if unwritten >= max(FLUSH, len(store.entries) // GROWTH):
            store.flush()
            unwritten = 0
        report(done, len(records))

    try:
        if missing:
            batches = _batches_with(records, missing)
            run(batches, ready=lambda: store.forget(missing), finished=finished)
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


def _batches_with(records: Sequence[ImageRecord], missing: Mapping[str, str]) -> list[MaskBatch]:
    """Cut records into batches, and keep those of which a mask is missing."""
    batches = []
    for batch in _batches(records):
        keys = {name: missing[name] for name in map(_name, batch) if name in missing}
        if keys:
            batches.append(MaskBatch(tuple(batch), keys))
    return batches


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
