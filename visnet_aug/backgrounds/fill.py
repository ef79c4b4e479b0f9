"""Take the person out of an image before anything spreads pixels.

A blur, an edge detector or a relief next to the person would carry the person's colours into the
background, the halo seen in most published background augmentation. Blurring with normalised
weights would avoid it for blurs only; filling the person's place with colours of the background
avoids it for every transform, foreign ones included.

The fill is push-pull interpolation (Gortler et al., The Lumigraph, 1996): the known pixels are
averaged into ever coarser levels, then each level's holes are filled from the next coarser one.
The result is smooth, and the cost hardly depends on the hole: about 0.1 ms at 64×128, where
``cv2.inpaint`` takes 2.3 ms and invents streaks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.backgrounds.effect import Image, Mask

MARGIN = 2
"""Pixels around the mask that are replaced as well: the outline mixes person and background, JPEG's
halved chroma carries colours a pixel further, and a mask may be a little too small."""

SATURATION = 4.0
"""A coarse pixel counts as wholly known once a quarter of its area is: what is near decides."""

_NEIGHBOURHOOD = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
_OPAQUE = np.float32(255)
_TINY = np.float32(1e-3)


def remove_person(image: Image, mask: Mask) -> Image:
    """Replace the person and a margin by smooth colours of the background around.

    Args:
        image: RGB uint8, H×W×3.
        mask: Where the person is.

    Returns:
        A new image: every pixel beyond the margin is the image's own, no other pixel depends on
        the person's. Where the margin covers the whole background, it is given up; where there is
        no background, a copy.
    """
    person = mask.astype(np.uint8)
    known = cv2.dilate(person, _NEIGHBOURHOOD) ^ 1
    if not known.any():
        known = person ^ 1
    if known.all() or not known.any():
        return image.copy()
    height, width = mask.shape
    colors = _interpolate(cv2.copyTo(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), known))
    fine = cv2.resize(colors, (width, height), interpolation=cv2.INTER_LINEAR)
    filled: Image = cv2.cvtColor(cv2.convertScaleAbs(fine), cv2.COLOR_RGBA2RGB)
    cv2.copyTo(image, known, filled)
    return filled


def _interpolate(known: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Interpolate an RGBA image, H×W×4 with alpha 0 where unknown, at half its resolution.

    Levels hold colours times weight; the fourth channel is the weight, 255 for 1.
    """
    level = known.astype(np.float32)
    levels: list[NDArray[np.float32]] = []
    while max(level.shape[:2]) > 1 or not levels:
        height, width = level.shape[:2]
        half = ((width + 1) // 2, (height + 1) // 2)
        level = cv2.resize(level, half, interpolation=cv2.INTER_AREA)
        weight = np.maximum(level[..., 3:], _TINY)
        level *= np.minimum(_OPAQUE / weight, np.float32(SATURATION))
        levels.append(level)
    coarse = levels[-1]
    coarse *= _OPAQUE / np.maximum(coarse[..., 3:], _TINY)
    for level in reversed(levels[:-1]):
        height, width = level.shape[:2]
        coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        coarse *= 1 - level[..., 3:] / _OPAQUE
        coarse += level
    return coarse
