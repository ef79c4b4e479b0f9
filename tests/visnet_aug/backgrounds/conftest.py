"""Images and masks that the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest


def _textured(seed: int, height: int = 128, width: int = 64) -> np.ndarray:
    """Noise at several scales, coloured, with the falling spectrum of a photograph."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            rng.integers(0, 256, (max(height // size, 1), max(width // size, 1), 3), np.uint8),
            (width, height),
            interpolation=cv2.INTER_LINEAR,
        )
        for size in (32, 16, 8, 4, 2)
    ]
    mean: np.ndarray = np.rint(np.mean(layers, axis=0)).astype(np.uint8)
    return mean


@pytest.fixture(scope="session")
def textured() -> Callable[..., np.ndarray]:
    return _textured


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return _textured(0)


@pytest.fixture(scope="session")
def mask() -> np.ndarray:
    drawn = np.zeros((128, 64), np.uint8)
    cv2.ellipse(drawn, (32, 66), (13, 50), 0, 0, 360, 1, cv2.FILLED)
    return drawn.astype(bool)
