"""Random contrasting colours, for patterns and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 8
"""Colours drawn for each one kept. More would crowd the corners of the colour cube."""


def draw_colors(count: int, rng: np.random.Generator) -> list[list[int]]:
    """Draw RGB colours that differ clearly from one another.

    Each colour is the one of a few uniform candidates that is farthest from those before it.
    """
    first, *drawn = rng.integers(0, 256, (1 + CANDIDATES * (count - 1), 3)).tolist()
    colors: list[list[int]] = [first]
    for start in range(0, len(drawn), CANDIDATES):
        candidates = drawn[start : start + CANDIDATES]
        colors.append(max(candidates, key=lambda one: min(math.dist(one, c) for c in colors)))
    return colors


def paint(colors: Any, indices: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Colour a map of indices.

    Args:
        colors: N×3, 0-255.
        indices: H×W, each taken modulo N.

    Returns:
        RGB uint8, H×W×3.
    """
    table = np.asarray(colors, dtype=np.uint8)
    return np.take(table, indices, axis=0, mode="wrap")
