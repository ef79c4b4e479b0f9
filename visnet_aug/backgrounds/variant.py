"""One variant as two functions, and what all of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.backgrounds.variant_settings import REFERENCE_HEIGHT

Image = NDArray[np.uint8]
"""RGB, H×W×3."""

Mask = NDArray[np.bool_]
"""H×W, True where the person is."""

Shape = tuple[int, int]
"""Height and width of an image in pixels."""

Record = dict[str, Any]
"""Drawn parameters: strings, integers, floats and short lists of them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant's two functions.

    Attributes:
        draw: Variant's settings, intensity, image shape and generator to parameters. The
            generator is read in the same way whatever the intensity.
        apply: Image and record to an image; the input is left as it is.
        removes_person: Whether the person has to be taken out first, because the variant
            carries colours from pixel to pixel, or amplifies the traces of the person that JPEG's
            halved chroma leaves in the pixels around.
    """

    draw: Callable[[Any, float, Shape, np.random.Generator], Record]
    apply: Callable[[Image, Mapping[str, Any]], Image]
    removes_person: bool = False


def uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw from a range, to four decimals: enough, and short in the manifest."""
    low, high = bounds
    return round(low + (high - low) * float(rng.random()), 4)


def pixels(length: float, shape: Shape) -> float:
    """Scale a length given for a crop of the reference height to an image's own height."""
    return length * shape[0] / REFERENCE_HEIGHT


def seed(rng: np.random.Generator) -> int:
    """Draw a seed, for what would be too large for a record."""
    return int(rng.integers(2**32))


def blend(image: Image, drawing: Image, opacity: float) -> Image:
    """Lay a drawing over an image.

    The opacity is taken in steps of 1/256: the products are then exact in single precision, and
    the result is the same on every processor.

    Args:
        image: RGB uint8, H×W×3.
        drawing: The same shape.
        opacity: Share of the drawing, in [0, 1].

    Returns:
        A new image.
    """
    share = round(opacity * 256) / 256
    mixed: Image = cv2.addWeighted(image, 1 - share, drawing, share, 0)
    return mixed
