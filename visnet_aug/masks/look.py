"""How a mask looks wherever one is shown: the background tinted, a line around the person.

The line lies wholly in the background: every pixel of the person is shown untouched.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from visnet_aug.masks.person import Mask, Pixels

TINT: Final = (46, 92, 214)
"""Of the background, RGB: a blue that few backgrounds have."""

OUTLINE: Final = (255, 214, 0)
"""Of the line, RGB."""

PERSON: Final = 0
BACKGROUND: Final = 1
LINE: Final = 2


def mark(mask: Mask) -> Pixels:
    """Number the pixels of a mask: `PERSON`, `BACKGROUND`, or `LINE` next to the person.

    Args:
        mask: At the size at which it is shown, H×W.

    Returns:
        uint8, H×W.
    """
    person = mask.astype(np.uint8)
    around = cv2.dilate(person, np.ones((3, 3), np.uint8))
    return np.asarray(BACKGROUND - person + (LINE - BACKGROUND) * (around - person), np.uint8)
