"""Masks in and out: those of other tools for a build, and a build's for other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from visnet_aug.datasets.images import decode_known, read_again
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.files import make_folder, write_file
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.interchange import (
    EVERYONE,
    PRIMARY,
    NamedMask,
    read_foreign_masks,
    write_foreign_masks,
)
from visnet_aug.masks.person import PersonMask, judge_mask, mask_area
from visnet_aug.masks.png import encode_mask
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import MaskStore, mask_key, mask_name, read_mask
from visnet_aug.progress import Advance

if TYPE_CHECKING:
    from visnet_aug.masks.segmenter import Segmenter

BATCH: Final = 64
"""Images that are in memory at once."""

IMPORTED: Final = "imported"
"""Stands for the weights in the keys of imported masks, which no weights made."""


def import_masks(
    images: tuple[ImageRecord, ...],
    masks_from: Path,
    store: MaskStore,
    settings: MaskSettings,
    advance: Advance,
) -> None:
    """Store masks that another tool made.

    They are judged by the same limits as the segmenter's and kept like masks edited by hand.

    Args:
        images: The training images.
        masks_from: A folder of PNG masks or YOLO labels, or a COCO JSON file. Masks have the stem
            of their image's file, in the source or in the output.
        store: Where masks are kept.
        settings: The limits.
        advance: Called with the number of masks that are stored, and their total.

    Raises:
        DatasetError: The masks cannot be read, have other proportions than their images, or one
            has no image.
        OutputError: The store's folder cannot be written.
    """
    imported, named = read_foreign_masks(masks_from), _names(images)
    if strays := sorted(imported.stems.difference(named)):
        more = f" and {len(strays) - 1:,} more" if len(strays) > 1 else ""
        raise DatasetError(
            f"{masks_from}: no training image for the mask {strays[0]}{more}; masks are named by "
            "their image's file name without its suffix"
        )
    try:
        for number, stem in enumerate(sorted(imported.stems), 1):
            image = named[stem]
            mask = imported.decode(stem, (image.height, image.width))
            found = PersonMask(mask, mask_area(mask), 1.0, judge_mask(mask, 1.0, settings))
            key = mask_key(image.sha256, IMPORTED, settings)
            name = mask_name(image.split, image.stem)
            store.adopt(name, image.sha256, key, found, imported.origin)
            advance(number, len(imported.stems))
    finally:
        store.flush()


def _names(images: tuple[ImageRecord, ...]) -> dict[str, ImageRecord]:
    """Return images by the stem of their name in the output, and of their own file where unique."""
    own = Counter(image.path.stem for image in images)
    by_source = {image.path.stem: image for image in images if own[image.path.stem] == 1}
    return by_source | {image.stem: image for image in images}


def check_export(to: Path) -> None:
    """Refuse to export into a folder that holds something.

    Raises:
        OutputError: It does, or it is no folder.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise OutputError(f"{to}: not an empty folder; choose another --to")


def export_masks(
    images: tuple[ImageRecord, ...],
    masks: MaskSummary,
    store: MaskStore,
    to: Path,
    form: Literal["coco", "yolo", "png"],
    advance: Advance,
) -> None:
    """Write the accepted masks of a folder for another tool, named as the images of the source.

    Args:
        images: The images that the masks are of.
        masks: Their masks.
        store: Where the masks are kept.
        to: New or empty folder to write to.
        form: ``coco``, ``yolo`` or ``png``.
        advance: Called with the number of images that are done, and their total.

    Raises:
        OutputError: The folder cannot be written, or a mask cannot be read.
    """
    own = Counter(image.path.stem for image in images)

    def named() -> Iterator[NamedMask]:
        for number, image in enumerate(images, 1):
            entry = masks.entries[mask_name(image.split, image.stem)]
            if entry.accepted:
                mask = read_mask(store.path(entry.stem), (image.height, image.width))
                unique = own[image.path.stem] == 1
                name = image.path.name if unique else image.name
                yield NamedMask(name, mask, entry.confidence)
            advance(number, len(images))

    write_foreign_masks(named(), to, form)


def export_for_boxmot(
    images: tuple[ImageRecord, ...],
    masks: MaskSummary,
    store: MaskStore,
    to: Path,
    segmenter: Segmenter,
    advance: Advance,
) -> None:
    """Write the accepted masks as BoxMOT's training reads them.

    ``primary/<split>/<stem>.png`` is the person that a crop shows,
    ``all_people/<split>/<stem>.png`` everyone that the segmenter finds in it, that person included.

    Args:
        images: The images that the masks are of.
        masks: Their masks.
        store: Where the masks are kept.
        to: New or empty folder to write to.
        segmenter: Finds everyone.
        advance: Called with the number of images that are done, and their total.

    Raises:
        DatasetError: An image has changed since the dataset was read.
        OutputError: The folder cannot be written, or a mask cannot be read.
    """
    for folder in (PRIMARY, EVERYONE):
        for split in {image.split for image in images}:
            make_folder(to / folder / split)
    for first in range(0, len(images), BATCH):
        part = images[first : first + BATCH]
        entries = [masks.entries[mask_name(image.split, image.stem)] for image in part]
        used = [(i, e) for i, e in zip(part, entries, strict=True) if e.accepted]
        pixels = [decode_known(read_again(image)) for image, _ in used]
        for (image, entry), everyone in zip(used, segmenter.segment_everyone(pixels), strict=True):
            mask = read_mask(store.path(entry.stem), (image.height, image.width))
            name = f"{image.split}/{image.path.stem}.png"
            write_file(to / PRIMARY / name, encode_mask(mask))
            write_file(to / EVERYONE / name, encode_mask(mask | everyone))
        advance(first + len(part), len(images))
