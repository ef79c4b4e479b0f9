"""Is this file a usable image, and if not, what is it? One place that decodes, for all rooms.

Strict on purpose: an image is usable only as an 8-bit, three-channel, upright, complete JPEG or
PNG. Everything else has a name in `REASONS`, so that nothing is repaired, converted or dropped
silently. OpenCV would hand back a half-grey picture for some damaged files and print libjpeg's
complaints to stderr from C; Pillow raises or stays quiet, and is therefore the one judge here.
Of what it has found usable, OpenCV decodes the same pixels, bit for bit, in half the time; where
bytes are known by their checksum to be a usable image, `decode_known` has them decoded by it.

EXIF orientation is never applied. Pillow-based trainers ignore the tag and OpenCV-based ones
obey it, so an image that carries one would mean two different pictures; it is the named outcome
``rotated``.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from visnet_aug.datasets.record import ImageRecord
from visnet_aug.errors import DatasetError
from visnet_aug.files import sha256_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIXELS: Final = 4096 * 4096
"""Largest picture decoded, read from its header: 48 MiB as RGB, 2,048 Market-1501 crops."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest file read into memory."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # What inspect_image finds.
        "zero_byte": "copy or download the file again",
        "not_an_image": "replace it with the real image, or remove it",
        "other_format": "convert it to JPEG or PNG",
        "truncated": "copy or download the file again",
        "corrupt": "copy or download the file again, or save it anew",
        "greyscale": "replace it with the colour original, or convert it to RGB",
        "cmyk": "convert it to RGB",
        "sixteen_bit": "convert it to 8 bits a channel",
        "palette": "convert it to RGB",
        "alpha": "flatten it to RGB without transparency",
        "animated": "keep one frame as a JPEG or PNG",
        "rotated": "turn the pixels upright and remove the tag (jpegtran, exiftran -ai)",
        "too_large": "crop or shrink it: one person's crop is expected",
        "unreadable": "repair the file or its permissions, or remove it",
        # What a layout's reader finds from names alone.
        "bad_name": "rename it as the layout asks, or move it out of the folder",
        "subfolder": "move its images up into the split's own folder, or remove it",
        "duplicate_stem": "keep one of the two",
        "no_identity": "move it to the gallery, or remove it",
        "identity_leak": "remove the identity from the training images or from the test images",
    }
)
"""Every reason an image can be rejected for, with what to do about it."""

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_END = bytes.fromhex("0000000049454e44ae426082")
_OTHER_MAGIC: Final = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"jP  ", "JPEG 2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypheic", "HEIC"),
    (8, b"WEBP", "WebP"),
)
_ORIENTATION_TAG = 0x0112

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""What Pillow's parsers let escape on damaged bytes, besides its documented OSError."""


_ImageFile = TypeVar("_ImageFile", JpegImageFile, PngImageFile)


@dataclass(frozen=True, slots=True)
class UsableImage:
    """A complete 8-bit RGB image: its width and height in pixels and its bytes' SHA-256."""

    width: int
    height: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UnusableImage:
    """Why an image cannot be used: a name out of `REASONS` and one line for a person."""

    reason: str
    detail: str

    @classmethod
    def because(cls, reason: str, what: str) -> UnusableImage:
        """Build the outcome from what was found; the remedy comes from `REASONS`."""
        return cls(reason, f"{what}; {REASONS[reason]}")


class _UnusableError(Exception):
    """Carries an `UnusableImage` from where it is found to where it is returned."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.outcome = UnusableImage.because(reason, what)


class _QuietJpegImageFile(JpegImageFile):
    """A JPEG whose EXIF block is left alone: Pillow would warn on stderr about damaged ones."""

    def _read_dpi_from_exif(self) -> None:
        pass


def inspect_image(path: Path) -> UsableImage | UnusableImage:
    """Read a file and decide whether it is a usable image; never raises for a bad file.

    Args:
        path: Any path: a folder, a FIFO or a dangling link is an outcome, too, and never blocks.

    Returns:
        The image's size and checksum, or the named reason why it cannot be used.
    """
    try:
        return inspect_bytes(_read_file(path))
    except _UnusableError as error:
        return error.outcome


def inspect_bytes(data: bytes) -> UsableImage | UnusableImage:
    """Decide whether an image file's bytes are usable, by decoding all of its pixels."""
    try:
        image = _decode(data)
    except _UnusableError as error:
        return error.outcome
    return UsableImage(image.width, image.height, sha256_of(data))


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Decode a usable image file's bytes.

    Args:
        data: The whole file. Bytes after the image's end are ignored.

    Returns:
        RGB uint8 array of shape (height, width, 3), writable, pixels in stored order.

    Raises:
        DatasetError: The bytes are not a usable image (the file changed since it was read).
    """
    import numpy as np

    try:
        return np.array(_decode(data))
    except _UnusableError as error:
        raise DatasetError(f"image bytes cannot be decoded: {error.outcome.detail}") from error


def decode_known(data: bytes) -> NDArray[np.uint8]:
    """Decode the bytes of an image that was found usable before: pixels as of `decode_rgb`, sooner.

    Raises:
        DatasetError: The bytes are no image. Damage that leaves a picture goes unnoticed.
    """
    import cv2
    import numpy as np

    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    # The two differ in what they refuse: what the judge has taken is never refused afterwards.
    return decode_rgb(data) if image is None else image


def read_again(record: ImageRecord) -> bytes:
    """Read a dataset's image, which must still be what it was when the dataset was read.

    Raises:
        DatasetError: It vanished or changed.
    """
    try:
        data = record.path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{record.path}: cannot be read any more ({error.strerror}); restore it, run again"
        ) from error
    if sha256_of(data) != record.sha256:
        raise DatasetError(f"{record.path}: changed since the dataset was read; run again")
    return data


def _read_file(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for a writer, for ever
            raise _UnusableError("unreadable", "not a regular file")
        if status.st_size > MAX_BYTES:
            raise _UnusableError("too_large", f"{status.st_size:,} bytes, over {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise _UnusableError("unreadable", error.strerror or type(error).__name__) from error


def _decode(data: bytes) -> JpegImageFile | PngImageFile:
    """Return the image with all of its pixels loaded, in mode RGB, or raise `_UnusableError`."""
    if not data:
        raise _UnusableError("zero_byte", "the file is empty")
    if _JPEG_MAGIC.startswith(data) or _PNG_MAGIC.startswith(data):
        raise _UnusableError("truncated", f"ends after {len(data)} bytes")
    image: JpegImageFile | PngImageFile
    if data.startswith(_JPEG_MAGIC):
        image = _open(_QuietJpegImageFile, data)
        _check_jpeg(image)
    elif data.startswith(_PNG_MAGIC):
        _check_png(data)
        image = _open(PngImageFile, data)
        if "transparency" in image.info:
            raise _UnusableError("alpha", "PNG with a transparent colour")
    else:
        raise _name_foreign(data)
    if image.width * image.height > MAX_PIXELS:
        raise _UnusableError(
            "too_large", f"{image.width}×{image.height} pixels, over {MAX_PIXELS:,}"
        )
    orientation = _orientation(image.info.get("exif", b""))
    if orientation != 1:
        raise _UnusableError("rotated", f"EXIF orientation {orientation}")
    try:
        image.load()
    except DECODER_ERRORS as error:
        reason = "truncated" if "truncated" in str(error) else "corrupt"
        raise _UnusableError(reason, _one_line(error)) from error
    return image


def _open(plugin: type[_ImageFile], data: bytes) -> _ImageFile:
    """Parse an image's header; no pixel is decoded yet."""
    stream = io.BytesIO(data)
    try:
        image = plugin(stream)
    except DECODER_ERRORS as error:
        if stream.tell() >= len(data):
            raise _UnusableError("truncated", "the file ends within its header") from error
        raise _UnusableError("corrupt", _one_line(error)) from error
    if not image.tile:
        raise _UnusableError("truncated", "the file ends before its pixels")
    return image


def _check_jpeg(image: JpegImageFile) -> None:
    if image.mode == "L":
        raise _UnusableError("greyscale", "JPEG with one channel")
    if image.mode == "CMYK":
        raise _UnusableError("cmyk", "JPEG with four channels")


def _check_png(data: bytes) -> None:
    """Judge what Pillow would convert silently: bit depth, colour type, animation, missing end."""
    if len(data) < 26:
        raise _UnusableError("truncated", "the file ends within its header")
    depth, colour_type = data[24], data[25]
    if colour_type in (0, 4):
        raise _UnusableError("greyscale", "PNG with one colour channel")
    if colour_type == 3:
        raise _UnusableError("palette", "PNG with a palette")
    if colour_type == 6:
        raise _UnusableError("alpha", "PNG with an alpha channel")
    if depth == 16:
        raise _UnusableError("sixteen_bit", "PNG with 16 bits a channel")
    if b"acTL" in data[: data.find(b"IDAT")]:
        raise _UnusableError("animated", "PNG with several frames")
    if _PNG_END not in data:
        raise _UnusableError("truncated", "PNG without its end")
    _check_sums(data)


def _check_sums(data: bytes) -> None:
    """Compare the checksums of a PNG's parts; Pillow leaves out those of the pixels."""
    start = len(_PNG_MAGIC)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise _UnusableError("corrupt", "PNG with a wrong checksum")
        if data[start + 4 : start + 8] == b"IEND":
            return
        start = end + 4


def _name_foreign(data: bytes) -> _UnusableError:
    for offset, magic, name in _OTHER_MAGIC:
        if data.startswith(magic, offset):
            return _UnusableError("other_format", f"begins like a {name} file")
    return _UnusableError("not_an_image", "begins like neither a JPEG nor a PNG file")


def _orientation(exif: bytes) -> int:
    """Read the orientation out of an EXIF block; 1, upright, where there is none to be read."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"

    def number(offset: int, size: int) -> int:
        return int.from_bytes(tiff[offset : offset + size], order)

    directory = number(4, 4)
    entries = (directory + 2 + 12 * index for index in range(number(directory, 2)))
    for entry in entries:
        if number(entry, 2) == _ORIENTATION_TAG:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
