"""Which part of a picture a crop shows: the boxes that detectors and people draw."""

from __future__ import annotations

import numpy as np

from pipelines.segmenter.pictures import Box, Matrix

MOST_STRETCH = 1.8
"""Most that a window is stretched in one direction when it becomes a crop."""


def window(rng: np.random.Generator, box: Box, aspect: float) -> Box:
    """Draw a window around a person: tight to loose, off-centre, cut, of any proportions.

    Args:
        rng: Decides everything.
        box: The person's box.
        aspect: Height over width of the crop that the window becomes.

    Returns:
        ``x0, y0, x1, y1``; may reach beyond the picture.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    loose = rng.choice([0.02, 0.07, 0.16, 0.28], p=[0.27, 0.33, 0.27, 0.13])
    left, top, right, bottom = np.abs(rng.normal(loose, 0.4 * loose + 0.01, 4))
    if rng.random() < 0.25:
        top, bottom = _cut(rng, top, bottom)
    if rng.random() < 0.12:
        left, right = (-rng.uniform(0, 0.35), right) if rng.random() < 0.5 else (left, -0.2)
    x0, x1 = x0 - left * width, x1 + right * width
    y0, y1 = y0 - top * height, y1 + bottom * height
    x0, y0, x1, y1 = _to_aspect(rng, (x0, y0, x1, y1), aspect)
    dx, dy = rng.normal(0, 0.04, 2) * (x1 - x0, y1 - y0)
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy


def _cut(rng: np.random.Generator, top: float, bottom: float) -> tuple[float, float]:
    """Cut the person's legs or head off."""
    if rng.random() < 0.75:
        return top, -float(rng.uniform(0.0, 0.45))
    return -float(rng.uniform(0.0, 0.15)), bottom


def _to_aspect(rng: np.random.Generator, box: Box, aspect: float) -> Box:
    """Bring a window nearer to the crop's proportions.

    Half of all windows get them, the others only so far that nobody is stretched too much.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    stretch = height / width / aspect
    keep = 1.0 if rng.random() < 0.5 else float(rng.uniform(1.0, MOST_STRETCH))
    new = float(np.clip(stretch, 1 / keep, keep))
    if stretch > new:  # too narrow
        more = height / (aspect * new) - width
        share = float(np.clip(rng.normal(0.5, 0.15), 0, 1))
        return x0 - share * more, y0, x1 + (1 - share) * more, y1
    more = width * aspect * new - height
    return x0, y0 - 0.5 * more, x1, y1 + 0.5 * more


def to_crop(view: Box, size: tuple[int, int], tilt: float = 0.0, mirrored: bool = False) -> Matrix:
    """Return the 2×3 matrix that maps a window, tilted by degrees, onto a crop of ``size``."""
    x0, y0, x1, y1 = view
    height, width = size
    angle = np.deg2rad(tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.diag([width / (x1 - x0) * (-1 if mirrored else 1), height / (y1 - y0)])
    linear = scale @ turn
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    return np.column_stack([linear, np.array([width / 2, height / 2]) - linear @ centre])


def any_window(rng: np.random.Generator, size: tuple[int, int], aspect: float) -> Box:
    """Draw a window anywhere in a picture of height and width ``size``, for a background."""
    height, width = size
    most = min(height, width * aspect)
    tall = most * float(rng.uniform(0.45, 1.0))
    wide = tall / aspect * float(np.exp(rng.normal(0, 0.15)))
    wide = min(wide, width)
    x0, y0 = rng.uniform(0, width - wide), rng.uniform(0, height - tall)
    return float(x0), float(y0), float(x0 + wide), float(y0 + tall)


def near(rng: np.random.Generator, size: tuple[int, int]) -> Box:
    """Draw a window that shows most of a picture that is a crop itself."""
    height, width = size
    part, stretch = float(rng.uniform(0.75, 1.06)), float(np.exp(rng.normal(0, 0.06)))
    wide, tall = width * part * stretch, height * part
    x0 = (width - wide) * float(rng.uniform(0.2, 0.8))
    y0 = (height - tall) * float(rng.uniform(0, 1))
    return x0, y0, x0 + wide, y0 + tall
