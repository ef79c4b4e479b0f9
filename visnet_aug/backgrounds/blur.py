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
"""Steps that each double the number of averaged enlargements: 16, the original included."""


def _draw_motion(
    settings: Motion, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    reach = round(intensity * (pixels(settings.length_pixels, shape) - 1) / 2)
    return {"length_pixels": 1 + 2 * max(reach, 0), "angle_degrees": uniform((0, 180), rng)}


def _motion(image: Image, record: Mapping[str, Any]) -> Image:
    """Average the image with itself along a line.

    Summing shifted images takes a tenth of the time of filter2D for kernels above 11×11, which
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

    The image is averaged with itself enlarged f times, the result with itself enlarged f² times,
    then f⁴ times: now it is the mean of eight. Each step doubles their number.
    """
    step = record["factor"] ** (1 / (2**ZOOM_DOUBLINGS - 1))
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)  # four channels are warped faster than three
    for turn in range(ZOOM_DOUBLINGS):
        mean = cv2.addWeighted(mean, 0.5, _enlarged(mean, step ** (2**turn)), 0.5, 0)
    return cv2.cvtColor(mean, cv2.COLOR_RGBA2RGB)  # type: ignore[no-any-return]


def _enlarged(image: Image, factor: float) -> Image:
    """Enlarge an image around its centre and crop it to its size."""
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
    """Blur the background along a line or away from the centre (family 4).

    The person is removed before the background is blurred, so that none of the person's colours
    are smeared into it.

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import Blur, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([Blur(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "blur"
    settings_type = BlurSettings
    variants = MappingProxyType(
        {
            "motion": Variant(_draw_motion, _motion, removes_person=True),
            "zoom": Variant(_draw_zoom, _zoom, removes_person=True),
        }
    )
