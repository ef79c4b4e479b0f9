"""Scenery: bicycle racks, hedges, trees, cars, kiosks and shop fronts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from visnet_aug.datasets.drawn.canvas import RGB, Colour
from visnet_aug.datasets.drawn.ground import smooth_noise
from visnet_aug.datasets.drawn.perspective import SCENE_WIDTH, Perspective

Furnish = Callable[[RGB, np.random.Generator, Perspective], None]

_PAINTS: Final[tuple[Colour, ...]] = (
    (34, 34, 36), (30, 30, 34), (52, 54, 60), (110, 40, 42), (48, 66, 110), (170, 170, 172),
    (50, 84, 70), (130, 70, 92), (140, 120, 60),
)  # fmt: skip


def bicycle_racks(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """A plaza in front of dense bicycle racks, a lawn and a dark hedge."""
    _band(picture, rng, (0, perspective.row(0.2)), (52, 60, 46), 16)
    _band(picture, rng, (perspective.row(0.2), perspective.row(0.29)), (98, 122, 70), 10)
    _kerb(picture, perspective.row(0.29))
    _trees(picture, rng, perspective, 0.28)
    for share in (0.33, 0.37, 0.42):
        _rack(picture, rng, perspective, share, gap=0.2)
    _posts(picture, rng, perspective, 0.46, 3)


def roadside(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """A road with loosely parked bicycles, and trees behind it."""
    _band(picture, rng, (0, perspective.row(0.16)), (46, 54, 42), 14)
    _band(picture, rng, (perspective.row(0.16), perspective.row(0.24)), (90, 114, 64), 10)
    _kerb(picture, perspective.row(0.24))
    _trees(picture, rng, perspective, 0.23)
    _cars(picture, rng, perspective, 0.33, 3)
    _rack(picture, rng, perspective, 0.43, gap=0.42)
    _posts(picture, rng, perspective, 0.45, 4)


def terrace(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """Low walls of pale stone with a railing, shrubs behind them, and banners."""
    _band(picture, rng, (0, perspective.row(0.26)), (60, 68, 56), 18)
    _trees(picture, rng, perspective, 0.26)
    _rack(picture, rng, perspective, 0.3, gap=0.35)
    top, bottom = perspective.row(0.3), perspective.row(0.47)
    _band(picture, rng, (top, bottom), (134, 134, 132), 5)
    for share, shade in ((0.30, 182), (0.36, 96), (0.41, 168)):
        y = int(perspective.row(share))
        picture[y : y + 4] = (shade, shade, shade - 3)
    _railing(picture, perspective.row(0.47), perspective.tall(perspective.row(0.47)))
    _kerb(picture, bottom)
    _posts(picture, rng, perspective, 0.5, 3)


def car_park(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """Parked cars on a lawn's edge behind bicycles."""
    _band(picture, rng, (0, perspective.row(0.14)), (58, 66, 50), 14)
    _band(picture, rng, (perspective.row(0.14), perspective.row(0.3)), (96, 120, 66), 9)
    _trees(picture, rng, perspective, 0.2)
    _kerb(picture, perspective.row(0.3))
    _cars(picture, rng, perspective, 0.38, 5)
    _rack(picture, rng, perspective, 0.43, gap=0.34)
    _posts(picture, rng, perspective, 0.46, 4)


def kiosks(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """Stalls with striped awnings, bicycles and signs."""
    _band(picture, rng, (0, perspective.row(0.3)), (92, 96, 94), 12)
    x = 0
    row = perspective.row(0.33)
    unit = perspective.tall(row)
    while x < SCENE_WIDTH:
        wide = int(unit * rng.uniform(1.1, 2.0))
        _stall(picture, rng, (x, int(row)), wide, unit)
        x += wide + int(unit * rng.uniform(0.1, 0.9))
    _kerb(picture, perspective.row(0.34))
    for share in (0.38, 0.43):
        _rack(picture, rng, perspective, share, gap=0.27)
    _posts(picture, rng, perspective, 0.46, 3)


def entrance(picture: RGB, rng: np.random.Generator, perspective: Perspective) -> None:
    """A dark glass front above steps."""
    bottom = int(perspective.row(0.47))
    _band(picture, rng, (0, bottom), (24, 26, 30), 5)
    unit = perspective.tall(bottom)
    for x in range(int(rng.integers(60)), SCENE_WIDTH, int(unit * 0.62)):
        wide = int(unit * 0.62)
        glass = np.array((40, 46, 54)) * rng.uniform(0.3, 1.5)
        inner = picture[:bottom, x + 4 : x + wide // 2]
        inner[:] = np.clip(inner * 0.6 + glass * rng.uniform(0.3, 0.8), 0, 255).astype(np.uint8)
        cv2.line(picture, (x, 0), (x, bottom), (74, 76, 80), max(int(unit * 0.03), 2))
    for _ in range(14):
        x, y = int(rng.integers(SCENE_WIDTH)), int(rng.uniform(0, bottom))
        glow = tuple(int(value) for value in rng.uniform(60, 190) * np.array((1, 0.95, 0.8)))
        cv2.line(picture, (x, y), (x + int(rng.integers(-6, 7)), y + int(unit * 0.3)), glow, 3)
    cv2.line(picture, (0, bottom - int(unit * 0.55)), (SCENE_WIDTH, bottom - int(unit * 0.55)),
             (84, 86, 90), 4)  # fmt: skip
    for step in range(4):
        y = int(perspective.row(0.47 + 0.028 * step))
        picture[y : y + 5] = (150 - 6 * step, 148 - 6 * step, 144 - 6 * step)
        picture[y + 5 : y + 9] = (64, 62, 60)


def _band(
    picture: RGB, rng: np.random.Generator, rows: tuple[float, float], colour: Colour, spread: float
) -> None:
    """Paint a rough strip, such as a hedge, lawn or wall, across the whole image."""
    top, bottom = max(int(rows[0]), 0), max(int(rows[1]), 0)
    if bottom - top < 2:
        return
    shape = (bottom - top, SCENE_WIDTH)
    rough = sum(smooth_noise(rng, shape, size) for size in (30, 7, 2.5))
    strip = np.array(colour, np.float32) + (0.8 * spread * np.asarray(rough))[..., None]
    picture[top:bottom] = np.clip(strip, 0, 255).astype(np.uint8)


def _kerb(picture: RGB, row: float) -> None:
    y = int(row)
    picture[y : y + 5] = (176, 173, 168)
    picture[y + 5 : y + 9] = (98, 95, 93)


def _rack(
    picture: RGB, rng: np.random.Generator, perspective: Perspective, share: float, gap: float
) -> None:
    """Paint a row of parked bicycles with their shadows; ``gap`` is in body heights."""
    row = perspective.row(share)
    tall = perspective.tall(row)
    shade = picture[int(row - tall * 0.12) : int(row + tall * 0.06)]
    shade[:] = (shade * 0.62).astype(np.uint8)
    x = float(rng.uniform(0, 40))
    while x < SCENE_WIDTH:
        _bicycle(picture, rng, (x, row + float(rng.uniform(-0.04, 0.04)) * tall), tall)
        x += tall * gap * float(rng.uniform(0.6, 1.6)) + (tall * 1.4 if rng.random() < 0.05 else 0)


def _bicycle(
    picture: RGB, rng: np.random.Generator, foot: tuple[float, float], tall: float
) -> None:
    """Draw a parked bicycle; ``tall`` is the height in rows of a person at that place."""
    x, y = foot
    turn = float(rng.choice((-1, 1))) * float(rng.uniform(0.15, 0.9))
    tyre = (int(rng.integers(16, 46)),) * 3
    paint = _PAINTS[int(rng.integers(len(_PAINTS)))]
    thick = max(int(0.022 * tall), 1)

    def at(forward: float, up: float) -> tuple[int, int]:
        return round((x + forward * tall * turn) * 8), round((y - up * tall) * 8)

    for hub in (-0.27, 0.33):
        for share, grey, width in ((1.0, tyre, thick + 1), (0.84, (112, 112, 114), 1)):
            radii = (round(0.19 * tall * abs(turn) * share * 8), round(0.19 * tall * share * 8))
            cv2.ellipse(picture, at(hub, 0.19), radii, 0, 0, 360, grey, width, cv2.LINE_AA, 3)
    frame = (
        ((-0.1, 0.53), (0.02, 0.19)), ((0.02, 0.19), (0.25, 0.5)), ((-0.08, 0.46), (0.25, 0.5)),
        ((-0.27, 0.19), (-0.08, 0.46)), ((0.33, 0.19), (0.22, 0.6)), ((0.02, 0.19), (-0.27, 0.19)),
    )  # fmt: skip
    for start, end in frame:
        cv2.line(picture, at(*start), at(*end), paint, thick, cv2.LINE_AA, 3)
    cv2.line(picture, at(-0.16, 0.55), at(-0.03, 0.55), (22, 22, 24), thick * 3, cv2.LINE_AA, 3)
    cv2.line(picture, at(0.14, 0.62), at(0.26, 0.61), (60, 60, 62), thick, cv2.LINE_AA, 3)
    if rng.random() < 0.4:
        box = np.array((at(0.28, 0.58), at(0.48, 0.58), at(0.45, 0.4), at(0.3, 0.4)), np.int32)
        cv2.fillPoly(picture, [box], (58, 58, 60), cv2.LINE_AA, 3)


def _trees(picture: RGB, rng: np.random.Generator, perspective: Perspective, share: float) -> None:
    row = perspective.row(share)
    tall = perspective.tall(row)
    for _ in range(7):
        x, wide = int(rng.integers(SCENE_WIDTH)), max(int(tall * rng.uniform(0.1, 0.2)), 3)
        bark = np.array((74, 64, 54)) * rng.uniform(0.6, 1.2)
        trunk = picture[: int(row), x : x + wide]
        across = np.sin(np.linspace(0.5, 2.9, trunk.shape[1]))[None, :, None]
        rough = rng.normal(0, 9, (*trunk.shape[:2], 1))
        trunk[:] = np.clip(bark * across + rough, 0, 255).astype(np.uint8)


def _posts(
    picture: RGB, rng: np.random.Generator, perspective: Perspective, share: float, count: int
) -> None:
    """Paint lamp posts and signs."""
    for _ in range(count):
        row = perspective.row(share + float(rng.uniform(-0.03, 0.03)))
        tall = perspective.tall(row)
        x, wide = int(rng.integers(SCENE_WIDTH)), max(int(tall * 0.06), 3)
        grey = int(rng.integers(60, 200))
        top = 0 if rng.random() < 0.6 else int(row - tall * rng.uniform(0.5, 1.2))
        cv2.rectangle(picture, (x, max(top, 0)), (x + wide, int(row)), (grey, grey, grey), -1)
        dark = int(grey * 0.6)
        cv2.rectangle(picture, (x + wide * 2 // 3, max(top, 0)), (x + wide, int(row)),
                      (dark, dark, dark), -1)  # fmt: skip
        if rng.random() < 0.4:
            sign = _PAINTS[int(rng.integers(3, len(_PAINTS)))]
            y = int(row - tall * rng.uniform(0.7, 1.1))
            reach = int(tall * rng.uniform(0.12, 0.3))
            cv2.rectangle(picture, (x - reach, y), (x + reach, y + reach), sign, -1)


def _railing(picture: RGB, row: float, tall: float) -> None:
    steel, thick = (176, 178, 180), max(int(tall * 0.035), 2)
    for level in (0.55, 0.36, 0.17):
        y = int(row - level * tall)
        cv2.line(picture, (0, y), (SCENE_WIDTH, y), steel, thick, cv2.LINE_AA)
    for x in range(20, SCENE_WIDTH, int(tall * 0.9)):
        top = (x, int(row - 0.55 * tall))
        cv2.line(picture, top, (x, int(row)), (150, 152, 154), thick + 1, cv2.LINE_AA)


def _cars(
    picture: RGB, rng: np.random.Generator, perspective: Perspective, share: float, count: int
) -> None:
    row = perspective.row(share)
    unit = perspective.tall(row)
    for slot in range(count):
        x = (slot + float(rng.uniform(0, 0.7))) * SCENE_WIDTH / count
        paint = np.array(((190, 190, 192), (40, 42, 46), (120, 124, 130), (110, 30, 34)))[
            int(rng.integers(4))
        ]
        _car(picture, (x, row), unit * 1.0, paint)


def _car(picture: RGB, foot: tuple[float, float], unit: float, paint: np.ndarray) -> None:
    x, y = foot

    def poly(points: tuple[tuple[float, float], ...], colour: np.ndarray) -> None:
        corners = 8 * np.array([(x + u * unit, y - v * unit) for u, v in points])
        cv2.fillPoly(picture, [np.rint(corners).astype(int)], colour.tolist(), cv2.LINE_AA, 3)

    poly(((0, 0.04), (2.4, 0.04), (2.4, 0), (0, 0)), np.array((30, 30, 32)))
    poly(((0, 0.12), (0.02, 0.42), (0.55, 0.5), (0.9, 0.8), (1.7, 0.8), (2.15, 0.48), (2.5, 0.42),
          (2.52, 0.12)), paint)  # fmt: skip
    poly(((0.62, 0.5), (0.92, 0.75), (1.25, 0.75), (1.25, 0.5)), np.array((40, 46, 52)))
    poly(((1.3, 0.5), (1.3, 0.75), (1.66, 0.75), (2.0, 0.5)), np.array((46, 52, 58)))
    poly(((0.02, 0.26), (2.5, 0.26), (2.5, 0.12), (0.02, 0.12)), (paint * 0.72).astype(int))
    for hub in (0.5, 2.02):
        centre = (round((x + hub * unit) * 8), round((y - 0.16 * unit) * 8))
        cv2.circle(picture, centre, round(0.17 * unit * 8), (22, 22, 24), -1, cv2.LINE_AA, 3)
        cv2.circle(picture, centre, round(0.09 * unit * 8), (140, 140, 144), -1, cv2.LINE_AA, 3)


def _stall(
    picture: RGB, rng: np.random.Generator, foot: tuple[int, int], wide: int, unit: float
) -> None:
    x, y = foot
    top = max(int(y - 1.25 * unit), 0)
    shade = int(rng.integers(40, 110))
    cv2.rectangle(picture, (x, top), (x + wide, y), (shade, shade + 4, shade + 6), -1)
    for _ in range(12):
        left, low = x + int(rng.uniform(0, 0.9) * wide), y - int(rng.uniform(0.05, 0.7) * unit)
        right, bottom = left + int(unit * 0.12), low + int(unit * 0.1)
        goods = rng.uniform(50, 190, 3).tolist()
        cv2.rectangle(picture, (left, low), (right, bottom), goods, -1)
    awning = max(int(y - 0.95 * unit), 0)
    cloth = np.array(((150, 44, 46), (50, 80, 130), (60, 110, 80)))[int(rng.integers(3))]
    for stripe, left in enumerate(range(x, x + wide, max(int(unit * 0.12), 2))):
        colour = cloth.tolist() if stripe % 2 else (206, 204, 198)
        cv2.rectangle(picture, (left, awning), (left + int(unit * 0.12), awning + int(unit * 0.22)),
                      colour, -1)  # fmt: skip
