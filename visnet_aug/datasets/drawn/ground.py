"""Paved ground in perspective."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import RGB
from visnet_aug.datasets.drawn.perspective import (
    FOCAL,
    PERSON,
    SCENE_HEIGHT,
    SCENE_WIDTH,
    Perspective,
)

_SIZE: Final = 1024
_METRE: Final = 128
"""Size of the repeating texture in texels, and texels per metre."""

_PAVINGS: Final[dict[str, tuple[tuple[int, int, int], tuple[int, int], float, float]]] = {
    "brick": ((158, 153, 150), (32, 16), 7, 20),
    "asphalt": ((142, 142, 142), (0, 0), 0, 0),
    "slabs": ((164, 162, 159), (64, 64), 6, 24),
    "tiles": ((156, 149, 147), (32, 32), 8, 24),
    "granite": ((144, 143, 144), (128, 64), 7, 34),
}
"""Colour, size of a stone in texels (across, along), variation in tint, darkness of joints."""


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], size: float
) -> NDArray[np.float32]:
    """Return tileable noise with a standard deviation near 1 and blobs ``size`` pixels wide."""
    high, wide = (max(round(length / size), 2) for length in shape)
    rough = np.pad(rng.standard_normal((high, wide), dtype=np.float32), 2, mode="wrap")
    scale_y, scale_x = shape[0] / high, shape[1] / wide
    full = (round((wide + 4) * scale_x), round((high + 4) * scale_y))
    soft = cv2.resize(rough, full, interpolation=cv2.INTER_CUBIC)
    top, left = round(2 * scale_y), round(2 * scale_x)
    return np.ascontiguousarray(soft[top : top + shape[0], left : left + shape[1]])


def _paving(rng: np.random.Generator, kind: str) -> NDArray[np.float32]:
    """Return a tileable texture of flat ground, (1024, 1024, 3)."""
    colour, (across, along), spread, joint = _PAVINGS[kind]
    ground = np.empty((_SIZE, _SIZE, 3), np.float32)
    ground[:] = colour
    if across:
        y, x = np.mgrid[0:_SIZE, 0:_SIZE]
        row = y // along
        shifted = x + (row % 2) * (across // 2)
        column = shifted // across % (_SIZE // across)
        tints = rng.normal(0, spread, (_SIZE // along, _SIZE // across, 1))
        tints = tints + rng.normal(0, spread / 4, (*tints.shape[:2], 3))
        ground += tints[row, column].astype(np.float32)
        ground[(y % along < 3) | (shifted % across < 3)] -= joint
    if kind in ("tiles", "slabs"):
        ground[:, 300:364] += np.array((26, 2, -8), np.float32)
    ground += 6 * smooth_noise(rng, (_SIZE, _SIZE), 90)[..., None]
    ground += 6 * smooth_noise(rng, (_SIZE, _SIZE), 5)[..., None]
    return ground + rng.normal(0, 5, (_SIZE, _SIZE, 1)).astype(np.float32)


def lay_ground(rng: np.random.Generator, perspective: Perspective, kind: str) -> RGB:
    """Return an image of paving in perspective, with stains and soft shadows."""
    flat = _paving(rng, kind)
    below = np.maximum(np.arange(SCENE_HEIGHT, dtype=np.float32) - perspective.horizon, 4.0)
    away = FOCAL * perspective.height / below
    metre = perspective.rise * below / PERSON
    turn = float(rng.uniform(-0.5, 0.5))
    across = (np.arange(SCENE_WIDTH, dtype=np.float32) - SCENE_WIDTH / 2)[None, :] / metre[:, None]
    along = np.broadcast_to(away[:, None], across.shape)
    u = (across * np.cos(turn) + along * np.sin(turn)) * _METRE
    v = (along * np.cos(turn) - across * np.sin(turn)) * _METRE
    u, v = (np.mod(axis, _SIZE).astype(np.float32) for axis in (u, v))
    sharp = cv2.remap(flat, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    blurred = cv2.remap(
        cv2.GaussianBlur(flat, (0, 0), 5), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    fine = np.clip((below / SCENE_HEIGHT - 0.15) / 0.3, 0, 1)[:, None, None]
    picture = blurred + (sharp - blurred) * fine
    shaded: RGB = np.clip(picture * _dapple(rng, u, v)[..., None], 0, 255).astype(np.uint8)
    return shaded


def _dapple(
    rng: np.random.Generator, u: NDArray[np.float32], v: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return brightness factors of soft shadows on the ground."""
    shade = smooth_noise(rng, (_SIZE, _SIZE), 128) + 0.6 * smooth_noise(rng, (_SIZE, _SIZE), 30)
    depth = 0.22 / (1 + np.exp(-3 * (shade - 0.7)))
    laid = cv2.remap(depth, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(1 - laid, np.float32)
