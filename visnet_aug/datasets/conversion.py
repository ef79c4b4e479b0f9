"""Turns the pictures that people have into plain images: upright RGB of 8 bits, as JPEG or PNG.

Every kind has one rule:

- BMP, GIF, TIFF and WebP are decoded; of several frames or pages, the first.
- Grey and bilevel pixels become R = G = B. 16-bit grey, as thermal and depth cameras write it, is
  scaled from the image's own least and largest value to 0 and 255; of 16-bit colour, the higher
  byte of each value is kept.
- A palette is looked up. What is transparent is laid over the mean colour of the image, weighted by
  opacity.
- CMYK becomes RGB by the image's ICC profile or, without one, by 255 − ink − black.
- An ICC profile whose colours are not sRGB's is applied (perceptual intent). One that cannot be
  used, or belongs to another kind of pixels, is ignored, as in browsers.
- EXIF orientation is applied.

A picture that needs none of this stays as it is, byte for byte. Any other is encoded once: a JPEG
with its own quantisation tables and chroma sampling, a lossy WebP as JPEG of quality
`WEBP_QUALITY`, and everything else as PNG. Damaged, truncated and oversized files are refused, and
so is an image in which every pixel is transparent.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import get_sampling
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from visnet_aug.datasets.images import (
    DECODER_ERRORS,
    JPEG_MAGIC,
    PNG_MAGIC,
    QuietJpegImageFile,
    UnusableError,
    check_png_whole,
    check_size,
    decode_plain,
    exif_orientation,
    find_format,
    load,
    open_header,
)

CONVERTED: Final = frozenset(
    {
        "other_format",
        "greyscale",
        "cmyk",
        "sixteen_bit",
        "palette",
        "alpha",
        "animated",
        "rotated",
    }
)
"""Reasons out of `visnet_aug.datasets.images.REASONS` that a conversion removes."""

WEBP_QUALITY: Final = 95
"""JPEG quality of what was a lossy WebP, whose own quality cannot be read."""

_PLUGINS: Final[Mapping[str, type[ImageFile]]] = {
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "TIFF": TiffImageFile,
    "WebP": WebPImageFile,
}
_UPRIGHT: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes each EXIF orientation upright."""

_PROFILE_KINDS: Final[Mapping[str, str]] = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_BITS_TAG, _ORIENTATION_TAG = 258, 274  # of a TIFF
_CHROMA_420: Final = 2
_SRGB_TOLERANCE: Final = 2
"""Levels of 255 that a profile may differ from sRGB and still be taken for it."""


class Conversion(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: RGB uint8 array of shape (height, width, 3).
        done: What was done, such as ``grey to RGB; turned upright``; empty for a plain image.
    """

    pixels: NDArray[np.uint8]
    done: str


def convert(data: bytes) -> Conversion:
    """Decode a picture of any kind that can be used.

    Args:
        data: The whole file.

    Raises:
        UnusableError: It cannot be used; see the module's first lines.

    Example:
        >>> buffer = io.BytesIO()
        >>> Image.new("L", (4, 2), 7).save(buffer, "BMP")
        >>> pixels, done = convert(buffer.getvalue())
        >>> pixels.shape, done
        ((2, 4, 3), 'from BMP; grey to RGB')
    """
    plain = find_plain(data)
    if plain is not None:
        return Conversion(np.array(plain), "")
    with warnings.catch_warnings():  # Pillow prints warnings about odd metadata
        warnings.simplefilter("ignore")
        return _convert(data)


def find_plain(data: bytes) -> ImageFile | None:
    """Return a picture that needs no conversion, decoded; ``None`` if it needs one.

    Raises:
        UnusableError: It is neither plain nor can it be converted.
    """
    try:
        image = decode_plain(data)
    except UnusableError as error:
        if error.outcome.reason in CONVERTED:
            return None
        raise
    profile = image.info.get("icc_profile")
    return None if profile and _to_srgb(profile, "RGB") else image


def encode_like(pixels: NDArray[np.uint8], source: bytes) -> bytes:
    """Encode RGB pixels of shape (height, width, 3) as a plain image.

    Args:
        pixels: What to encode.
        source: The file that they were decoded from, which decides the format.

    Returns:
        A JPEG's or PNG's bytes, without metadata; the same ones for the same arguments.
    """
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    if source.startswith(JPEG_MAGIC):
        original = open_header(QuietJpegImageFile, source)
        tables = list(original.quantization.values())[:2]  # CMYK has up to four
        sampling = get_sampling(original) if original.mode == "RGB" else _CHROMA_420
        sampling = sampling if sampling >= 0 else _CHROMA_420  # what Pillow cannot write
        image.save(buffer, "JPEG", qtables=tables, subsampling=sampling)
    elif find_format(source) == "WebP" and b"VP8 " in _webp_chunks(source):
        image.save(buffer, "JPEG", quality=WEBP_QUALITY, subsampling=_CHROMA_420)
    else:
        image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _convert(data: bytes) -> Conversion:
    name = find_format(data)
    image = _open(data, name)
    done = [f"from {name}"] if name else []
    if _has_more_frames(image):
        done.append("first of several frames")
    turned = _orientation(image)
    load(image)
    try:
        pixels = _to_rgb(image, data, done)
    except DECODER_ERRORS as error:
        kind = name or "image"
        what = f"{kind} with pixels of kind {image.mode}, which cannot be read"
        raise UnusableError("other_format", what) from error
    if turned != 1:
        done.append(f"turned upright (EXIF orientation {turned})")
        if name != "TIFF":  # which Pillow has turned already
            pixels = np.asarray(Image.fromarray(pixels).transpose(_UPRIGHT[turned]))
    return Conversion(np.array(pixels), "; ".join(done))


def _open(data: bytes, name: str | None) -> ImageFile:
    """Parse the header of a picture that isn't plain, and check what Pillow doesn't."""
    if data.startswith(JPEG_MAGIC):
        image: ImageFile = open_header(QuietJpegImageFile, data)
    elif data.startswith(PNG_MAGIC):
        check_png_whole(data)
        image = open_header(PngImageFile, data)
    elif name is not None and name in _PLUGINS:
        if name == "WebP":
            _check_webp(data)
        image = open_header(_PLUGINS[name], data)
    else:
        raise UnusableError("other_format", f"begins like a {name} file")
    check_size(image.size)
    return image


def _has_more_frames(image: ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except DECODER_ERRORS:  # of a later frame, which is not used
        return True
    finally:
        image.seek(0)


def _orientation(image: ImageFile) -> int:
    if isinstance(image, TiffImageFile):
        value = image.tag_v2.get(_ORIENTATION_TAG, 1)
        return value if value in _UPRIGHT else 1
    return exif_orientation(image.info.get("exif", b""))


def _to_rgb(image: ImageFile, data: bytes, done: list[str]) -> NDArray[np.uint8]:
    """Return RGB pixels as they are stored, noting what was done."""
    if image.mode.startswith(("I", "F")):
        done.append("grey values scaled by their range")
        return np.repeat(_scaled(np.asarray(image))[..., None], 3, axis=2)
    if _has_sixteen_bits(image, data):
        done.append("16 bits to 8")
    if image.mode in ("P", "PA"):
        done.append("palette to RGB")
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        alpha = np.asarray(whole.getchannel("A"))
        colours = np.asarray(_with_profile(whole.convert("RGB"), image.info, done))
        if alpha.min() < 255:
            done.append("alpha over the mean colour")
            return _flattened(colours, alpha)
        done.append("opaque alpha dropped")
        return colours
    if image.mode in ("1", "L"):
        done.append("grey to RGB")
    elif image.mode not in ("RGB", "P"):
        done.append(f"{image.mode} to RGB")
    kept = image.convert("L") if image.mode == "1" else image
    if kept.mode not in _PROFILE_KINDS:
        kept = kept.convert("RGB")
    return np.asarray(_with_profile(kept, image.info, done).convert("RGB"))


def _has_sixteen_bits(image: ImageFile, data: bytes) -> bool:
    """Tell whether values have 16 bits, which Pillow cuts to 8 without a word."""
    if isinstance(image, TiffImageFile):
        return 16 in image.tag_v2.get(_BITS_TAG, ())
    return data.startswith(PNG_MAGIC) and data[24] == 16


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values from their least and largest to 0 and 255; equal ones become 0."""
    if not np.isfinite(values).all():
        raise UnusableError("corrupt", "values that are infinite or no number")
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    scaled = (wide - low) / (high - low if high > low else 1.0)
    grey: NDArray[np.uint8] = np.rint(scaled * 255).astype(np.uint8)
    return grey


def _flattened(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay colours of shape (height, width, 3) over their mean, weighted by opacity."""
    weights = alpha.astype(np.int64)[..., None]
    total = int(weights.sum())
    if total == 0:
        raise UnusableError("transparent", "every pixel is transparent")
    mean = ((colours * weights).sum(axis=(0, 1)) + total // 2) // total
    laid: NDArray[np.int64] = (colours * weights + mean * (255 - weights) + 127) // 255
    return laid.astype(np.uint8)


def _with_profile(image: Image.Image, info: Mapping[Any, Any], done: list[str]) -> Image.Image:
    """Apply an ICC profile, if there is one that can be used and is not sRGB's."""
    profile = info.get("icc_profile")
    transform = _to_srgb(profile, image.mode) if profile else None
    if transform is None:
        return image
    done.append("ICC profile to sRGB")
    changed = ImageCms.applyTransform(image, transform)
    assert changed is not None  # only a change in place returns nothing
    return changed


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns colours of a profile into sRGB; ``None`` if there is nothing to do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_KINDS[mode]:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, *DECODER_ERRORS):
        return None
    if mode == "CMYK":
        return transform
    sample = _sample(mode)
    changed = ImageCms.applyTransform(sample, transform)
    assert changed is not None
    difference = np.asarray(changed, np.int16) - np.asarray(sample.convert("RGB"), np.int16)
    return transform if np.abs(difference).max() > _SRGB_TOLERANCE else None


def _sample(mode: str) -> Image.Image:
    """Return an image of colours from all over the RGB cube, or of all greys."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return Image.fromarray(cube.reshape(1, -1, 3))


def _check_webp(data: bytes) -> None:
    """Judge a WebP by its header: Pillow makes room for its pixels as soon as it is opened."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise UnusableError("truncated", "the file ends before its pixels do")
    kind, body = data[12:16], data[20:]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    check_size((width, height))


def _webp_chunks(data: bytes) -> set[bytes]:
    """Return the names of a WebP's chunks; of an animated one, also of its frames' chunks."""
    names = set()
    start = 12
    while start + 8 <= len(data):
        name = data[start : start + 4]
        names.add(name)
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        start += 8 + (16 if name == b"ANMF" else size + size % 2)  # a frame holds chunks
    return names
