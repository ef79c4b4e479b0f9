"""What is measured of every image: how bright, contrasty, colourful and sharp it is."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""RGB uint8 H×W×3."""


class Measures(NamedTuple):
    """Numbers of one image, in levels of 0..255.

    Attributes:
        brightness: Mean of the luma.
        contrast: Its standard deviation.
        saturation: Mean of HSV's saturation.
        sharpness: Standard deviation of the luma's Laplacian; noise counts as sharpness.
    """

    brightness: float
    contrast: float
    saturation: float
    sharpness: float


NAMES: Final = Measures._fields


def measure(picture: Picture) -> Measures:
    """Measure an image as it is, whole."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(luma)
    _, edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    saturation = cv2.mean(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))[1]
    return Measures(float(mean[0, 0]), float(deviation[0, 0]), saturation, float(edges[0, 0]))
