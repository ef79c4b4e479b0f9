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
    """Equation 21; outside the mask, the mean colour of the person nearby, by the distance."""
    out = background.astype(float)
    person = np.argwhere(mask)
    reach = max(1, int(np.ceil(feather + 1)) - 1)
    for y, x in np.ndindex(mask.shape):
        distance = np.sqrt(((person - (y, x)) ** 2).sum(axis=1)).min() if len(person) else np.inf
        if mask[y, x]:
            out[y, x] = image[y, x]
        elif feather and distance < feather + 1:
            near = person[np.abs(person - (y, x)).max(axis=1) <= reach]
            own = image[tuple(near.T)].mean(axis=0)
            share = 1 - distance / (feather + 1)
            out[y, x] = share * own + (1 - share) * background[y, x]
    return np.asarray(np.rint(out))


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
    expected = slow_composite(image, background, mask, feather)
    assert np.abs(out - expected).max() <= (1 + 0.02 * 255 if feather else 0)
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


def test_no_colour_of_the_old_background_is_blended_in() -> None:
    image, background = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)
    image[..., 0], background[..., 1] = 255, 255  # the old background is red
    mask = np.zeros((9, 9), bool)
    mask[:, :3] = True
    image[mask] = (0, 0, 200)
    out = composite(image, background, mask, feather=2)
    assert not out[..., 0].any()
    assert out[4, 3:6].tolist() == [[0, 85, 133], [0, 170, 67], [0, 255, 0]]


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
