"""Equation 21: the person from the source, everything else from the rewritten background."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.arrays import Image, Mask

MIXED: Final = np.float32(1 / 64)
"""Weight of the outermost pixels of the person, which a camera mixes with the old background, in
the estimate of the person's own colour. It only counts where the person is too thin to have others.
"""


def composite(image: Image, background: Image, mask: Mask, feather: float = 0.0) -> Image:
    """Put the person of one image in front of another (paper equation 21).

    Args:
        image: The source, RGB uint8, H×W×3.
        background: The rewritten image, of the same shape.
        mask: Where the person is, H×W.
        feather: Width of the transition in pixels. It lies entirely outside the mask: from the
            outline outwards, the person's share falls linearly to 0. What is blended in is the
            person's own colour, continued from inside, and not the source's pixels, which show the
            old background.

    Returns:
        A new image. Wherever the mask is True, its pixel is exactly that of the source.
    """
    person = mask.astype(np.uint8)
    if feather > 0 and mask.any():
        background = _feathered(image, background, person, feather)
    return cv2.copyTo(image, person, background.copy())  # type: ignore[no-any-return]


def _feathered(image: Image, background: Image, person: Image, feather: float) -> Image:
    """Blend the person's colour into the background near the outline."""
    distance = cv2.distanceTransform(person ^ 1, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.maximum(1 - distance / np.float32(feather + 1), 0)[..., None]
    own = _own_colour(image, person, math.ceil(feather + 1))
    mixed: Image = np.rint(background + share * (own - background)).astype(np.uint8)
    return mixed


def _own_colour(image: Image, person: Image, reach: int) -> npt.NDArray[np.float32]:
    """Continue the person's colour outwards: the mean of the pixels of the person within reach.

    Returns:
        float32 H×W×3; 0 where no pixel of the person is within reach.
    """
    inside = cv2.erode(person, np.ones((3, 3), np.uint8)).astype(np.float32)
    weight = (inside + MIXED * person)[..., None]
    side = (2 * reach + 1, 2 * reach + 1)
    sums = cv2.boxFilter(image * weight, -1, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
    total = cv2.boxFilter(weight, -1, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
    own: npt.NDArray[np.float32] = sums / np.maximum(total, MIXED / 2)[..., None]
    return own
