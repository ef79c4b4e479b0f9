from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from visnet_aug.datasets.conversion import convert, encode_like
from visnet_aug.datasets.images import (
    REASONS,
    UnusableError,
    UsableImage,
    decode_rgb,
    inspect_bytes,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 16, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (24, 16), dtype=np.uint8)
PHOTO = Image.fromarray(PIXELS)
GREY = PHOTO.convert("L")
DEEP = (RNG.integers(9_000, 12_000, (24, 16))).astype(np.uint16)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_alpha(alpha: NDArray[np.uint8]) -> Image.Image:
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def three(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=2)


def over_mean(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay pixels over their mean, by a loop over channels in floating point."""
    opacity = alpha / 255
    channels = []
    for channel in range(3):
        values = pixels[..., channel].astype(float)
        mean = np.floor((values * opacity).sum() / opacity.sum() + 0.5)
        channels.append(np.floor(values * opacity + mean * (1 - opacity) + 0.5))
    return np.stack(channels, axis=-1).astype(np.uint8)


def by_range(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    low, high = int(values.min()), int(values.max())
    return three(np.rint((values.astype(float) - low) / (high - low) * 255).astype(np.uint8))


def sixteen_bit_png(pixels: NDArray[np.uint16]) -> bytes:
    """Return a 16-bit RGB PNG, which Pillow can read (as 8 bits) but not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checked = name + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in chunks)


PALETTE = PHOTO.convert("P")
CLEAR_INDEX = PALETTE.copy()
CLEAR_INDEX.info["transparency"] = int(np.asarray(PALETTE)[0, 0])
INDEX_ALPHA = np.where(np.asarray(PALETTE) == np.asarray(PALETTE)[0, 0], 0, 255).astype(np.uint8)
LOOKED_UP = np.asarray(PALETTE.convert("RGB"))
CMYK = PHOTO.convert("CMYK")
CMYK_PIXELS = np.asarray(CMYK.convert("RGB"))
RGB16 = PIXELS.astype(np.uint16) * 256 + 77
FLOATS = RNG.random((24, 16)).astype(np.float32)

EXACT: dict[str, tuple[bytes, str, NDArray[np.uint8]]] = {
    "bmp": (encode(PHOTO, "BMP"), "from BMP", PIXELS),
    "grey bmp": (encode(GREY, "BMP"), "from BMP; grey to RGB", three(np.asarray(GREY))),
    "tiff": (encode(PHOTO, "TIFF"), "from TIFF", PIXELS),
    "compressed tiff": (encode(PHOTO, "TIFF", compression="tiff_lzw"), "from TIFF", PIXELS),
    "tiff of two pages": (
        encode(PHOTO, "TIFF", save_all=True, append_images=[PHOTO.rotate(180)]),
        "from TIFF; first of several frames",
        PIXELS,
    ),
    "lossless webp": (encode(PHOTO, "WEBP", lossless=True), "from WebP", PIXELS),
    "gif": (encode(PALETTE, "GIF"), "from GIF; palette to RGB", LOOKED_UP),
    "animated gif": (
        encode(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
        "from GIF; first of several frames; palette to RGB",
        LOOKED_UP,
    ),
    "apng": (
        encode(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(180)]),
        "first of several frames",
        PIXELS,
    ),
    "grey png": (encode(GREY, "PNG"), "grey to RGB", three(np.asarray(GREY))),
    "bilevel png": (
        encode(PHOTO.convert("1"), "PNG"),
        "grey to RGB",
        three(np.asarray(PHOTO.convert("1").convert("L"))),
    ),
    "palette": (encode(PALETTE, "PNG"), "palette to RGB", LOOKED_UP),
    "palette with a clear colour": (
        encode(CLEAR_INDEX, "PNG"),
        "palette to RGB; alpha over the mean colour",
        over_mean(LOOKED_UP, INDEX_ALPHA),
    ),
    "alpha": (
        encode(with_alpha(ALPHA), "PNG"),
        "alpha over the mean colour",
        over_mean(PIXELS, ALPHA),
    ),
    "opaque alpha": (encode(PHOTO.convert("RGBA"), "PNG"), "opaque alpha dropped", PIXELS),
    "colour key of no pixel": (
        encode(PHOTO, "PNG", transparency=(1, 2, 3)),
        "opaque alpha dropped",
        PIXELS,
    ),
    "cmyk tiff": (encode(CMYK, "TIFF"), "from TIFF; CMYK to RGB", CMYK_PIXELS),
    "16-bit grey png": (
        encode(Image.fromarray(DEEP), "PNG"),
        "grey values scaled by their range",
        by_range(DEEP),
    ),
    "16-bit grey tiff": (
        encode(Image.fromarray(DEEP), "TIFF"),
        "from TIFF; grey values scaled by their range",
        by_range(DEEP),
    ),
    "16-bit grey of one value": (
        encode(Image.fromarray(np.full((4, 4), 9_000, np.uint16)), "PNG"),
        "grey values scaled by their range",
        np.zeros((4, 4, 3), np.uint8),
    ),
    "16-bit colour": (sixteen_bit_png(RGB16), "16 bits to 8", PIXELS),
    "floating-point tiff": (
        encode(Image.fromarray(FLOATS), "TIFF"),
        "from TIFF; grey values scaled by their range",
        three(
            np.rint(
                (FLOATS.astype(float) - float(FLOATS.min()))
                / (float(FLOATS.max()) - float(FLOATS.min()))
                * 255
            ).astype(np.uint8)
        ),
    ),
}  # fmt: skip
"""Kinds of picture that lose nothing: what was done, and the pixels."""

LOSSY: dict[str, tuple[bytes, str]] = {
    "grey jpeg": (encode(GREY, "JPEG"), "grey to RGB"),
    "cmyk jpeg": (encode(CMYK, "JPEG"), "CMYK to RGB"),
    "webp": (encode(PHOTO, "WEBP"), "from WebP"),
    "webp with alpha": (
        encode(with_alpha(ALPHA), "WEBP"),
        "from WebP; alpha over the mean colour",
    ),
}
"""Kinds of picture that become JPEGs."""


@pytest.mark.parametrize(("data", "done", "pixels"), EXACT.values(), ids=EXACT.keys())
def test_each_kind_has_one_rule(
    data: bytes, done: str, pixels: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    conversion = convert(data)
    assert conversion.done == done
    assert conversion.pixels.dtype == np.uint8
    assert np.array_equal(conversion.pixels, pixels)
    encoded = encode_like(conversion.pixels, data)
    assert encoded.startswith(b"\x89PNG")
    assert np.array_equal(decode_rgb(encoded), pixels)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("data", "done"), LOSSY.values(), ids=LOSSY.keys())
def test_lossy_pictures_become_jpegs(data: bytes, done: str) -> None:
    conversion = convert(data)
    assert conversion.done == done
    encoded = encode_like(conversion.pixels, data)
    assert isinstance(inspect_bytes(encoded), UsableImage)
    assert encoded.startswith(b"\xff\xd8\xff")
    assert encoded == encode_like(conversion.pixels, data)


@pytest.mark.parametrize("quality", [30, 75, 92])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_keeps_its_tables_and_sampling(quality: int, subsampling: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = encode(PHOTO, "JPEG", quality=quality, subsampling=subsampling, exif=exif)
    encoded = encode_like(convert(source).pixels, source)
    with Image.open(io.BytesIO(source)) as before, Image.open(io.BytesIO(encoded)) as after:
        assert isinstance(before, JpegImageFile)
        assert isinstance(after, JpegImageFile)
        assert after.quantization == before.quantization
        assert after.layer == before.layer
        assert after.size == before.size[::-1]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_pictures_are_turned_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    conversion = convert(encode(PHOTO, kind, exif=exif, **options))
    turned = {
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2),
        6: PIXELS.transpose(1, 0, 2)[:, ::-1],
        7: PIXELS.transpose(1, 0, 2)[::-1, ::-1],
        8: PIXELS.transpose(1, 0, 2)[::-1],
    }[orientation]
    assert conversion.done.endswith(f"turned upright (EXIF orientation {orientation})")
    assert np.array_equal(conversion.pixels, turned)


def wide_profile() -> bytes:
    """Return a profile with the primaries of Display P3 and a gamma of 2.2."""
    xyz = {
        "r": (0.5151, 0.2412, -0.0011),
        "g": (0.2920, 0.6922, 0.0419),
        "b": (0.1571, 0.0666, 0.7841),
    }

    def fixed(values: tuple[float, ...]) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    tags = [
        (b"wtpt", b"XYZ \0\0\0\0" + fixed((0.9642, 1.0, 0.8249))),
        *((name.encode() + b"XYZ", b"XYZ \0\0\0\0" + fixed(value)) for name, value in xyz.items()),
        *((name.encode() + b"TRC", b"curv\0\0\0\0\0\0\0\1\x02\x33\0\0") for name in xyz),
    ]
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + fixed((0.9642, 1.0, 0.8249))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


WIDE = wide_profile()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class TestProfiles:
    """ICC profiles."""

    def test_other_colours_than_srgb_are_converted(self) -> None:
        red = Image.new("RGB", (4, 4), (200, 60, 60))
        conversion = convert(encode(red, "PNG", icc_profile=WIDE))
        assert conversion.done == "ICC profile to sRGB"
        redder, *rest = (int(value) for value in conversion.pixels[0, 0])
        assert redder > 205  # P3's red is beyond sRGB's
        assert all(value < 60 for value in rest)

    @pytest.mark.parametrize("profile", [SRGB, b"no profile", WIDE[:200]])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    def test_srgb_and_what_is_no_profile_change_no_byte(self, profile: bytes, kind: str) -> None:
        data = encode(PHOTO, kind, icc_profile=profile)
        conversion = convert(data)
        assert conversion.done == ""
        assert np.array_equal(conversion.pixels, decode_rgb(data))

    def test_a_profile_of_another_kind_of_pixels_is_passed_over(self) -> None:
        assert convert(encode(GREY, "PNG", icc_profile=WIDE)).done == "grey to RGB"

    def test_alpha_keeps_its_shape_under_a_profile(self) -> None:
        conversion = convert(encode(with_alpha(ALPHA), "PNG", icc_profile=WIDE))
        assert conversion.done == "ICC profile to sRGB; alpha over the mean colour"
        assert not np.array_equal(conversion.pixels, over_mean(PIXELS, ALPHA))


def huge_webp() -> bytes:
    """Return a WebP that claims 16,383 pixels each way."""
    data = bytearray(encode(PHOTO, "WEBP", lossless=True))
    data[21:25] = struct.pack("<I", 0x3FFE | 0x3FFE << 14)
    return bytes(data)


def huge_bmp() -> bytes:
    data = bytearray(encode(PHOTO, "BMP"))
    data[18:26] = struct.pack("<ii", 60_000, 60_000)
    return bytes(data)


def huge_gif() -> bytes:
    data = bytearray(encode(PALETTE, "GIF"))
    data[6:10] = struct.pack("<HH", 60_000, 60_000)
    return bytes(data)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "zero_byte"),
    "text": (lambda: b"<html>", "not_an_image"),
    "avif": (lambda: b"\0\0\0\x20ftypavif" + bytes(100), "other_format"),
    "heic": (lambda: b"\0\0\0\x20ftypheic" + bytes(100), "other_format"),
    "transparent": (lambda: encode(with_alpha(0 * ALPHA), "PNG"), "transparent"),
    "huge webp": (huge_webp, "too_large"),
    "huge bmp": (huge_bmp, "too_large"),
    "huge gif": (huge_gif, "too_large"),
    "half a bmp": (lambda: encode(PHOTO, "BMP")[:700], "truncated"),
    "half a webp": (lambda: encode(PHOTO, "WEBP")[:200], "truncated"),
    "half a grey jpeg": (lambda: encode(GREY, "JPEG")[:500], "truncated"),
    "half a grey png": (lambda: encode(GREY, "PNG")[:200], "truncated"),
    "not a number": (
        lambda: encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"),
        "corrupt",
    ),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_converted_is_refused(
    make: Callable[[], bytes], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnusableError) as caught:
        convert(make())
    assert caught.value.outcome.reason == reason
    assert caught.value.outcome.detail.endswith(REASONS[reason])
    assert "\n" not in caught.value.outcome.detail
    assert capfd.readouterr() == ("", "")


SOURCES = {name: data for name, (data, *_) in {**EXACT, **LOSSY}.items()}


@pytest.mark.parametrize("data", SOURCES.values(), ids=SOURCES.keys())
def test_a_beginning_is_refused_or_the_whole_picture(data: bytes) -> None:
    """Half a picture is never taken for one."""
    whole = convert(data).pixels
    for length in range(1, len(data), 3):
        try:
            part = convert(data[:length]).pixels
        except UnusableError:
            continue
        assert np.array_equal(part, whole), length


@settings(deadline=None, max_examples=400)
@given(
    data=st.sampled_from(list(SOURCES.values())),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))),
)
def test_damaged_bytes_have_a_name_or_pixels(data: bytes, edits: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(data)
    for position, value in edits:
        position %= len(damaged)
        damaged[position : position + len(value)] = value
    try:
        conversion = convert(bytes(damaged))
    except UnusableError as error:
        assert error.outcome.reason in REASONS
        return
    height, width, channels = conversion.pixels.shape
    assert min(height, width) > 0
    assert channels == 3
