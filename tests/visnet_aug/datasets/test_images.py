from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from visnet_aug.datasets import images
from visnet_aug.datasets.images import (
    REASONS,
    UnusableImage,
    UsableImage,
    decode_known,
    decode_rgb,
    inspect_bytes,
    inspect_image,
)
from visnet_aug.errors import DatasetError

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)
PHOTO = Image.fromarray(PIXELS)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def oriented(value: int, order: str) -> bytes:
    """Return a JPEG whose EXIF block holds one entry, the orientation."""
    tiff = {"<": b"II*\0", ">": b"MM\0*"}[order]
    tiff += struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    return encode(PHOTO, exif=b"Exif\0\0" + tiff)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", body)


def png16() -> bytes:
    """Return a 16-bit RGB PNG, which Pillow can read (as 8 bits) but not write."""
    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    return (
        png_header(4, 4, depth=16)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


JPEG = encode(PHOTO)
PROGRESSIVE = encode(PHOTO, progressive=True)
PNG = encode(PHOTO, "PNG")
HUGE_JPEG = JPEG.replace(struct.pack(">HH", 24, 16), struct.pack(">HH", 60000, 60000))
CMYK_JPEG = encode(PHOTO.convert("CMYK"))
TWELVE_BIT = JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")

OUTCOMES = {
    "empty": (b"", "zero_byte"),
    "two bytes": (JPEG[:2], "truncated"),
    "html": (b"<!DOCTYPE html><title>404</title>", "not_an_image"),
    "zeros": (bytes(4000), "not_an_image"),
    "gif": (encode(PHOTO, "GIF"), "other_format"),
    "bmp": (encode(PHOTO, "BMP"), "other_format"),
    "tiff": (encode(PHOTO, "TIFF"), "other_format"),
    "webp": (encode(PHOTO, "WEBP"), "other_format"),
    "half a jpeg": (JPEG[: len(JPEG) // 2], "truncated"),
    "half a png": (PNG[: len(PNG) // 2], "truncated"),
    "png without its end": (PNG[:-12], "truncated"),
    "jpeg that ends before its pixels": (JPEG[:2] + b"\xff\xd9" * 4000, "truncated"),
    "jpeg with a broken header": (JPEG[:2] + b"\xff\x01" + JPEG[2:], "corrupt"),
    "lossless jpeg": (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "corrupt"),
    "twelve-bit jpeg": (TWELVE_BIT, "corrupt"),
    "png with damaged pixels": (PNG.replace(PNG[60:90], bytes(30)), "corrupt"),
    "grey jpeg": (encode(PHOTO.convert("L")), "greyscale"),
    "png with a wrong checksum": (PNG[:-14] + bytes([PNG[-14] ^ 1]) + PNG[-13:], "corrupt"),
    "grey png": (encode(PHOTO.convert("L"), "PNG"), "greyscale"),
    "bilevel png": (encode(PHOTO.convert("1"), "PNG"), "greyscale"),
    "grey png with alpha": (encode(PHOTO.convert("LA"), "PNG"), "greyscale"),
    "sixteen-bit grey png": (encode(PHOTO.convert("I;16"), "PNG"), "greyscale"),
    "cmyk": (CMYK_JPEG, "cmyk"),
    "sixteen-bit png": (png16(), "sixteen_bit"),
    "palette": (encode(PHOTO.convert("P"), "PNG"), "palette"),
    "alpha": (encode(PHOTO.convert("RGBA"), "PNG"), "alpha"),
    "colour key": (encode(PHOTO, "PNG", transparency=(1, 2, 3)), "alpha"),
    "apng": (encode(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(90)]), "animated"),
    "huge jpeg": (HUGE_JPEG, "too_large"),
    "huge png": (png_header(60000, 60000) + PNG[33:], "too_large"),
    "on its side": (oriented(6, ">"), "rotated"),
    "on its side, little-endian": (oriented(8, "<"), "rotated"),
}


@pytest.mark.parametrize(("data", "reason"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_unusable_bytes_have_a_name_and_a_remedy(
    data: bytes, reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "0001_c1s1_000001_00.jpg"
    path.write_bytes(data)
    outcome = inspect_image(path)
    assert isinstance(outcome, UnusableImage)
    assert outcome.reason == reason
    assert outcome.detail.endswith(REASONS[reason])
    assert "\n" not in outcome.detail
    with pytest.raises(DatasetError, match="cannot be decoded"):
        decode_rgb(data)
    assert capfd.readouterr() == ("", "")


USABLE = {
    "jpeg": JPEG,
    "progressive jpeg": PROGRESSIVE,
    "jpeg 4:4:4": encode(PHOTO, subsampling=0),
    "jpeg 4:4:0": cv2.imencode(
        ".jpg",
        np.asarray(PHOTO),
        [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440],
    )[1].tobytes(),
    "jpeg with restart markers": encode(PHOTO, restart_marker_rows=1),
    "png with a gamma": PNG[:33] + png_chunk(b"gAMA", struct.pack(">I", 30_000)) + PNG[33:],
    "png": PNG,
    "png of odd size": encode(Image.fromarray(PIXELS[:5, :3]), "PNG"),
    "upright": oriented(1, "<"),
    "orientation out of range": oriented(9, ">"),
    "damaged exif": encode(PHOTO, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "exif cut short": encode(PHOTO, exif=b"Exif\0\0MM"),
    "bytes after the end": JPEG + b"trailing" * 100,
    "bytes after a png's end": PNG + bytes(100),
}


@pytest.mark.parametrize("data", USABLE.values(), ids=USABLE.keys())
def test_usable_bytes(
    data: bytes, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = inspect_bytes(data)
    assert isinstance(outcome, UsableImage)
    pixels = decode_rgb(data)
    assert pixels.shape == (outcome.height, outcome.width, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", USABLE.values(), ids=USABLE.keys())
def test_what_is_known_to_be_usable_decodes_to_the_same_pixels(
    data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    pixels = decode_known(data)
    assert np.array_equal(pixels, decode_rgb(data))
    assert pixels.flags.writeable
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"no image"])
def test_what_is_no_image_is_an_error_though_it_was_known(data: bytes) -> None:
    with pytest.raises(DatasetError, match="cannot be decoded"):
        decode_known(data)


def test_png_decodes_to_the_pixels_it_was_made_from() -> None:
    assert np.array_equal(decode_rgb(PNG), PIXELS)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG], ids=["jpeg", "progressive", "png"])
def test_every_proper_prefix_is_truncated(data: bytes) -> None:
    reasons = set()
    for length in range(1, len(data)):
        outcome = inspect_bytes(data[:length])
        assert isinstance(outcome, UnusableImage), length
        reasons.add(outcome.reason)
    assert reasons == {"truncated"}


@settings(deadline=None, max_examples=300)
@given(
    data=st.sampled_from([JPEG, PROGRESSIVE, PNG, oriented(6, ">")]),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))),
    cut=st.integers(0, 10_000),
)
def test_damaged_bytes_never_raise(data: bytes, edits: list[tuple[int, bytes]], cut: int) -> None:
    damaged = bytearray(data)
    for position, value in edits:
        position %= len(damaged)
        damaged[position : position + len(value)] = value
    outcome = inspect_bytes(bytes(damaged[: len(damaged) - cut % 40]))
    if isinstance(outcome, UnusableImage):
        assert outcome.reason in REASONS
        assert "\n" not in outcome.detail


def test_size_is_judged_before_a_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 24 * 16 - 1)
    monkeypatch.setattr(JpegImageFile, "load", lambda _: pytest.fail("decoded an oversized image"))
    outcome = inspect_bytes(JPEG)
    assert isinstance(outcome, UnusableImage)
    assert outcome.reason == "too_large"
    assert "16×24" in outcome.detail


def test_a_picture_of_exactly_the_limit_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 24 * 16)
    assert isinstance(inspect_bytes(JPEG), UsableImage)


def make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "unreadable"),
    "folder": (lambda path: path.mkdir(), "unreadable"),
    "dangling link": (lambda path: path.symlink_to("nowhere.jpg"), "unreadable"),
    "link to itself": (lambda path: path.symlink_to(path.name), "unreadable"),
    "fifo": (os.mkfifo, "unreadable"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "unreadable"),
    "sparse giant": (make_sparse, "too_large"),
}


@pytest.mark.parametrize(("make", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_paths_that_are_no_files(
    make: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "0001_c1s1_000001_00.jpg"
    make(path)
    outcome = inspect_image(path)
    assert isinstance(outcome, UnusableImage)
    assert outcome.reason == reason


def test_an_io_error_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "0001_c1s1_000001_00.jpg"
    path.write_bytes(JPEG)
    monkeypatch.setattr(Path, "read_bytes", fail)
    outcome = inspect_image(path)
    assert outcome == UnusableImage.because("unreadable", "Permission denied")


def test_a_link_to_an_image_is_that_image(tmp_path: Path) -> None:
    (tmp_path / "real.jpg").write_bytes(JPEG)
    (tmp_path / "link.jpg").symlink_to("real.jpg")
    assert inspect_image(tmp_path / "link.jpg") == inspect_bytes(JPEG)
