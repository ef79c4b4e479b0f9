from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.composite import composite

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


def slow_composite(
    image: np.ndarray, background: np.ndarray, mask: np.ndarray, feather: float
) -> np.ndarray:
    """Equation 21 with, outside the mask, the source's share by the distance to the person."""
    out = background.copy()
    person = np.argwhere(mask)
    for y, x in np.ndindex(mask.shape):
        distance = np.sqrt(((person - (y, x)) ** 2).sum(axis=1)).min() if len(person) else np.inf
        share = 1.0 if mask[y, x] else max(0.0, 1 - distance / (feather + 1)) if feather else 0.0
        out[y, x] = np.rint(share * image[y, x] + (1 - share) * background[y, x])
    return out


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    shape=SHAPES,
    seed=st.integers(0, 2**32),
    feather=st.sampled_from([0, 0.5, 1, 4.2]),
)
def test_against_the_slow_reference(
    data: st.DataObject, shape: tuple[int, int], seed: int, feather: float
) -> None:
    rng = np.random.default_rng(seed)
    image, background = rng.integers(0, 256, (2, *shape, 3), np.uint8)
    mask = data.draw(hnp.arrays(bool, shape))
    kept = background.copy()
    out = composite(image, background, mask, feather)
    assert np.abs(out.astype(int) - slow_composite(image, background, mask, feather)).max() <= 1
    assert np.array_equal(out[mask], image[mask])
    assert np.array_equal(background, kept)
    if not feather:
        assert np.array_equal(out[~mask], background[~mask])


def test_a_feather_only_reaches_outward() -> None:
    image, background = np.full((9, 9, 3), 200, np.uint8), np.zeros((9, 9, 3), np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[:, :3] = True
    row = composite(image, background, mask, feather=3)[4, :, 0]
    assert row.tolist() == [200, 200, 200, 150, 100, 50, 0, 0, 0]


@pytest.mark.parametrize("feather", [0.0, 2.0])
def test_nobody_and_nothing_else(feather: float, image: Image) -> None:
    background = 255 - image
    nobody, everybody = np.zeros((128, 64), bool), np.ones((128, 64), bool)
    assert np.array_equal(composite(image, background, nobody, feather), background)
    assert np.array_equal(composite(image, background, everybody, feather), image)


def test_masks_may_be_views(image: Image) -> None:
    """A mask cut out of a larger one isn't contiguous."""
    mask = np.zeros((128, 128), bool)[:, ::2]
    mask[10:20] = True
    out = composite(image, np.zeros_like(image), mask)
    assert np.array_equal(out[10:20], image[10:20])
    assert not out[20:].any()
