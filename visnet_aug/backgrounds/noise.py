"""Family 3, noise: salt-and-pepper and additive Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from visnet_aug.backgrounds._albumentations import fpixel
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.effect import Effect, Image, Record, Shape, seed
from visnet_aug.backgrounds.settings import NoiseSettings
from visnet_aug.backgrounds.techniques import Gaussian, SaltAndPepper


def _draw_salt_and_pepper(
    settings: SaltAndPepper, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"fraction": round(intensity * settings.fraction, 6), "seed": seed(rng)}


def _sprinkle(image: Image, record: Mapping[str, Any]) -> Image:
    """Turn the pixels with the lowest lots black and those with the highest white."""
    lots = np.random.default_rng(record["seed"]).random(image.shape[:2], dtype=np.float32)
    half = record["fraction"] / 2
    return fpixel.apply_salt_and_pepper(image, lots >= 1 - half, lots < half)  # type: ignore[no-any-return]


def _draw_gaussian(
    settings: Gaussian, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {"sigma_levels": round(intensity * settings.sigma_levels, 4), "seed": seed(rng)}


def _add_gaussian(image: Image, record: Mapping[str, Any]) -> Image:
    rng = np.random.default_rng(record["seed"])
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(record["sigma_levels"])
    # whole levels: Albumentations cuts fractions off, which would darken the image
    return fpixel.add_noise(image, np.rint(noise, out=noise))  # type: ignore[no-any-return]


class Noise(BackgroundTransform):
    """Add noise, drawn from a seed."""

    family = "noise"
    settings_type = NoiseSettings
    effects = MappingProxyType(
        {
            "salt_and_pepper": Effect(_draw_salt_and_pepper, _sprinkle),
            "gaussian": Effect(_draw_gaussian, _add_gaussian),
        }
    )
