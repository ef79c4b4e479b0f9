"""Family 6, gradient: ramps between two random colours laid over the background."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.palette import draw_colors
from visnet_aug.backgrounds.settings import GradientSettings, uniform
from visnet_aug.backgrounds.variant import Record, Shape, Variant, blend
from visnet_aug.backgrounds.variant_settings import ColorRamp

Rise = NDArray[np.float64]
"""H×W, from 0 where the first colour is to 1 where the second is."""

STEPS = 256
"""Colours of a ramp; two neighbours differ by at most one level."""

_SHARES = np.linspace(0, 1, STEPS)[:, None, None]


def _draw_ramp(
    settings: ColorRamp, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    see_through = rng.random() < settings.see_through
    opacity = settings.see_through_opacity if see_through else settings.opacity
    return {
        "angle_degrees": uniform((0, 360), rng),
        "center_pixels": [uniform((0, shape[0]), rng), uniform((0, shape[1]), rng)],
        "colors": draw_colors(2, rng),
        "opacity": round(intensity * opacity, 4),
    }


def _linear(shape: Shape, record: Mapping[str, Any]) -> Rise:
    """Rise along a direction, from one corner's projection to the opposite one's."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = math.radians(record["angle_degrees"])
    place = x * math.cos(angle) + y * math.sin(angle)
    low, high = place.min(), place.max()
    rise: Rise = (place - low) / max(high - low, 1)
    return rise


def _radial(shape: Shape, record: Mapping[str, Any]) -> Rise:
    """Rise from a point to the corner farthest from it."""
    y, x = _from_center(shape, record)
    distance = np.sqrt(y**2 + x**2)
    rise: Rise = distance / max(distance.max(), 1)
    return rise


def _angular(shape: Shape, record: Mapping[str, Any]) -> Rise:
    """Rise and fall once around a point, without a seam."""
    y, x = _from_center(shape, record)
    turn = np.arctan2(y, x) / math.tau + record["angle_degrees"] / 360
    rise: Rise = 1 - np.abs(2 * (turn - np.floor(turn)) - 1)
    return rise


def _from_center(shape: Shape, record: Mapping[str, Any]) -> tuple[Rise, Rise]:
    """Return each row's and each column's distance in pixels from the centre drawn."""
    center_y, center_x = record["center_pixels"]
    return np.arange(shape[0])[:, None] - center_y, np.arange(shape[1]) - center_x


def _ramp(rise: Callable[[Shape, Mapping[str, Any]], Rise]) -> Variant:
    """Make an effect of a map from 0, the first colour, to 1, the second."""

    def apply(image: Image, record: Mapping[str, Any]) -> Image:
        height, width = image.shape[:2]
        start, end = np.array(record["colors"])
        colors = np.rint(start + _SHARES * (end - start)).astype(np.uint8)
        places = np.rint(rise((height, width), record) * (STEPS - 1)).astype(np.uint8)
        return blend(image, cv2.applyColorMap(places, colors), record["opacity"])

    return Variant(_draw_ramp, apply)


class Gradient(BackgroundTransform):
    """Lay a colour ramp over the background, opaque or letting its texture through."""

    family = "gradient"
    settings_type = GradientSettings
    variants = MappingProxyType(
        {"linear": _ramp(_linear), "radial": _ramp(_radial), "angular": _ramp(_angular)}
    )
