"""The mask stage of a build: which segmenter, and the images through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from visnet_aug.masks.settings import MaskSettings

if TYPE_CHECKING:
    from visnet_aug.builder.engine import Engine
    from visnet_aug.datasets.record import ImageRecord
    from visnet_aug.masks.compute import MaskSummary
    from visnet_aug.masks.worker import Segmenter
    from visnet_aug.recipe import Recipe


@dataclass(frozen=True, slots=True)
class SegmenterSource:
    """A segmenter that is loaded only if some mask is missing, and where the work is done.

    Attributes:
        key: Names the segmenter in the keys of stored masks.
        load: Loads it in a worker process; can be pickled.
        device: Where it is to run: ``cpu``, or else perhaps a GPU.
    """

    key: str
    load: Callable[[], Segmenter]
    device: str = "cpu"


SegmenterFactory: TypeAlias = Callable[[str, str, MaskSettings], SegmenterSource]
"""From weights, device and mask settings, as `find_segmenter`, to a segmenter."""

LocalSegmenterFactory: TypeAlias = Callable[[str, str, MaskSettings], SegmenterSource | None]
"""As `find_local_segmenter`."""


def find_local_segmenter(
    weights: str, device: str, settings: MaskSettings
) -> SegmenterSource | None:
    """Find a segmenter's weights on this machine, without loading or downloading them.

    The key names weights and architecture, not the device: stored masks are used wherever they
    were computed, a GPU's on a machine without one, although number formats differ in a few
    pixels of an outline.

    Args:
        weights: ``builtin``, a path, or an official name.
        device: ``auto`` or a torch device.
        settings: How masks are cleaned and judged.

    Returns:
        The segmenter, or ``None`` if an official name's weights were not downloaded yet.

    Raises:
        WeightsError: The weights cannot be used.
    """
    from visnet_aug.masks.weights import (
        OFFICIAL_NAME,
        check_classes,
        describe_weights,
        load_segmenter,
    )

    info = describe_weights(weights)
    check_classes(info, settings.classes)
    if info.sha256 is None and OFFICIAL_NAME.fullmatch(weights):
        return None
    return SegmenterSource(
        info.key, partial(load_segmenter, weights, device, settings, threads=1), device
    )


def find_segmenter(weights: str, device: str, settings: MaskSettings) -> SegmenterSource:
    """Find a segmenter as `find_local_segmenter`, downloading its weights if need be."""
    from visnet_aug.masks.weights import download_weights

    found = find_local_segmenter(weights, device, settings)
    if found is None:
        download_weights(weights)
        found = find_local_segmenter(weights, device, settings)
        assert found is not None, "they have just been downloaded"
    return found


def mask_images(
    records: Sequence[ImageRecord],
    out: Path,
    recipe: Recipe,
    segmenter: SegmenterSource,
    engine: Engine,
    progress: Callable[[int, int], None],
) -> MaskSummary:
    """Bring the masks of some images up to date.

    Raises:
        DatasetError: An image changed or vanished since the dataset was read.
        OutputError: A mask cannot be written.
        WorkerError: A worker died.
    """
    from visnet_aug.masks.compute import compute_masks
    from visnet_aug.masks.store import MaskStore

    return compute_masks(
        records,
        MaskStore(out),
        segmenter_key=segmenter.key,
        settings=recipe.masks,
        run=partial(engine.make_masks, segmenter=segmenter, out=out),
        progress=progress,
    )


@dataclass(frozen=True, slots=True)
class StoredMasks:
    """What is known of some images' masks without computing any.

    Attributes:
        accepted: Names (`mask_name`) of images with a usable mask.
        rejected: Number of images known to have none.
        unknown: Names that no stored mask answers for.
    """

    accepted: frozenset[str]
    rejected: int
    unknown: frozenset[str]


def look_up_masks(
    records: Sequence[ImageRecord], out: Path, recipe: Recipe, segmenter_key: str | None
) -> StoredMasks:
    """Look images up in ``masks.csv`` alone; nothing is read beside or written.

    Without a segmenter's key, only masks that were edited by hand are known: those hold whatever
    the segmenter.
    """
    from visnet_aug.masks.store import MaskStore, mask_key, mask_name

    entries = MaskStore(out).entries
    accepted: set[str] = set()
    unknown: set[str] = set()
    rejected = 0
    for record in records:
        name = mask_name(record.split, record.stem)
        entry = entries.get(name)
        key = segmenter_key and mask_key(record.sha256, segmenter_key, recipe.masks)
        if (
            entry is None
            or entry.image_sha256 != record.sha256
            or (entry.key != key and not entry.edited)
        ):
            unknown.add(name)
        elif entry.accepted:
            accepted.add(name)
        else:
            rejected += 1
    return StoredMasks(frozenset(accepted), rejected, frozenset(unknown))
