"""Sprite sheets: all images of a set as small pictures, 128 to a file.

A page that asked for each image by itself would ask 42,872 times. Sheets keep the manifest's
order, so that what is looked at together lies together. Each picture has a place of the same
size; it fills the place's upper left corner and its edges are repeated over the rest, so that JPEG
blocks mix no two pictures.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from visnet_aug.datasets.images import DECODER_ERRORS
from visnet_aug.errors import OutputError
from visnet_aug.files import write_file
from visnet_aug.masks.look import OUTLINE, TINT, mark
from visnet_aug.masks.person import Mask
from visnet_aug.masks.store import read_mask
from visnet_aug.report.measures import Measures, Picture, measure
from visnet_aug.shards import read_bytes

COLUMNS: Final = 16
ROWS: Final = 8
PER_SHEET: Final = COLUMNS * ROWS

_AREA: Final = 64 * 128
"""Pixels of a tile: a Market-1501 crop is shown at its own size."""

_BLOCK: Final = 16
"""Pixels that share JPEG's chroma; tiles are multiples of it."""

_LONGEST: Final = 3.0
"""Maximum aspect ratio of a tile; longer images are shown smaller."""

_QUALITY: Final = [cv2.IMWRITE_JPEG_QUALITY, 70]
"""1.7 kB per Market-1501 crop, with no visible difference from the original."""

_COLOURS: Final = (0, 0, 0, *TINT, *OUTLINE)
_OPACITIES: Final = bytes((0, 150, 255))
"""Of person, background and line in a sheet of masks, whose colours are numbered as `mark` does."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The size of one picture's place in a sheet, in pixels."""

    width: int
    height: int

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size at which an image is drawn; the page's script computes the same."""
        scale = min(self.width / width, self.height / height, 1.0)
        return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet to be drawn.

    Attributes:
        number: Its number among those of its kind.
        paths: The images, or the masks, relative to the set's folder.
        sizes: Width and height of each image.
        masks: Whether it shows masks.
    """

    number: int
    paths: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    masks: bool

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"masks-{self.number:04}.png" if self.masks else f"images-{self.number:04}.jpg"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The result of drawing a sheet.

    Attributes:
        sheet: Which one it was.
        measures: Of each image, ``None`` if it cannot be shown; nothing for masks.
        unseen: The paths of what cannot be shown, with the reason.
    """

    sheet: Sheet
    measures: Sequence[Measures | None]
    unseen: Sequence[tuple[str, str]]


def choose_tile(sizes: Iterable[tuple[int, int]]) -> Tile:
    """Choose a tile that suits most images: of the median aspect ratio."""
    aspect = float(np.median([width / height for width, height in sizes] or [1]))
    aspect = min(max(aspect, 1 / _LONGEST), _LONGEST)
    return Tile(_blocks(sqrt(_AREA * aspect)), _blocks(sqrt(_AREA / aspect)))


def cut_sheets(
    paths: Sequence[str], sizes: Sequence[tuple[int, int]], *, masks: bool = False
) -> list[Sheet]:
    """Divide images, or masks, among sheets."""
    return [
        Sheet(number, paths[start : start + PER_SHEET], sizes[start : start + PER_SHEET], masks)
        for number, start in enumerate(range(0, len(paths), PER_SHEET))
    ]


def draw_sheet(sheet: Sheet, root: Path, folder: Path, tile: Tile) -> Drawn:
    """Draw a sheet and write it.

    Args:
        sheet: What is to be on it.
        root: The set's folder.
        folder: Where the file goes.
        tile: Size of the places.

    Raises:
        OutputError: It cannot be written.
    """
    draw = _draw_masks if sheet.masks else _draw_images
    return draw(sheet, root, folder, tile)


def _draw_images(sheet: Sheet, root: Path, folder: Path, tile: Tile) -> Drawn:
    page = _paper(sheet, tile, channels=3)
    measures: list[Measures | None] = []
    unseen = []
    for place, (path, size) in enumerate(zip(sheet.paths, sheet.sizes, strict=True)):
        try:
            picture = _read_small(read_bytes(root, path), tile.fit(*size))
        except DECODER_ERRORS as error:
            measures.append(None)
            unseen.append((path, _reason(error)))
            continue
        measures.append(measure(picture))
        _put(page, place, picture, tile)
    data = cv2.imencode(".jpg", cv2.cvtColor(page, cv2.COLOR_RGB2BGR), _QUALITY)[1]
    write_file(folder / sheet.name, data.tobytes())
    return Drawn(sheet, measures, unseen)


def _draw_masks(sheet: Sheet, root: Path, folder: Path, tile: Tile) -> Drawn:
    page = _paper(sheet, tile, channels=1)
    unseen = []
    for place, (path, size) in enumerate(zip(sheet.paths, sheet.sizes, strict=True)):
        try:
            mask = read_mask(root / path, (size[1], size[0]))
            _put(page, place, mark(_fit(mask, tile.fit(*size))), tile)
        except OutputError as error:
            unseen.append((path, str(error)))
    image = Image.fromarray(page[..., 0], "P")
    image.putpalette(_COLOURS)
    data = io.BytesIO()
    image.save(data, "PNG", bits=2, transparency=_OPACITIES)
    write_file(folder / sheet.name, data.getvalue())
    return Drawn(sheet, (), unseen)


def _paper(sheet: Sheet, tile: Tile, channels: int) -> npt.NDArray[np.uint8]:
    rows = -(-len(sheet.paths) // COLUMNS)
    return np.zeros((rows * tile.height, COLUMNS * tile.width, channels), np.uint8)


def _put(page: npt.NDArray[np.uint8], place: int, picture: Picture, tile: Tile) -> None:
    height, width = picture.shape[:2]
    filled = cv2.copyMakeBorder(
        picture, 0, tile.height - height, 0, tile.width - width, cv2.BORDER_REPLICATE
    )
    top, left = place // COLUMNS * tile.height, place % COLUMNS * tile.width
    page[top : top + tile.height, left : left + tile.width] = filled.reshape(
        tile.height, tile.width, -1
    )


def _read_small(data: bytes, size: tuple[int, int]) -> Picture:
    """Decode an image at a size; of a large JPEG, only as many frequencies as that takes.

    Whether the file is sound is not judged here: a build did, and verification does.
    """
    with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as image:
        image.draft("RGB", size)
        picture = np.asarray(image.convert("RGB"))
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fit(mask: Mask, size: tuple[int, int]) -> Mask:
    """Bring a mask to a size."""
    if mask.shape[::-1] == size:
        return mask
    grey = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey >= 0.5, np.bool_)


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__


def _blocks(pixels: float) -> int:
    return max(1, round(pixels / _BLOCK)) * _BLOCK
