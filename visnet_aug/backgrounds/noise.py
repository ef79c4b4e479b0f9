"""Family 3, noise: salt-and-pepper and additive Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.settings import NoiseSettings
from visnet_aug.backgrounds.variant import Record, Shape, Variant, seed
from visnet_aug.backgrounds.variant_settings import Gaussian, SaltAndPepper

LOTS: Final = 2**16
"""Number of values from which a pixel's lot is drawn."""

_QUANTILES: Final = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
NORMAL: Final = _QUANTILES / _QUANTILES.std()
"""256 equally likely values that represent the standard normal distribution: precise enough for
noise in whole levels, and four times as fast to draw."""


def _draw_salt_and_pepper(
    settings: SaltAndPepper, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"fraction": round(intensity * settings.fraction, 6), "seed": seed(rng)}


def _sprinkle(image: Image, record: Mapping[str, Any]) -> Image:
    """Set the pixels with the lowest lots to black and those with the highest to white."""
    rng = np.random.default_rng(record["seed"])
    lots = rng.integers(0, LOTS, image.shape[:2], np.uint16)
    half = round(record["fraction"] / 2 * LOTS)
    peppered = cv2.copyTo(image, (lots >= half).view(np.uint8))  # elsewhere 0
    white = np.full_like(image, 255)
    return cv2.copyTo(white, (lots >= LOTS - half).view(np.uint8), peppered)  # type: ignore[no-any-return]


def _draw_gaussian(
    settings: Gaussian, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"sigma_levels": round(intensity * settings.sigma_levels, 4), "seed": seed(rng)}


def _add_gaussian(image: Image, record: Mapping[str, Any]) -> Image:
    rng = np.random.default_rng(record["seed"])
    lots = rng.integers(0, len(NORMAL), image.shape, np.uint8)
    levels = np.rint(record["sigma_levels"] * NORMAL).astype(np.int16)
    return cv2.add(image, cv2.LUT(lots, levels), dtype=cv2.CV_8U)  # type: ignore[no-any-return]


class Noise(BackgroundTransform):
    """Add salt-and-pepper or Gaussian noise to the background (family 3).

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import Noise, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([Noise(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "noise"
    settings_type = NoiseSettings
    variants = MappingProxyType(
        {
            "salt_and_pepper": Variant(_draw_salt_and_pepper, _sprinkle),
            "gaussian": Variant(_draw_gaussian, _add_gaussian),
        }
    )
