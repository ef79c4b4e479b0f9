"""Albumentations' transforms beside ours for the same effects: part of ``build.py``.

Both work on decoded crops of whole images, on one thread, drawing their parameters anew each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from visnet_aug.backgrounds.loading import load_albumentations

A = load_albumentations(torch=False)  # before what imports it, too: processes start faster

from visnet_aug.arrays import Image  # noqa: E402
from visnet_aug.backgrounds.base import BackgroundTransform  # noqa: E402
from visnet_aug.backgrounds.registry import make_family  # noqa: E402
from visnet_aug.backgrounds.settings import BackgroundSettings  # noqa: E402

INTENSITY = 0.75
"""Of ours: the middle of the default range; Albumentations' ranges are the same."""


def transform_rates(paths: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """Return, by effect, images a second of Albumentations and of ours."""
    theirs = {
        "color_shift hue+saturation+brightness": A.HueSaturationValue(90, 90, 90, p=1),
        "texture emboss": A.Emboss((0.35, 0.7), (0.5, 0.5), p=1),
        "noise salt_and_pepper": A.SaltAndPepper((0.08, 0.16), p=1),
        "noise gaussian": A.GaussNoise((0.12, 0.24), p=1),
        "blur motion": A.MotionBlur((13, 25), p=1),
        "blur zoom": A.ZoomBlur((1.25, 1.5), (0.03, 0.04), p=1),
    }
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    settings, rng = BackgroundSettings(), np.random.default_rng(0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rates = {}
    for name, transform in theirs.items():
        pipeline = A.Compose([transform], seed=0)
        family, variant = name.split()
        ours = partial(draw_and_apply, make_family(family, settings), variant, rng)
        rates[name] = (rate(images, lambda image, p=pipeline: p(image=image)), rate(images, ours))  # type: ignore[misc]
    cv2.setNumThreads(threads)
    return rates


def draw_and_apply(
    family: BackgroundTransform, variant: str, rng: np.random.Generator, image: Image
) -> Image:
    """Do to an image what rendering does, masks aside."""
    height, width = image.shape[:2]
    return family.apply_record(image, family.draw(variant, INTENSITY, (height, width), rng))


def rate(images: Sequence[Image], call: Callable[[Image], object]) -> float:
    """Return calls a second, one call an image; an earlier turn through all is not counted."""
    for image in images:
        call(image)
    start = time.perf_counter()
    for image in images:
        call(image)
    return len(images) / (time.perf_counter() - start)
