"""Remove the person from an image before a variant spreads pixels.

A blur, an edge detector or a relief next to the person would carry the person's colours into the
background: the halo seen in most published background augmentation. Blurring with normalised
weights would avoid it for blurs only; filling the person's place with colours of the background
avoids it for every transform, including those of Albumentations.

The fill is push-pull interpolation (Gortler et al., The Lumigraph, 1996): the known pixels are
averaged into coarser and coarser levels until none is unknown, then each level's holes are filled
from the next coarser one. The result is smooth, and the time hardly depends on the hole: about
0.1 ms at 64×128, where ``cv2.inpaint`` takes 2.3 ms and draws streaks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.arrays import Image, Mask

MARGIN = 2
"""Pixels around the mask that are replaced too: the outline mixes person and background, JPEG's
halved chroma carries colours one pixel further, and a mask can be slightly too small."""

_NEIGHBOURHOOD = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
_TINY = np.float32(1e-3)


def remove_person(image: Image, mask: Mask) -> Image:
    """Replace the person and a margin with smooth colours of the surrounding background.

    Args:
        image: RGB uint8, H×W×3.
        mask: Where the person is.

    Returns:
        A new image. Pixels beyond the margin are those of the image; no other pixel depends on the
        person. If the margin covers the whole background, there is no margin; if there is no
        background, the image is returned unchanged, as a new array.
    """
    person = mask.astype(np.uint8)
    known = cv2.dilate(person, _NEIGHBOURHOOD) ^ 1
    if not known.any():
        known = person ^ 1
    if not known.any():
        return image.copy()
    filled = _fill(image.astype(np.float32), known)
    return cv2.convertScaleAbs(filled)  # type: ignore[no-any-return]


def _fill(image: NDArray[np.float32], known: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fill an image's holes.

    Args:
        image: H×W×3.
        known: H×W, 0 in the holes and 1 elsewhere; not 0 everywhere.
    """
    if known.all():
        return image
    height, width = known.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(known.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(cv2.copyTo(image, known), half, interpolation=cv2.INTER_AREA)
    mean = cv2.divide(mean, cv2.merge([np.maximum(share, _TINY)] * 3))
    coarse = _fill(mean, (share > _TINY).view(np.uint8))
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(image, known, filled)  # type: ignore[no-any-return]
