"""What is meant by the values of a PNG that somebody painted as a mask."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from visnet_aug.masks.painted import decode_painted_mask

MASK = np.zeros((6, 4), np.bool_)
MASK[1:5, 1:3] = True


def png(image: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    return data.getvalue()


def grey(low: int, high: int) -> Image.Image:
    return Image.fromarray(np.where(MASK, high, low).astype(np.uint8))


def palette(colors: list[int], person: int, ground: int) -> Image.Image:
    image = Image.fromarray(np.where(MASK, person, ground).astype(np.uint8), "P")
    image.putpalette(colors)
    return image


def rgba(person: tuple[int, ...], ground: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(MASK[..., None], person, ground).astype(np.uint8))


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.where(MASK, 65535, 0).astype(np.uint16))


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(grey(0, 255), id="black and white"),
        pytest.param(grey(0, 255).convert("1"), id="one bit"),
        pytest.param(grey(0, 1), id="0 and 1"),
        pytest.param(grey(20, 200), id="dark and bright"),
        pytest.param(sixteen_bits(), id="16 bits"),
        pytest.param(palette([0, 0, 0, 128, 0, 0], 1, 0), id="palette of labels"),
        pytest.param(palette([255, 255, 255, 0, 0, 0], 0, 1), id="palette, white first"),
        pytest.param(rgba((255, 255, 255, 255), (0, 0, 0, 255)), id="opaque RGBA"),
        pytest.param(rgba((255, 255, 255, 255), (0, 0, 0, 0)), id="white on transparent"),
        pytest.param(rgba((0, 0, 0, 255), (0, 0, 0, 0)), id="black on transparent"),
        pytest.param(rgba((90, 120, 60, 255), (90, 120, 60, 0)), id="cut-out"),
        pytest.param(rgba((250, 50, 83, 255), (0, 0, 0, 255)).convert("RGB"), id="one colour"),
    ],
)
def test_the_person_is_what_is_meant(image: Image.Image) -> None:
    assert np.array_equal(decode_painted_mask(png(image)), MASK)


def test_an_all_black_mask_has_no_person() -> None:
    assert not decode_painted_mask(png(grey(0, 0))).any()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(grey(0, 5)), r"values \(0, 5\)"),
        (png(rgba((9, 8, 7, 255), (200, 100, 50, 255)).convert("RGB")), "several colours"),
        (png(grey(0, 255))[:-20], "complete PNG"),
        (b"", "complete PNG"),
        (b"GIF89a", "complete PNG"),
    ],
)
def test_what_has_no_clear_meaning_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_painted_mask(data)
