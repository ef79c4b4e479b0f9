"""The mask stage: a mask, or the reason for none, for every image; stored ones are reused.

A network's result for an image can depend on the other images in its batch. Batches are therefore
cut from the whole list of records, whatever is stored: an image shares its batch with the same
images in a resumed build, after a lost file, and with any engine. Where one mask of a batch is
missing, the whole batch goes through the network, and only what is missing is stored. That costs a
quarter of a second per batch, and only where a batch is stored in part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from visnet_aug.datasets.record import ImageRecord
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import Damage, MaskEntry, MaskStore, mask_key, mask_name
from visnet_aug.masks.worker import MaskBatch

if TYPE_CHECKING:
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.progress import Advance

BATCH: Final = 128
"""Images in one batch: two of the segmenter's forward passes, a quarter of a second's work. Larger
ones leave processors idle at the end, and smaller ones a GPU between them."""

BATCH_PIXELS: Final = 4096 * 4096
"""Maximum pixels in a batch of several images: 48 MiB; bounds memory where images are large."""

FLUSH: Final = 2048
"""Entries between two writes of ``masks.csv``: a kill costs at most a few seconds' work."""

GROWTH: Final = 16
"""The table is written again only when it has grown by one part in so many: a table of millions
would otherwise cost more to write than the masks in it to compute."""


RunBatches: TypeAlias = Callable[
    [list[MaskBatch], Callable[[], None], Callable[[Sequence[MaskEntry]], None]], None
]
"""Computes one batch or more, in any order, and writes their masks. It calls its second argument
once it is ready to compute, before anything is written, and its third with the entries of each
batch, in the calling thread."""


@dataclass(frozen=True, slots=True)
class SegmenterSource:
    """A segmenter that is loaded only if some mask is missing, and in the workers.

    Attributes:
        key: Names the segmenter in the keys of stored masks.
        load: Loads it in a worker process; can be pickled.
        device: Where it runs: ``cpu``, or possibly a GPU.
    """

    key: str
    load: Callable[[], Segmenter]
    device: str = "cpu"


SegmenterFactory: TypeAlias = Callable[[str, str, MaskSettings], SegmenterSource]
"""From weights, device and mask settings to a segmenter, as `find_segmenter`."""


@dataclass(frozen=True, slots=True)
class MaskSummary:
    """What the mask stage did.

    Attributes:
        entries: The entry of each image, by `mask_name`, in the order of the records.
        computed: Images whose mask was not stored.
        reused: Images whose stored verdict was used, edits included.
        edited: Images whose mask a person edited.
        damaged: Stored files and lines that could not be used and were computed again, by kind.
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
    def qualities(self) -> Sequence[float]:
        """Predicted qualities of the usable masks that have one, in order."""
        found = (entry.mask_quality for entry in self.entries.values() if entry.accepted)
        return [quality for quality in found if quality is not None]

    @property
    def rejected(self) -> Mapping[str, int]:
        """Number of rejected masks by reason, the most frequent first."""
        reasons = Counter(e.reason for e in self.entries.values() if not e.accepted)
        return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class StoredMasks:
    """What is known about some images' masks without computing any.

    Attributes:
        accepted: Names (`mask_name`) of images with a usable mask.
        rejected: Number of images known to have none.
        unknown: Names of images without a stored verdict.
    """

    accepted: frozenset[str]
    rejected: int
    unknown: frozenset[str]


def find_local_segmenter(
    weights: str, device: str, settings: MaskSettings
) -> SegmenterSource | None:
    """Find a segmenter's weights on this machine, without loading or downloading them.

    The key names weights and architecture, not the device: masks that a GPU computed are also used
    on a machine without one, although number formats change a few pixels of an outline.

    Args:
        weights: ``builtin``, a path, or an official name.
        device: ``auto`` or a torch device.
        settings: How masks are cleaned and judged.

    Returns:
        The segmenter, or ``None`` if an official name's weights were not downloaded yet.

    Raises:
        WeightsError: The weights cannot be used.
    """
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.masks.weights import (
        OFFICIAL_NAME,
        check_classes,
        describe_weights,
    )

    info = describe_weights(weights)
    check_classes(info, settings.classes)
    if info.sha256 is None and OFFICIAL_NAME.fullmatch(weights):
        return None
    return SegmenterSource(
        info.key, partial(Segmenter, weights, device, settings, threads=1), device
    )


def find_segmenter(weights: str, device: str, settings: MaskSettings) -> SegmenterSource:
    """Find a segmenter as `find_local_segmenter` does; download its weights if necessary."""
    from visnet_aug.masks.weights import download_weights

    found = find_local_segmenter(weights, device, settings)
    if found is None:
        download_weights(weights)
        found = find_local_segmenter(weights, device, settings)
        assert found is not None, "they have just been downloaded"
    return found


def compute_masks(
    records: Sequence[ImageRecord],
    store: MaskStore,
    *,
    segmenter_key: str,
    settings: MaskSettings,
    run: RunBatches,
    progress: Advance | None = None,
) -> MaskSummary:
    """Bring the store up to date with the images.

    Args:
        records: The images to mask.
        store: Where masks are kept.
        segmenter_key: Names whatever decides a mask besides the image and the settings, such as
            the weights' checksum; known without loading them.
        settings: How masks are cleaned and judged; must be the segmenter's own.
        run: Computes the batches with a missing mask; called only if there are some.
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
            run(batches, lambda: store.forget(missing), finished)
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


def look_up_masks(
    records: Sequence[ImageRecord],
    store: MaskStore,
    segmenter_key: str | None,
    settings: MaskSettings,
) -> StoredMasks:
    """Look images up in ``masks.csv`` alone; nothing else is read, and nothing written.

    Without a segmenter's key, only masks that people edited or imported are known: they are valid
    with any segmenter.
    """
    accepted: set[str] = set()
    unknown: set[str] = set()
    rejected = 0
    for record in records:
        name = _name(record)
        entry = store.entries.get(name)
        key = segmenter_key and mask_key(record.sha256, segmenter_key, settings)
        if (
            entry is None
            or entry.image_sha256 != record.sha256
            or (entry.key != key and entry.computed)
        ):
            unknown.add(name)
        elif entry.accepted:
            accepted.add(name)
        else:
            rejected += 1
    return StoredMasks(frozenset(accepted), rejected, frozenset(unknown))


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
