"""Family 1, colour space: hue rotation, saturation scaling, brightness scaling."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.settings import ColorShiftSettings
from visnet_aug.backgrounds.variant import Record, Shape, Variant
from visnet_aug.backgrounds.variant_settings import Brightness, Hue, Saturation

HUES = 180
"""Number of hues in 8-bit HSV."""


def _draw_hue(settings: Hue, intensity: float, shape: Shape, rng: np.random.Generator) -> Record:
    sign = 1 if rng.random() < 0.5 else -1
    return {"hue_degrees": round(sign * intensity * settings.degrees, 2)}


def _rotate_hue(image: Image, record: Mapping[str, Any]) -> Image:
    # 8-bit HSV counts hue in steps of two degrees
    steps = round(record["hue_degrees"] / 2)
    if steps == 0:
        return image  # converting to HSV and back would round
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    turned = (np.arange(256) + steps) % HUES
    hue = cv2.LUT(cv2.extractChannel(hsv, 0), turned.astype(np.uint8))
    return cv2.cvtColor(cv2.insertChannel(hue, hsv, 0), cv2.COLOR_HSV2RGB)  # type: ignore[no-any-return]


def _draw_saturation(
    settings: Saturation, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"saturation_factor": _factor(settings, intensity, rng)}


def _scale_saturation(image: Image, record: Mapping[str, Any]) -> Image:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    factor = record["saturation_factor"]
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)  # type: ignore[no-any-return]


def _draw_brightness(
    settings: Brightness, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"brightness_factor": _factor(settings, intensity, rng)}


def _scale_brightness(image: Image, record: Mapping[str, Any]) -> Image:
    return cv2.convertScaleAbs(image, alpha=record["brightness_factor"])  # type: ignore[no-any-return]


def _factor(settings: Saturation | Brightness, intensity: float, rng: np.random.Generator) -> float:
    """Draw a factor below or above 1, in steps of 1/256: their products are exact anywhere."""
    end = settings.min_factor if rng.random() < 0.5 else settings.max_factor
    return round((1 + intensity * (end - 1)) * 256) / 256


class ColorShift(BackgroundTransform):
    """Shift the background's hue, saturation and brightness (family 1).

    The variants combine, in this order; at least one is applied.

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import ColorShift, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([ColorShift(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "color_shift"
    settings_type = ColorShiftSettings
    variants = MappingProxyType(
        {
            "hue": Variant(_draw_hue, _rotate_hue, removes_person=True),
            "saturation": Variant(_draw_saturation, _scale_saturation, removes_person=True),
            "brightness": Variant(_draw_brightness, _scale_brightness, removes_person=True),
        }
    )
