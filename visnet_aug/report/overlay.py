"""Show a mask on its image: the person as it is, the background tinted, an outline between."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from visnet_aug.masks.person import Mask
from visnet_aug.report.measures import Picture

PICTURE: Final = (128, 256)
"""Width and height that a picture is enlarged to: twice those of a 64×128 crop."""

TINT: Final = (24, 70, 190)
"""A blue that few backgrounds have."""

TINT_SHARE: Final = 0.45
OUTLINE: Final = (255, 214, 0)


def overlay(image: Picture, mask: Mask) -> Picture:
    """Draw a mask over an image, enlarged.

    The outline lies wholly in the background: every pixel of the person is shown untouched.

    Args:
        image: RGB uint8 H×W×3.
        mask: bool H×W.

    Returns:
        RGB uint8, enlarged by the whole factor that fits `PICTURE` best, at least 1.
    """
    height, width = mask.shape
    factor = max(1, min(PICTURE[0] // width, PICTURE[1] // height))
    image = image.repeat(factor, axis=0).repeat(factor, axis=1)
    person = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    # The grey background keeps its structure, so that a missed leg shows under the tint.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    tinted = (1 - TINT_SHARE) * grey + TINT_SHARE * np.array(TINT)
    shown = np.where(person[..., None], image, tinted.astype(np.uint8))
    around = cv2.dilate(person.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    shown[around & ~person] = OUTLINE
    return shown
