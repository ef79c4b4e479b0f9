"""From a file to the image that a record stands for: plain, converted, or cut out of a frame.

Whatever an image is made of, `read_again` gives the bytes of a plain JPEG or PNG, always the same
ones: they are the file in the output, what masks are computed for and what copies are made of. So
all that comes after reading knows plain images alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from visnet_aug.datasets.conversion import convert, encode_like, find_plain
from visnet_aug.datasets.images import (
    JPEG_MAGIC,
    UnusableError,
    UnusableImage,
    decode_known,
    decode_plain,
    read_file,
)
from visnet_aug.datasets.record import ImageRecord, Region
from visnet_aug.datasets.thinning import perceptual_hash
from visnet_aug.errors import DatasetError
from visnet_aug.files import sha256_of

MIN_SIDE: Final = 2
"""Least width and height of what is cut out of a frame, in pixels."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """A usable image.

    Attributes:
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of the bytes that `read_again` returns.
        suffix: ``.jpg`` or ``.png``: what these bytes are.
        conversion: As `ImageRecord`'s.
        region: As `ImageRecord`'s: within the frame.
        hashed: Its perceptual hash, if that was asked for.
    """

    width: int
    height: int
    sha256: str
    suffix: Literal[".jpg", ".png"]
    conversion: str = ""
    region: Region | None = None
    hashed: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is wanted of the files of a dataset.

    Attributes:
        strict: Whether only plain images are usable, and nothing is converted.
        hashed: Whether perceptual hashes are wanted.
    """

    strict: bool = False
    hashed: bool = False


def inspect_source(
    path: Path, regions: Sequence[Region | None], look: Look
) -> list[SourceImage | UnusableImage]:
    """Decode a file, once, and say of each region what image it is, or why it is none.

    Args:
        path: Any path; see `visnet_aug.datasets.images.read_file`.
        regions: Parts of the upright picture; ``None`` for all of it.
        look: What is wanted.

    Returns:
        An outcome for each region, in order. Never raises for a bad file.
    """
    try:
        data = read_file(path)
        plain = decode_plain(data) if look.strict else find_plain(data)
        frame = _Frame(data, plain)
    except UnusableError as error:
        return [error.outcome] * len(regions)
    return [_inspect(frame, region, look.hashed) for region in regions]


def read_again(record: ImageRecord) -> bytes:
    """Return the bytes of a dataset's image, which must be what they were when it was read.

    Returns:
        A plain JPEG or PNG: the file itself, or what it is converted to or cut out of it.

    Raises:
        DatasetError: The file vanished or changed.
    """
    try:
        data = record.path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{record.path}: cannot be read any more ({error.strerror}); restore it, run again"
        ) from error
    try:
        image = data if record.is_file else _make(data, record)
    except (UnusableError, DatasetError):
        image = b""
    if sha256_of(image) != record.sha256:
        raise DatasetError(f"{record.path}: changed since the dataset was read; run again")
    return image


def image_bytes(data: bytes, region: Region | None = None) -> bytes:
    """Return the image that a file stands for, by its bytes alone, as `read_again` does.

    Args:
        data: The whole file.
        region: The part of its upright pixels that is the image; ``None`` for all of it.

    Returns:
        A plain JPEG or PNG.

    Raises:
        DatasetError: The file cannot be used, or the region is not inside of it.
    """
    try:
        frame = _Frame(data, find_plain(data))
    except UnusableError as error:
        raise DatasetError(f"image bytes cannot be decoded: {error.outcome.detail}") from error
    if region is not None and _clip(region, frame.width, frame.height) != region:
        raise DatasetError(f"no region {region.fragment} in {frame.width}×{frame.height} pixels")
    return frame.encoded(region)


class _Frame:
    """A file's picture, decoded when its pixels are wanted."""

    def __init__(self, data: bytes, plain: ImageFile | None) -> None:
        self.data = data
        self.conversion = ""
        if plain is None:
            self._pixels, self.conversion = convert(data)
            self.height, self.width = self._pixels.shape[:2]
            self._decode: Callable[[], NDArray[np.uint8]] = lambda: self._pixels
        else:
            self.width, self.height = plain.size
            self._decode = lambda: np.asarray(plain)

    def encoded(self, region: Region | None) -> bytes:
        """Return a plain image of a part, or of all."""
        if region is None and not self.conversion:
            return self.data
        return encode_like(self.pixels(region), self.data)

    def pixels(self, region: Region | None) -> NDArray[np.uint8]:
        """Return RGB pixels of shape (height, width, 3)."""
        return _cut(self._decode(), region)


def _inspect(frame: _Frame, region: Region | None, hashed: bool) -> SourceImage | UnusableImage:
    if region is not None:
        region = _clip(region, frame.width, frame.height)
        if region.right - region.left < MIN_SIDE or region.bottom - region.top < MIN_SIDE:
            what = f"the box has no {MIN_SIDE}×{MIN_SIDE} pixels inside the frame"
            return UnusableImage.because("empty_box", what)
    data = frame.encoded(region)
    return SourceImage(
        width=region.right - region.left if region else frame.width,
        height=region.bottom - region.top if region else frame.height,
        sha256=sha256_of(data),
        suffix=".jpg" if data.startswith(JPEG_MAGIC) else ".png",
        conversion=frame.conversion,
        region=region,
        hashed=perceptual_hash(frame.pixels(region)) if hashed else None,
    )


def _make(data: bytes, record: ImageRecord) -> bytes:
    """Make the image of a record that is not its file."""
    pixels = convert(data).pixels if record.conversion else decode_known(data)
    cut = _cut(pixels, record.region)
    if cut.shape[:2] != (record.height, record.width):
        raise DatasetError(f"{record.path}: another size than before")
    return encode_like(cut, data)


def _clip(region: Region, width: int, height: int) -> Region:
    return Region(
        max(region.left, 0),
        max(region.top, 0),
        min(region.right, width),
        min(region.bottom, height),
    )


def _cut(pixels: NDArray[np.uint8], region: Region | None) -> NDArray[np.uint8]:
    if region is None:
        return pixels
    return np.ascontiguousarray(pixels[region.top : region.bottom, region.left : region.right])
