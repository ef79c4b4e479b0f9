"""The place that a camera watches: one wide picture in perspective, drawn once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, WIDTH
from visnet_aug.datasets.drawn.textile import Colour

SCENE_WIDTH: Final = 1400
SCENE_HEIGHT: Final = 520


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A drawn place.

    Attributes:
        picture: (520, 1400, 3) RGB, sharp and in neutral light.
        horizon: Row of the horizon.
        rise: Body heights per row below the horizon: a person whose feet are at row y is
            ``rise * (y - horizon)`` rows tall.
        near: Largest row where people walk.
        far: Smallest row where people walk.
    """

    picture: RGB
    horizon: float
    rise: float
    near: float
    far: float

    def crop(self, x: float, feet: float, tall: float, place: tuple[float, float], squeeze: float) -> RGB:
        """Cut the crop of a person.

        Args:
            x: Column of the person's feet.
            feet: Row of the feet.
            tall: Rows of the box.
            place: Where in the box the feet are, as shares of its width and height.
            squeeze: Width of the box as a share of half its height.

        Returns:
            (128, 64, 3) RGB.
        """
        wide = tall / 2 * squeeze
        left = int(np.clip(x - place[0] * wide, 0, SCENE_WIDTH - wide - 1))
        top = int(np.clip(feet - place[1] * tall, 0, SCENE_HEIGHT - tall - 1))
        piece = self.picture[top : top + max(int(tall), 8), left : left + max(int(wide), 4)]
        way = cv2.INTER_AREA if tall > HEIGHT else cv2.INTER_CUBIC
        return cv2.resize(piece, (WIDTH, HEIGHT), interpolation=way)


@lru_cache(maxsize=16)
def scene(camid: int, seed: int = 0) -> Scene:
    """Return the place that camera ``camid`` watches."""
    rng = np.random.default_rng((seed, 2, camid))
    kind = (camid - 1) % 6
    horizon, rise = float(rng.uniform(10, 70)), float(rng.uniform(0.55, 0.72))
    picture = _ground(rng, horizon, kind)
    _backdrop(picture, rng, horizon, kind)
    _things(picture, rng, horizon, rise, kind)
    return Scene(picture, horizon, rise, near=SCENE_HEIGHT - 12, far=horizon + 0.55 * (SCENE_HEIGHT - horizon))


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Smooth noise of unit spread."""
    small = (max(int(shape[0] / sigma), 2), max(int(shape[1] / sigma), 2))
    rough = rng.normal(size=small).astype(np.float32)
    return cv2.resize(rough, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _paving(rng: np.random.Generator, kind: int) -> NDArray[np.float32]:
    """Return a flat piece of ground, (1024, 1024, 3) float."""
    size = 1024
    base = np.array(((150, 143, 138), (138, 138, 136), (158, 152, 148), (132, 126, 124),
                     (146, 142, 136), (120, 118, 118)), np.float32)[kind]  # fmt: skip
    ground = np.empty((size, size, 3), np.float32)
    ground[:] = base
    if kind != 1:
        tile_x, tile_y = ((24, 12), (40, 40), (32, 16), (20, 20), (48, 24), (32, 32))[kind]
        rows, columns = size // tile_y + 1, size // tile_x + 2
        tints = rng.normal(0, 7, (rows, columns)).astype(np.float32)
        y, x = np.mgrid[0:size, 0:size]
        row = y // tile_y
        column = (x + (row % 2) * (tile_x // 2)) // tile_x
        ground += tints[row, column][..., None]
        joints = (y % tile_y < 2) | ((x + (row % 2) * (tile_x // 2)) % tile_x < 2)
        ground[joints] -= 24
        if kind in (0, 3):
            band = (x // 160) % 3 == 0
            ground[band] += np.array((16, -6, -10), np.float32)
    ground += (_noise(rng, (size, size), 60) * 7 + _noise(rng, (size, size), 8) * 4)[..., None]
    ground += rng.normal(0, 5, (size, size, 1)).astype(np.float32)
    return ground


def _ground(rng: np.random.Generator, horizon: float, kind: int) -> RGB:
    flat = _paving(rng, kind)
    low, high = SCENE_HEIGHT, horizon + 28
    spread = (low - horizon) / (high - horizon)
    middle, half = SCENE_WIDTH / 2, SCENE_WIDTH * 0.62
    corners = np.array(((0, 0), (1024, 0), (0, 1024), (1024, 1024)), np.float32)
    shift = float(rng.uniform(-300, 300))
    target = np.array(
        ((middle - half + shift * 0.2, high), (middle + half + shift * 0.2, high),
         (middle - half * spread + shift, low), (middle + half * spread + shift, low)), np.float32)  # fmt: skip
    matrix = cv2.getPerspectiveTransform(corners, target)
    picture = cv2.warpPerspective(flat, matrix, (SCENE_WIDTH, SCENE_HEIGHT),
                                  flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    shade = _noise(rng, (SCENE_HEIGHT, SCENE_WIDTH), 50) + 0.6 * _noise(rng, (SCENE_HEIGHT, SCENE_WIDTH), 18)
    picture *= 1 - 0.18 * np.clip(shade, 0, 1.2)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _backdrop(picture: RGB, rng: np.random.Generator, horizon: float, kind: int) -> None:
    """Draw what closes the view: grass, hedge, wall or shop fronts."""
    bottom = int(horizon + (0.14, 0.12, 0.2, 0.12, 0.14, 0.42)[kind] * (SCENE_HEIGHT - horizon))
    colours: tuple[Colour, ...] = ((70, 74, 62), (60, 74, 52), (104, 104, 102), (84, 104, 62), (78, 90, 66), (26, 28, 32))
    wall = np.empty((bottom, SCENE_WIDTH, 3), np.float32)
    wall[:] = colours[kind]
    wall += (_noise(rng, wall.shape[:2], 40) * 10 + _noise(rng, wall.shape[:2], 5) * 12)[..., None]
    if kind == 5:
        for x in range(0, SCENE_WIDTH, 170):
            wall[:, x : x + 7] = (92, 94, 96)
            wall[:, x + 60 : x + 75] += 16
    picture[:bottom] = np.clip(wall, 0, 255)
    verge = bottom + int(0.09 * (SCENE_HEIGHT - horizon))
    if kind in (0, 1, 3, 4):
        grass = np.empty((verge - bottom, SCENE_WIDTH, 3), np.float32)
        grass[:] = (96, 122, 66)
        grass += (rng.normal(0, 12, grass.shape[:2]) + _noise(rng, grass.shape[:2], 25) * 9)[..., None]
        picture[bottom:verge] = np.clip(grass, 0, 255)
    cv2.line(picture, (0, verge), (SCENE_WIDTH, verge), (176, 172, 168), 5)
    cv2.line(picture, (0, verge + 5), (SCENE_WIDTH, verge + 5), (96, 92, 90), 3)


def _things(picture: RGB, rng: np.random.Generator, horizon: float, rise: float, kind: int) -> None:
    """Stand bicycles, posts, trees and cars on the ground, far ones first."""
    span = SCENE_HEIGHT - horizon
    share = (0.26, 0.3, 0.36, 0.27, 0.3, 0.5)[kind]
    row = horizon + share * span
    if kind in (0, 3, 4, 1):
        for line in (row * 0.96, row + 0.03 * span):
            x = float(rng.uniform(0, 40))
            while x < SCENE_WIDTH:
                tall = rise * (line - horizon)
                bicycle(picture, rng, (x, line + float(rng.uniform(-3, 3))), tall)
                x += tall * float(rng.choice((0.22, 0.3, 0.4, 0.9), p=(0.4, 0.3, 0.25, 0.05)))
    if kind in (2,):
        _railing(picture, row, rise * (row - horizon))
    for _ in range(4):
        x, line = float(rng.uniform(0, SCENE_WIDTH)), row + float(rng.uniform(0.0, 0.12)) * span
        width = int(0.07 * rise * (line - horizon))
        shade = int(rng.integers(50, 190))
        cv2.rectangle(picture, (int(x), 0), (int(x) + max(width, 4), int(line)), (shade, shade, shade - 6), -1)


def _railing(picture: RGB, row: float, tall: float) -> None:
    top = int(row - tall * 0.6)
    for level in (0.0, 0.3):
        y = int(top + level * tall)
        cv2.line(picture, (0, y), (SCENE_WIDTH, y), (168, 170, 172), max(int(tall * 0.045), 2), cv2.LINE_AA)
    for x in range(20, SCENE_WIDTH, int(tall * 0.8)):
        cv2.line(picture, (x, top), (x, int(row)), (158, 160, 162), max(int(tall * 0.05), 2), cv2.LINE_AA)


def bicycle(picture: RGB, rng: np.random.Generator, foot: tuple[float, float], tall: float) -> None:
    """Draw a parked bicycle; ``tall`` is a person's height in rows there."""
    x, y = foot
    wheel = 0.19 * tall
    turn = float(rng.choice((0.25, 0.45, 0.8, 1.0)))
    dark = tuple(int(value) for value in rng.integers(20, 60, 3))
    paint = tuple(int(value) for value in rng.choice(((40, 40, 44), (150, 40, 44), (60, 90, 150), (190, 190, 192), (60, 120, 90), (170, 80, 120))))

    def at(forward: float, up: float) -> tuple[int, int]:
        return round((x + forward * tall * turn) * 8), round((y - up * tall) * 8)

    thick = max(int(0.018 * tall), 1)
    for hub in (-0.26, 0.32):
        cx, cy = at(hub, 0.19)
        cv2.ellipse(picture, (cx, cy), (round(wheel * turn * 8), round(wheel * 8)), 0, 0, 360, dark, thick + 1, cv2.LINE_AA, 3)
    lines = (((-0.08, 0.52), (0.02, 0.19)), ((0.02, 0.19), (0.25, 0.5)), ((-0.08, 0.5), (0.25, 0.5)),
             ((-0.26, 0.19), (-0.08, 0.5)), ((0.32, 0.19), (0.22, 0.6)), ((0.02, 0.19), (-0.26, 0.19)))  # fmt: skip
    for start, end in lines:
        cv2.line(picture, at(*start), at(*end), paint, thick + 1, cv2.LINE_AA, 3)
    cv2.line(picture, at(-0.14, 0.55), at(-0.02, 0.55), (26, 26, 28), thick * 3, cv2.LINE_AA, 3)
    cv2.line(picture, at(0.16, 0.62), at(0.28, 0.62), (40, 40, 42), thick * 2, cv2.LINE_AA, 3)
