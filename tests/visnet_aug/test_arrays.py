"""What callers may pass as image and mask, and what they are told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from visnet_aug.arrays import check_image, check_mask

IMAGE = np.zeros((6, 4, 3), np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 3), (6, 4, 3), (2000, 3, 3)])
def test_an_rgb_image_is_returned_as_it_is(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    assert check_image(image) is image


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (IMAGE[..., 0], ValueError, r"image 6×4 is grey; convert it with cv2.cvtColor"),
        (IMAGE[..., :1], ValueError, r"image 6×4×1 is grey"),
        (np.zeros((6, 4, 4), np.uint8), ValueError, r"image 6×4×4 has four channels; drop"),
        (np.zeros((6, 4, 2), np.uint8), ValueError, r"image 6×4×2 has another shape"),
        (np.zeros((3, 6, 4), np.uint8), ValueError, r"has four channels|channels come last"),
        (IMAGE[None], ValueError, r"image 1×6×4×3 is a batch"),
        (np.zeros(5, np.uint8), ValueError, r"image 5 has another shape"),
        (IMAGE.astype(np.float32), ValueError, r"image 6×4×3 is float32; convert it to levels"),
        (IMAGE.astype(np.int64), ValueError, r"image 6×4×3 is int64"),
        (IMAGE[:0], ValueError, r"image 0×4×3 is empty"),
        ("a.jpg", TypeError, r"image is a path \(a.jpg\), not an array; read it with"),
        (Path("a.jpg"), TypeError, r"image is a path \(a.jpg\)"),
        (None, TypeError, r"image is None"),
        ([[0]], TypeError, r"image is a list, not a NumPy array"),
    ],
)
def test_other_images_are_refused(image: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        check_image(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int64])
@pytest.mark.parametrize("person", [1, 255])
def test_masks_become_bool(kind: type, person: int) -> None:
    mask: NDArray[Any] = np.zeros((6, 4), kind)
    mask[2:4] = person
    checked = check_mask(mask, IMAGE)
    assert checked.dtype == np.bool_
    assert np.array_equal(checked, mask != 0)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((4, 6), bool), ValueError, "mask is 4×6, but its image is 6×4"),
        (np.zeros((6, 4, 3), bool), ValueError, "mask is 6×4×3, but its image is 6×4"),
        (np.full((6, 4), 2, np.uint8), ValueError, "mask uint8 holds other values than 0, 1 and"),
        (np.full((6, 4), 0.5), ValueError, "mask float64 holds other values"),
        (None, TypeError, "mask is None; .*no person found"),
        ("m.png", TypeError, r"mask is a path \(m.png\)"),
    ],
)
def test_other_masks_are_refused(mask: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_mask(mask, IMAGE)
