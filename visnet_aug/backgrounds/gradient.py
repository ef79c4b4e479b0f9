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
"""H×W, from 0 (the first colour) to 1 (the second)."""

STEPS = 256
"""Number of colours in a ramp; neighbours differ by at most one level."""

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
    """Rise in one direction, from one corner to the opposite one."""
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
    """Return the distance in pixels of each row and each column from the drawn centre."""
    center_y, center_x = record["center_pixels"]
    return np.arange(shape[0])[:, None] - center_y, np.arange(shape[1]) - center_x


def _ramp(rise: Callable[[Shape, Mapping[str, Any]], Rise]) -> Variant:
    """Make a variant of a map from 0 (the first colour) to 1 (the second)."""

    def apply(image: Image, record: Mapping[str, Any]) -> Image:
        height, width = image.shape[:2]
        start, end = np.array(record["colors"])
        colors = np.rint(start + _SHARES * (end - start)).astype(np.uint8)
        places = np.rint(rise((height, width), record) * (STEPS - 1)).astype(np.uint8)
        return blend(image, cv2.applyColorMap(places, colors), record["opacity"])

    return Variant(_draw_ramp, apply)


class Gradient(BackgroundTransform):
    """Lay a colour ramp over the background, opaque or with its texture showing through (family 6).

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import Gradient, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([Gradient(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "gradient"
    settings_type = GradientSettings
    variants = MappingProxyType(
        {"linear": _ramp(_linear), "radial": _ramp(_radial), "angular": _ramp(_angular)}
    )
