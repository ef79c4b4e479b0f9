"""Outlines lose no pixel, whatever the mask."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle

from visnet_aug.masks.outlines import fill_polygon, join_polygons, outline_polygons

masks = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def slow_fill(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Test each pixel's centre by the crossings of a ray to the right."""
    inside = np.zeros(shape, np.bool_)
    corners = polygon.tolist()
    for row in range(shape[0]):
        for column in range(shape[1]):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
                if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside[row, column] ^= True
    return inside


@given(masks)
def test_all_outlines_together_are_the_mask(mask: np.ndarray) -> None:
    filled = np.zeros_like(mask)
    for polygon in outline_polygons(mask):
        filled ^= fill_polygon(polygon, mask.shape)
    assert np.array_equal(filled, mask)


@given(masks.filter(np.any))
def test_joined_to_one_polygon_they_still_are(mask: np.ndarray) -> None:
    joined = join_polygons(outline_polygons(mask))
    assert np.array_equal(fill_polygon(joined, mask.shape), mask)


@given(arrays(np.float64, (5, 2), elements=st.floats(-3, 13, width=16)))
def test_a_polygon_is_filled_as_by_hand(polygon: np.ndarray) -> None:
    assert np.array_equal(fill_polygon(polygon, (9, 10)), slow_fill(polygon, (9, 10)))


def test_outlines_have_no_needless_points() -> None:
    (polygon,) = outline_polygons(np.ones((3, 5), np.bool_))
    assert polygon.tolist() == [[0, 0], [5, 0], [5, 3], [0, 3]]


def test_coco_s_own_tool_fills_them_alike() -> None:
    y, x = np.ogrid[:64, :32]
    mask = ((x - 15) / 9) ** 2 + ((y - 30) / 25) ** 2 < 1
    polygons = [polygon.ravel().tolist() for polygon in outline_polygons(mask)]
    theirs = rle.decode(rle.merge(rle.frPyObjects(polygons, *mask.shape)))
    assert np.array_equal(theirs.astype(np.bool_), mask)
