from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.datasets.drawn.canvas import (
    TILE_COLUMNS,
    TILE_ROWS,
    Layer,
    Light,
    lit,
    smooth,
    tube,
)
from visnet_aug.datasets.drawn.textile import AROUND, Cloth, Pattern, plain, sleeve, wrap

FLAT = Light(0, 0, 0, ambient=1.0)
RED = (200, 20, 20)


def ends(x0: float, y0: float, x1: float, y1: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array((x0, y0), np.float32), np.array((x1, y1), np.float32)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.57, 2.5])
def test_a_tube_covers_its_rectangle_and_two_half_discs(angle: float) -> None:
    layer = Layer()
    length, radius = 60.0, 12.0
    step = length / 2 * np.array((np.cos(angle), np.sin(angle)))
    tube(layer, ends(96 - step[0], 190 - step[1], 96 + step[0], 190 + step[1]),
         (radius, radius), plain(RED), FLAT)  # fmt: skip
    area = np.count_nonzero(layer.cover)
    assert area == pytest.approx(2 * radius * length + np.pi * radius**2, rel=0.06)
    assert (layer.rgb[layer.cover > 0] == RED).all()
    assert (layer.person == layer.cover).all()


def test_what_is_no_person_takes_the_person_away_below_it() -> None:
    layer = Layer()
    tube(layer, ends(96, 100, 96, 300), (20, 20), plain(RED), FLAT)
    tube(layer, ends(20, 200, 170, 200), (10, 10), plain(RED), FLAT, person=False)
    assert layer.cover[200, 96] == 255
    assert layer.person[200, 96] == 0
    assert layer.person[150, 96] == 255


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*[st.floats(-500, 900, width=32)] * 4),
    st.floats(0.125, 80, width=32),
    st.booleans(),
)
def test_painting_off_the_sheet_is_clipped(
    place: tuple[float, float, float, float], radius: float, person: bool
) -> None:
    layer = Layer()
    tube(layer, ends(*place), (radius, radius / 2), plain(RED), FLAT, person=person)
    assert ((layer.cover == 0) | (layer.cover == 255)).all()
    assert (layer.person == (layer.cover if person else 0)).all()


def test_light_falls_on_the_side_it_comes_from() -> None:
    across = np.array((1, 0), np.float32)
    from_right = lit(plain((100, 100, 100)), across, Light(0.8, 0, 0.5, 0.3), None)
    assert from_right[0, -4, 0] > from_right[0, 3, 0] + 30


def test_folds_change_from_crease_to_crease() -> None:
    across = np.array((1, 0), np.float32)
    cloth = plain((120, 120, 120))
    first, again, other = (lit(cloth, across, FLAT, crease) for crease in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_smoothing_keeps_a_polygon_inside_itself() -> None:
    square = np.array(((0, 0), (10, 0), (10, 10), (0, 10)), np.float32)
    rounded = smooth(square)
    assert len(rounded) == 16
    assert rounded.min() >= 0
    assert rounded.max() <= 10
    assert not (rounded == (0, 0)).all(axis=1).any()


PATTERNS: tuple[Pattern, ...] = (
    "stripes", "pinstripes", "plaid", "dots", "flowers", "blocks", "print", "denim",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_shows_and_is_the_same_again(pattern: Pattern) -> None:
    cloth = Cloth(pattern, (40, 60, 120), (220, 200, 60), pitch=8, seed=7)
    first = wrap(cloth).copy()
    wrap.cache_clear()
    assert (wrap(cloth) == first).all()
    assert first.shape == (TILE_ROWS, AROUND, 3)
    assert sleeve(cloth).shape == (TILE_ROWS, TILE_COLUMNS, 3)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 1


def test_cached_cloth_cannot_be_spoilt() -> None:
    with pytest.raises(ValueError, match="read-only"):
        plain(RED)[0, 0] = 0
