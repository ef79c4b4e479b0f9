"""Can this file be embedded as it is, and if not, what is it?

The rules, and the names of what breaks them, are those of the builder of training sets
(``visnet_aug.datasets.images``): an 8-bit, three-channel, upright, complete JPEG or PNG of up to
16.8 million pixels. This package may not import that room, and needs no more than the verdict.
"""

from __future__ import annotations

import stat
import struct
import zlib
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

MAX_PIXELS: Final = 4096 * 4096
MAX_BYTES: Final = 64 * 1024 * 1024

_FORMATS: Final = ("JPEG", "MPO", "PNG")  # MPO: a JPEG with further pictures behind it
_MODES: Final = {
    "L": "greyscale",
    "LA": "greyscale",
    "1": "greyscale",
    "I": "sixteen_bit",
    "I;16": "sixteen_bit",
    "P": "palette",
    "RGBA": "alpha",
    "CMYK": "cmyk",
}
_REMEDIES: Final = {
    "unreadable": "repair the file or its permissions, or remove it",
    "zero_byte": "copy or download the file again",
    "truncated": "copy or download the file again",
    "corrupt": "copy or download the file again, or save it anew",
    "not_an_image": "replace it with the real image, or remove it",
    "other_format": "convert it to JPEG or PNG",
    "too_large": "crop or shrink it: one person's crop is expected",
    "rotated": "turn the pixels upright and remove the tag (jpegtran, exiftran -ai)",
    "animated": "keep one frame as a JPEG or PNG",
    "sixteen_bit": "convert it to 8 bits a channel",
}
_CONVERT: Final = "convert it to RGB without transparency"
_ORIENTATION: Final = 0x0112
_PNG_DEPTH: Final = 24  # where a PNG says how many bits a channel has

# What Pillow's parsers let escape on damaged bytes, besides its documented OSError.
_DECODER_ERRORS = (
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


def problem_of(path: Path) -> str | None:
    """Decode a file to see whether it can be embedded.

    Returns:
        One line with the problem's name and what to do; ``None`` for a usable image. Never raises
        for a bad file, and never waits for a FIFO.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return _because("unreadable", "not a regular file")
        if not status.st_size:
            return _because("zero_byte", "the file is empty")
        if status.st_size > MAX_BYTES:
            return _because("too_large", f"{status.st_size:,} bytes, over {MAX_BYTES:,}")
        with path.open("rb") as file:
            depth = file.read(_PNG_DEPTH + 1)[-1]
    except OSError as error:
        return _because("unreadable", error.strerror or type(error).__name__)
    return _decode(path, depth)


def _decode(path: Path, depth: int) -> str | None:
    try:
        with Image.open(path) as image:
            problem = _judge_header(image, depth)
            if problem is None:
                image.load()
            return problem
    except Image.DecompressionBombError as error:
        return _because("too_large", _one_line(error))
    except UnidentifiedImageError:
        return _because("not_an_image", "begins like no image")
    except _DECODER_ERRORS as error:
        return _because(
            "truncated" if "truncated" in str(error).lower() else "corrupt", _one_line(error)
        )


def _judge_header(image: Image.Image, depth: int) -> str | None:
    """Judge what is known before any pixel is decoded."""
    if image.format not in _FORMATS:
        return _because("other_format", f"a {image.format} file")
    if image.width * image.height > MAX_PIXELS:
        return _because("too_large", f"{image.width}×{image.height} pixels, over {MAX_PIXELS:,}")
    if image.format == "PNG":
        if depth == 16:
            return _because("sixteen_bit", "PNG with 16 bits a channel")
        if getattr(image, "is_animated", False):
            return _because("animated", "PNG with several frames")
    if image.mode != "RGB":
        return _because(_MODES.get(image.mode, "corrupt"), f"{image.format} of mode {image.mode}")
    if "transparency" in image.info:
        return _because("alpha", "PNG with a transparent colour")
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in range(2, 9):
        return _because("rotated", f"EXIF orientation {orientation}")
    return None


def _because(reason: str, what: str) -> str:
    return f"{reason}: {what}; {_REMEDIES.get(reason, _CONVERT)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
