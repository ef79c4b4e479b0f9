"""Family 2, texture: Canny edges and emboss."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.settings import TextureSettings, uniform
from visnet_aug.backgrounds.variant import Record, Shape, Variant, blend
from visnet_aug.backgrounds.variant_settings import Canny, Emboss


def _draw_canny(
    settings: Canny, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    threshold = round(uniform(settings.threshold_levels, rng))
    return {"threshold_levels": threshold, "opacity": round(intensity * settings.opacity, 4)}


def _overlay_edges(image: Image, record: Mapping[str, Any]) -> Image:
    threshold = record["threshold_levels"]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(grey, threshold / 2, threshold)
    return blend(image, cv2.cvtColor(edges, cv2.COLOR_GRAY2RGB), record["opacity"])


def _draw_emboss(
    settings: Emboss, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {
        "quarter_turns": int(rng.integers(4)),
        "alpha": round(intensity * settings.alpha, 4),
        "strength": settings.strength,
    }


def _emboss(image: Image, record: Mapping[str, Any]) -> Image:
    """Convolve with Albumentations' emboss kernel, rotated and mixed with the identity."""
    strength = record["strength"]
    relief = np.array(
        [[-1 - strength, -strength, 0], [-strength, 0, strength], [0, strength, 1 + strength]]
    )
    # in steps of 1/256: sums of products are then exact on every processor
    kernel = np.rint(np.rot90(relief, record["quarter_turns"]) * record["alpha"] * 256) / 256
    kernel[1, 1] = 1
    return cv2.filter2D(image, -1, kernel.astype(np.float32))  # type: ignore[no-any-return]


class Texture(BackgroundTransform):
    """Draw Canny edges over the background, or turn it into a relief (family 2).

    The person is removed first, so that neither the person's outline nor its relief appears in
    the background.

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import Texture, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([Texture(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "texture"
    settings_type = TextureSettings
    variants = MappingProxyType(
        {
            "canny": Variant(_draw_canny, _overlay_edges, removes_person=True),
            "emboss": Variant(_draw_emboss, _emboss, removes_person=True),
        }
    )
