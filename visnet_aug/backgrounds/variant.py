"""What a variant is: two functions; and the small functions that variants are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.variant_settings import REFERENCE_HEIGHT

Shape = tuple[int, int]
"""Height and width of an image in pixels."""

Record = dict[str, Any]
"""Drawn parameters: strings, integers, floats and short lists of them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant as two functions.

    Attributes:
        draw: Takes the variant's settings, the intensity, the image's shape and a generator;
            returns parameters. It reads the generator in the same way at every intensity.
        apply: Takes an image and a record; returns a new image.
        removes_person: Whether the person is removed first, because the variant carries colours
            from pixel to pixel, or amplifies the traces of the person that JPEG's halved chroma
            leaves in the pixels around.
    """

    draw: Callable[[Any, float, Shape, np.random.Generator], Record]
    apply: Callable[[Image, Mapping[str, Any]], Image]
    removes_person: bool = False


def pixels(length: float, shape: Shape) -> float:
    """Scale a length given for a crop of the reference height to the height of an image."""
    return length * shape[0] / REFERENCE_HEIGHT


def seed(rng: np.random.Generator) -> int:
    """Draw a seed, for drawings with too many parameters for a record."""
    return int(rng.integers(2**32))


def blend(image: Image, drawing: Image, opacity: float) -> Image:
    """Lay a drawing over an image.

    The opacity is rounded to steps of 1/256: the products are then exact in single precision, and
    the result is the same on every processor.

    Args:
        image: RGB uint8, H×W×3.
        drawing: RGB uint8 of the same shape.
        opacity: Share of the drawing, in [0, 1].

    Returns:
        A new image.
    """
    share = round(opacity * 256) / 256
    mixed: Image = cv2.addWeighted(image, 1 - share, drawing, share, 0)
    return mixed
