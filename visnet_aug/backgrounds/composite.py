"""Equation 21: the person from the source, everything else from the rewritten background."""

from __future__ import annotations

import cv2
import numpy as np

from visnet_aug.arrays import Image, Mask


def composite(image: Image, background: Image, mask: Mask, feather: float = 0.0) -> Image:
    """Put the person of one image in front of another (paper equation 21).

    Args:
        image: The source, RGB uint8, H×W×3.
        background: The rewritten image, of the same shape.
        mask: Where the person is, H×W.
        feather: Width of the transition in pixels. It lies entirely outside the mask: from the
            outline outwards, the source's share falls linearly to 0.

    Returns:
        A new image. Wherever the mask is True, its pixel is exactly that of the source.
    """
    person = mask.astype(np.uint8)
    if feather > 0 and mask.any():
        background = _feathered(image, background, person, feather)
    return cv2.copyTo(image, person, background.copy())  # type: ignore[no-any-return]


def _feathered(image: Image, background: Image, person: Image, feather: float) -> Image:
    """Blend the source into the background near the person."""
    distance = cv2.distanceTransform(person ^ 1, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.maximum(1 - distance / np.float32(feather + 1), 0)[..., None]
    source = image.astype(np.float32)
    mixed: Image = np.rint(background + share * (source - background)).astype(np.uint8)
    return mixed
