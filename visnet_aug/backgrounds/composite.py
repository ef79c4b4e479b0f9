"""Equation 21: the person from the source, everything else from the rewritten background."""

from __future__ import annotations

import math

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
            outline outwards, the person's share falls linearly to 0. What is blended in are the
            colours of the person's outline, not the source's pixels, which show the old background.

    Returns:
        A new image. Wherever the mask is True, its pixel is exactly that of the source.
    """
    person = mask.astype(np.uint8)
    composed = cv2.copyTo(image, person, background.copy())
    if feather > 0 and mask.any():
        _blend(composed, image, person, feather)
    return composed  # type: ignore[no-any-return]


def _blend(composed: Image, image: Image, person: Image, feather: float) -> None:
    """Blend the colours of the outline into the band around it, in place."""
    # Distances to 2 %, in a third of the time that exact ones take; none is less than the larger
    # of the offsets in rows and columns, so that every pixel of the band has the person in reach.
    distance = cv2.distanceTransform(person ^ 1, cv2.DIST_L2, cv2.DIST_MASK_5)
    band = np.flatnonzero((distance > 0) & (distance < feather + 1))
    reach = max(1, math.ceil(feather + 1) - 1)
    side = (2 * reach + 1, 2 * reach + 1)
    sums, count = (
        cv2.boxFilter(one, cv2.CV_32S, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for one in (cv2.copyTo(image, person), person)
    )
    own = sums.reshape(-1, 3)[band] / count.reshape(-1, 1)[band].astype(np.float32)
    share = 1 - distance.reshape(-1, 1)[band] / np.float32(feather + 1)
    pixels = composed.reshape(-1, 3)
    behind = pixels[band].astype(np.float32)
    pixels[band] = np.rint(behind + share * (own - behind)).astype(np.uint8)
