"""Family 4, blur: motion and radial zoom."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from visnet_aug.backgrounds._albumentations import fblur, fpixel
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.effect import Effect, Image, Record, Shape, pixels, uniform
from visnet_aug.backgrounds.settings import BlurSettings
from visnet_aug.backgrounds.techniques import Motion, Zoom

ZOOM_STEPS = 12
"""Enlargements that are averaged, the original included; more are not seen at 64×128."""


def _draw_motion(
    settings: Motion, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    reach = round(intensity * (pixels(settings.length_pixels, shape) - 1) / 2)
    return {"length_pixels": 1 + 2 * max(reach, 0), "angle_degrees": uniform((0, 180), rng)}


def _motion(image: Image, record: Mapping[str, Any]) -> Image:
    length = record["length_pixels"]
    kernel = fblur.create_motion_kernel(length, record["angle_degrees"], 0.0, False, None)
    return fpixel.convolve(image, kernel / kernel.sum())  # type: ignore[no-any-return]


def _draw_zoom(settings: Zoom, intensity: float, shape: Shape, rng: np.random.Generator) -> Record:
    return {"factor": round(1 + intensity * (settings.max_factor - 1), 4)}


def _zoom(image: Image, record: Mapping[str, Any]) -> Image:
    factors = np.linspace(1, record["factor"], ZOOM_STEPS)[1:]
    return fblur.zoom_blur(image, factors)  # type: ignore[no-any-return]


class Blur(BackgroundTransform):
    """Blur along a line or away from the centre."""

    family = "blur"
    settings_type = BlurSettings
    effects = MappingProxyType(
        {
            "motion": Effect(_draw_motion, _motion, removes_person=True),
            "zoom": Effect(_draw_zoom, _zoom, removes_person=True),
        }
    )
