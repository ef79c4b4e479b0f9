"""Bystanders and occluders in a crop: other people, poles, bicycles, bins, shrubs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import pi
from typing import Final

import numpy as np

from visnet_aug.datasets.drawn.belongings import paint_machine
from visnet_aug.datasets.drawn.camera import Camera
from visnet_aug.datasets.drawn.canvas import (
    HEIGHT,
    SUPERSAMPLING,
    TILE_COLUMNS,
    TILE_ROWS,
    WIDTH,
    Colour,
    Layer,
    Light,
    lit,
    tube,
)
from visnet_aug.datasets.drawn.moment import draw_stance, draw_track
from visnet_aug.datasets.drawn.person import paint_person
from visnet_aug.datasets.drawn.pose import View
from visnet_aug.datasets.drawn.scene import Scene
from visnet_aug.datasets.drawn.textile import plain
from visnet_aug.datasets.drawn.wardrobe import Wardrobe, wardrobe

STRANGERS: Final = 400
"""Number of bystanders in a population; none of them is an identity of the dataset."""

_FIRST_STRANGER: Final = 1_000_000
_WIDE: Final = WIDTH * SUPERSAMPLING
_HIGH: Final = HEIGHT * SUPERSAMPLING


def draw_stranger(seed: int, rng: np.random.Generator) -> Wardrobe:
    """Return a person who is not an identity of the dataset."""
    return wardrobe(_FIRST_STRANGER + int(rng.integers(STRANGERS)), seed)


def paint_bystander(
    other: Wardrobe, place: Scene, eye: Camera, view: View, nearer: bool, rng: np.random.Generator
) -> Layer:
    """Paint a second person next to the main one, slightly nearer or farther."""
    layer = Layer()
    track = draw_track(other, place, rng)
    aside = float(rng.choice((-1, 1)) * rng.uniform(0.36, 0.7)) * _WIDE
    if nearer:
        grow, drop = float(rng.uniform(0.98, 1.12)), float(rng.uniform(4, 30))
    else:
        grow = float(rng.choice((rng.uniform(0.85, 0.98), rng.uniform(0.4, 0.85))))
        drop = 0.0
    scale = view.scale * grow
    beside = replace(
        view,
        heading=view.heading if rng.random() < 0.4 else track.heading,
        x=view.x + aside,
        y=view.y + drop - (view.scale - scale) * 0.6,
        scale=scale,
    )
    crease = int(rng.integers(1000))
    paint_person(layer, other, draw_stance(other, track, rng), beside, eye.light, crease)
    return layer


def paint_obstacle(view: View, light: Light, rng: np.random.Generator) -> Layer:
    """Paint an object in front of the main person that hides part of them."""
    layer = Layer()
    painter = _OBSTACLES[int(rng.choice(len(_OBSTACLES), p=_SHARES))]
    painter(layer, view, light, rng)
    return layer


def _points(*pairs: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.array(pair, np.float32) for pair in pairs)
    return first, second


def _pole(layer: Layer, view: View, light: Light, rng: np.random.Generator) -> None:
    grey = int(rng.integers(50, 200))
    x, radius = float(rng.uniform(0.05, 0.95)) * _WIDE, float(rng.uniform(3.5, 9))
    foot = view.y + float(rng.uniform(6, 30))
    top = -20.0 if rng.random() < 0.8 else view.y - view.scale * float(rng.uniform(0.5, 0.8))
    ends = _points((x, top), (x, foot))
    tube(layer, ends, (radius, radius), plain((grey, grey, grey)), light, person=False)


def _parked(layer: Layer, view: View, light: Light, rng: np.random.Generator) -> None:
    paint: tuple[Colour, ...] = ((40, 40, 44), (120, 40, 44), (60, 90, 150), (180, 180, 184))
    colour = paint[int(rng.integers(len(paint)))]
    before = replace(
        view,
        heading=float(rng.choice((-1, 1)) * rng.uniform(0.3, 0.5)) * pi,
        x=float(rng.uniform(-0.1, 1.1)) * _WIDE,
        y=view.y + float(rng.uniform(4, 34)),
        scale=view.scale * 1.05,
    )
    paint_machine(layer, colour, before, light)


def _bin(layer: Layer, view: View, light: Light, rng: np.random.Generator) -> None:
    colours: tuple[Colour, ...] = ((50, 74, 56), (72, 74, 78), (96, 70, 48), (150, 150, 152))
    tile = plain(colours[int(rng.integers(len(colours)))]).copy()
    tile[6:9] = 30
    tile[::12] //= 2
    x, radius = float(rng.uniform(0, 1)) * _WIDE, float(rng.uniform(0.09, 0.14)) * view.unit
    foot = view.y + float(rng.uniform(10, 40))
    ends = _points((x, foot - float(rng.uniform(0.3, 0.5)) * view.scale), (x, foot))
    tube(layer, ends, (radius, radius * 0.94), tile, light, person=False, rounded=(False, False))


def _railing(layer: Layer, view: View, light: Light, rng: np.random.Generator) -> None:
    steel, radius = plain((168, 170, 174)), float(rng.uniform(2.5, 5))
    top = view.y - float(rng.uniform(0.3, 0.5)) * view.scale
    slope, foot = float(rng.uniform(-0.15, 0.15)) * _WIDE, view.y + 30
    for level in (0.0, 0.5):
        y = top + level * (foot - top)
        ends = _points((-10, y - slope), (_WIDE + 10, y + slope))
        tube(layer, ends, (radius, radius), steel, light, person=False)
    for x in np.arange(float(rng.uniform(0, 0.5)), 1.2, 0.55) * _WIDE:
        ends = _points((x, top + slope * (2 * x / _WIDE - 1)), (x, foot))
        tube(layer, ends, (radius, radius), steel, light, person=False)


def _shrub(layer: Layer, view: View, light: Light, rng: np.random.Generator) -> None:
    middle = np.array((float(rng.choice((0.0, 1.0))) * _WIDE, _HIGH + 4), np.float32)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    reach = float(rng.uniform(0.16, 0.34)) * view.scale * rng.uniform(0.82, 1.1, 48)
    outline = middle + np.stack((np.cos(turn), np.sin(turn)), 1) * reach[:, None]
    leaves = rng.normal(0, 18, (TILE_ROWS, TILE_COLUMNS, 1)) + np.array((58, 84, 44))
    half = float(reach.max())
    frame = middle + np.array(((-half, -half), (half, -half), (-half, half)))
    tile = lit(np.clip(leaves, 0, 255).astype(np.uint8), _ACROSS, light, int(rng.integers(99)))
    layer.lay(outline.astype(np.float32), tile, frame.astype(np.float32), person=False)


_ACROSS: Final = np.array((1, 0), np.float32)
_OBSTACLES: Final[tuple[Callable[[Layer, View, Light, np.random.Generator], None], ...]] = (
    _pole,
    _parked,
    _bin,
    _railing,
    _shrub,
)
_SHARES: Final = (0.25, 0.35, 0.15, 0.15, 0.1)
