from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds.fill import MARGIN, remove_person


def grown(mask: np.ndarray) -> np.ndarray:
    size = 2 * MARGIN + 1
    wider: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((size, size)))
    return wider.astype(bool)


def slow_fill(image: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Push-pull by its definition, pixel by pixel; sides are powers of two."""
    height, width = unknown.shape
    if (height, width) == (1, 1):
        return image.astype(float)
    half = np.zeros(((height + 1) // 2, (width + 1) // 2, 3))
    weight = np.zeros(half.shape[:2])
    for y, x in np.ndindex(half.shape[:2]):
        cell = (slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
        known = 1.0 - unknown[cell]
        if known.sum() > 0:
            half[y, x] = (image[cell] * known[..., None]).sum(axis=(0, 1)) / known.sum()
            weight[y, x] = min(1.0, 4 * known.mean())
    coarse = slow_fill(half, 1 - weight)
    filled = np.empty(image.shape)
    for y, x in np.ndindex(height, width):
        between = bilinear(coarse, (y + 0.5) / 2 - 0.5, (x + 0.5) / 2 - 0.5)
        filled[y, x] = (1 - unknown[y, x]) * image[y, x] + unknown[y, x] * between
    return filled


def bilinear(image: np.ndarray, y: float, x: float) -> np.ndarray:
    """Read between the pixels; the border's pixels continue outwards."""
    height, width = image.shape[:2]
    top, left = int(np.floor(y)), int(np.floor(x))
    total = np.zeros(3)
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        share = (1 - abs(y - row)) * (1 - abs(x - column))
        total += share * image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    return total


@pytest.mark.parametrize("seed", range(4))
def test_against_the_slow_reference(seed: int, textured: Callable[..., Image]) -> None:
    image = textured(seed, 32, 16)
    mask = np.zeros((32, 16), bool)
    mask[8:27, 5:11] = True
    slow = slow_fill(image, grown(mask).astype(float))
    assert np.abs(remove_person(image, mask) - slow).max() <= 0.51


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    share=st.floats(0, 1),
)
def test_what_holds_for_any_mask(
    textured: Callable[..., Image], height: int, width: int, seed: int, share: float
) -> None:
    image = textured(seed, height, width)
    mask = np.random.default_rng(seed).random((height, width)) < share**3
    filled = remove_person(image, mask)
    assert filled.shape == image.shape
    assert filled is not image
    known = ~grown(mask)
    if not known.any():
        known = ~mask
    assert np.array_equal(filled[known], image[known])
    if known.any():
        low, high = image[known].min(axis=0), image[known].max(axis=0)
        assert ((filled >= low) & (filled <= high)).all()
    else:
        assert np.array_equal(filled, image)


def test_a_flat_background_is_continued_exactly(mask: Mask) -> None:
    image = np.full((128, 64, 3), (10, 200, 90), np.uint8)
    scene = image.copy()
    image[grown(mask)] = (255, 0, 255)
    assert np.array_equal(remove_person(image, mask), scene)


def test_near_colours_decide(mask: Mask) -> None:
    """Dark on the left, bright on the right: the fill next to each side looks like it."""
    image = np.full((128, 64, 3), 30, np.uint8)
    image[:, 32:] = 220
    filled = remove_person(image, mask)[66]
    outline = np.flatnonzero(mask[66])
    assert filled[outline[0]].max() < 70
    assert filled[outline[-1]].min() > 180
