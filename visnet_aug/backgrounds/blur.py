"""Family 4, blur: motion and radial zoom."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.settings import BlurSettings, uniform
from visnet_aug.backgrounds.variant import Record, Shape, Variant, pixels
from visnet_aug.backgrounds.variant_settings import Motion, Zoom

ZOOM_DOUBLINGS = 4
"""Turns that each double the number of enlargements averaged: 16, the original included."""


def _draw_motion(
    settings: Motion, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    reach = round(intensity * (pixels(settings.length_pixels, shape) - 1) / 2)
    return {"length_pixels": 1 + 2 * max(reach, 0), "angle_degrees": uniform((0, 180), rng)}


def _motion(image: Image, record: Mapping[str, Any]) -> Image:
    """Average the image with itself along a line.

    Adding up shifted images costs a tenth of what filter2D takes for kernels beyond 11×11, which
    are mostly zeros here.
    """
    height, width = image.shape[:2]
    reach, angle = record["length_pixels"] // 2, math.radians(record["angle_degrees"])
    line = {
        (round(step * math.sin(angle)), round(step * math.cos(angle)))
        for step in range(-reach, reach + 1)
    }
    wide = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    total = np.zeros(image.shape, np.float32)  # of whole numbers: exact in any order
    for y, x in line:
        top, left = reach + y, reach + x
        cv2.accumulate(wide[top : top + height, left : left + width], total)
    return cv2.convertScaleAbs(total, alpha=1 / len(line))  # type: ignore[no-any-return]


def _draw_zoom(settings: Zoom, intensity: float, shape: Shape, rng: np.random.Generator) -> Record:
    return {"factor": round(1 + intensity * (settings.max_factor - 1), 4)}


def _zoom(image: Image, record: Mapping[str, Any]) -> Image:
    """Average the image with its enlargements, up to a factor.

    Averaged with itself enlarged f times, then that with itself enlarged f² times, then f⁴ times,
    an image becomes the mean of eight: each turn doubles their number.
    """
    step = record["factor"] ** (1 / (2**ZOOM_DOUBLINGS - 1))
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)  # four channels are warped sooner than three
    for turn in range(ZOOM_DOUBLINGS):
        mean = cv2.addWeighted(mean, 0.5, _enlarged(mean, step ** (2**turn)), 0.5, 0)
    return cv2.cvtColor(mean, cv2.COLOR_RGBA2RGB)  # type: ignore[no-any-return]


def _enlarged(image: Image, factor: float) -> Image:
    """Enlarge an image around its centre and cut it to its size."""
    height, width = image.shape[:2]
    shrink = 1 / factor
    back = np.array(
        [[shrink, 0, (1 - shrink) * (width - 1) / 2], [0, shrink, (1 - shrink) * (height - 1) / 2]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(  # type: ignore[no-any-return]
        image, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


class Blur(BackgroundTransform):
    """Blur along a line or away from the centre."""

    family = "blur"
    settings_type = BlurSettings
    variants = MappingProxyType(
        {
            "motion": Variant(_draw_motion, _motion, removes_person=True),
            "zoom": Variant(_draw_zoom, _zoom, removes_person=True),
        }
    )
