"""Equation 21: the person from the source, everything else from the rewritten background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.variant import Image, Mask


def composite(image: Image, background: Image, mask: Mask, feather: float = 0.0) -> Image:
    """Put the person before a background (paper equation 21).

    Args:
        image: The source, RGB uint8, H×W×3.
        background: The rewritten image, the same shape.
        mask: Where the person is, H×W.
        feather: Width in pixels of the transition. It lies wholly outside the mask: from the
            outline outwards, the source's share falls linearly to 0.

    Returns:
        A new image. Wherever the mask is True its pixel is the source's, exactly.
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


def rewrite_background(
    image: Image,
    mask: Mask,
    family: BackgroundTransform,
    record: Mapping[str, Any],
    feather: float = 0.0,
) -> Image:
    """Apply a drawn record to an image's background only (paper section II-G).

    Args:
        image: RGB uint8, H×W×3.
        mask: Where the person is, H×W.
        family: The family that drew the record.
        record: Its drawn parameters.
        feather: See :func:`composite`.

    Returns:
        A new image, with no colour of the person outside the mask that was not there before.
    """
    return composite(image, family.apply_record(image, record, mask), mask, feather)
