"""An image-only Albumentations transform as a family of its own, reproducible from a seed."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from pydantic import ValidationError

from visnet_aug.arrays import Image
from visnet_aug.backgrounds._albumentations import A
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.settings import ForeignFamily
from visnet_aug.backgrounds.variant import Record, Shape, Variant, blend, seed
from visnet_aug.backgrounds.variant_settings import VariantSettings
from visnet_aug.errors import RecipeError

PROBE_SHAPE = (128, 64, 3)
"""Shape of the image that a transform is tried on before a build starts."""


class Foreign(BackgroundTransform):
    """A transform of Albumentations, blended with the original by its intensity.

    A new transform is made for every image and seeded from the record, so that no state is carried
    from one image to the next.

    Args:
        settings: The transform's name, arguments and intensity.
        p: Probability of being applied, as in all Albumentations transforms.

    Raises:
        RecipeError: No image-only transform has this name, it does not take these arguments, or
            it fails on an image or returns one of another shape or type.
    """

    family = "other"
    settings_type = ForeignFamily
    settings: ForeignFamily

    def __init__(self, settings: ForeignFamily | Mapping[str, Any], p: float = 0.5) -> None:
        super().__init__(settings, p=p)
        self._transform = _find(self.settings.transform)
        self._check()
        variant = Variant(_draw_seed, self._blend, removes_person=True)
        self.variants = {self.settings.transform: variant}

    def _blend(self, image: Image, record: Mapping[str, Any]) -> Image:
        return blend(image, self._transformed(image, record["seed"]), record["intensity"])

    def _transformed(self, image: Image, number: int) -> Image:
        transform = self._transform(**self.settings.args, p=1.0)
        transform.set_random_seed(number)
        changed: Image = transform(image=image.copy())["image"]  # some write into it
        return changed

    def _check(self) -> None:
        """Try the transform on an image: its arguments, and the result's shape and type."""
        name = self.settings.transform
        image = np.random.default_rng(0).integers(0, 256, PROBE_SHAPE, np.uint8)
        try:
            with warnings.catch_warnings():
                # Albumentations drops unknown arguments with a warning
                warnings.simplefilter("error", UserWarning)
                changed = self._transformed(image, 0)
        except (TypeError, ValueError, KeyError, OSError, UserWarning, cv2.error) as error:
            raise RecipeError(f"transform {name}: {_explain(error)}") from error
        if changed.shape != image.shape or changed.dtype != image.dtype:
            raise RecipeError(
                f"transform {name}: turns a uint8 {image.shape} image into {changed.dtype} "
                f"{changed.shape}; a background must keep its shape and type"
            )


def _draw_seed(
    settings: VariantSettings, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    """Draw the seed of the transform's own generators."""
    return {"seed": seed(rng)}


def _find(name: str) -> Any:
    """Find an image-only transform of Albumentations by its class name.

    Raises:
        RecipeError: There is none; the message suggests similar names.
    """
    known = {
        key: value
        for key, value in vars(A).items()
        if isinstance(value, type)
        and issubclass(value, A.ImageOnlyTransform)
        and value is not A.ImageOnlyTransform
    }
    if name not in known:
        close = difflib.get_close_matches(name, known)
        hint = f"did you mean {' or '.join(close)}?" if close else "see its documentation"
        raise RecipeError(f"Albumentations has no image-only transform {name!r}: {hint}")
    return known[name]


def _explain(error: BaseException) -> str:
    """Return an error of Albumentations on one line; it wraps pydantic's errors in its own."""
    if isinstance(error.__cause__, ValidationError):
        first = error.__cause__.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())
