from __future__ import annotations

import io
from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from visnet_aug.builder import render as module
from visnet_aug.builder.render import encode
from visnet_aug.datasets.images import decode_rgb


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (48, 24, 3), np.uint8)


def saved(image: NDArray[np.uint8], form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


TABLES = [[min(255, 3 + n) for n in range(64)], [min(255, 9 + 2 * n) for n in range(64)]]

SOURCES = [
    {"quality": 75, "subsampling": 2},
    {"quality": 95, "subsampling": 0},
    {"quality": 30, "subsampling": 1},
    {"quality": 100, "subsampling": 2, "progressive": True},
    {"quality": 5, "subsampling": 2, "optimize": True},
    {"qtables": TABLES, "subsampling": 0},
    {"qtables": TABLES[:1], "subsampling": 2},
]


@pytest.mark.parametrize("options", SOURCES)
def test_match_takes_tables_sampling_and_scan_order_from_the_source(
    image: NDArray[np.uint8], options: dict[str, object]
) -> None:
    source = saved(image[::-1].copy(), "JPEG", **options)
    data = encode(image, "match", source)
    ours, theirs = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(source))
    assert ours.format == "JPEG"
    assert ours.quantization == theirs.quantization
    assert get_sampling(ours) == get_sampling(theirs)
    assert bool(ours.info.get("progressive")) == bool(theirs.info.get("progressive"))


@given(
    quality=st.integers(1, 100),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=200)
def test_both_writers_write_the_same_bytes(
    quality: int, subsampling: int, progressive: bool, shape: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
    source = saved(image, "JPEG", **options, comment=b"\xff\xda\xff\xdb", optimize=bool(seed % 2))
    with mock.patch.object(module, "_with_tables", side_effect=AssertionError):
        data = encode(image, "match", source)
    assert data == module._with_tables(image, source)
    assert encode(image, f"jpeg:{quality}", b"") == saved(image, "JPEG", quality=quality)


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source[:2] + b"\xff" + source[2:],  # a fill byte
        lambda source: source[:2] + b"\xff\xdb\x00\x43\x00" + bytes(range(1, 65)) + source[2:],
    ],
    ids=["fill byte", "a table that is replaced by the next"],
)
def test_odd_headers_are_left_to_pillow(
    image: NDArray[np.uint8], change: Callable[[bytes], bytes]
) -> None:
    source = change(saved(image, "JPEG", quality=75))
    assert decode_rgb(source).shape == image.shape
    assert encode(image, "match", source) == saved(image, "JPEG", quality=75)


def test_match_changes_an_untouched_image_hardly_at_all(image: NDArray[np.uint8]) -> None:
    muted = Image.fromarray(image[:6, :3] // 4 + 96)
    smooth = np.asarray(muted.resize((24, 48)))
    source = saved(smooth, "JPEG", quality=75, subsampling=2)
    pixels = decode_rgb(source)
    again = decode_rgb(encode(pixels, "match", source))
    assert np.abs(again.astype(int) - pixels).mean() < 0.5
    worse = decode_rgb(encode(pixels, "jpeg:75", saved(smooth, "JPEG", quality=20)))
    assert (worse == again).all()  # the same tables, named by their quality


def test_match_of_a_png_and_png_are_lossless(image: NDArray[np.uint8]) -> None:
    for encoding, source in (("match", saved(image, "PNG")), ("png", saved(image, "JPEG"))):
        data = encode(image, encoding, source)
        assert Image.open(io.BytesIO(data)).format == "PNG"
        assert (decode_rgb(data) == image).all()


@pytest.mark.parametrize("quality", [1, 50, 95, 100])
def test_a_quality_means_the_usual_tables_at_4_2_0(image: NDArray[np.uint8], quality: int) -> None:
    data = encode(image, f"jpeg:{quality}", saved(image, "PNG"))
    usual = Image.open(io.BytesIO(saved(image, "JPEG", quality=quality)))
    ours = Image.open(io.BytesIO(data))
    assert (ours.quantization, get_sampling(ours)) == (usual.quantization, 2)


@pytest.mark.parametrize("encoding", ["match", "jpeg:80", "png"])
def test_the_same_pixels_give_the_same_bytes_without_metadata(
    image: NDArray[np.uint8], encoding: str
) -> None:
    source = saved(image, "JPEG", quality=75, comment=b"taken by me", dpi=(300, 300))
    data = encode(image, encoding, source)
    assert encode(image.copy(), encoding, source) == data
    assert b"taken by me" not in data
