"""Pictures with a person's opacity, kept at several sizes, and cut to crops without aliasing.

Coordinates are continuous: a pixel covers ``[i, i + 1)``, so that a point keeps its place in a
picture that is enlarged or reduced. OpenCV, which counts from pixel centres, is given shifted
matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
"""``x0, y0, x1, y1``; may reach beyond the picture."""

STEP = 2**-0.5
"""Ratio of one level's size to the level before. Bilinear sampling then skips no pixel that
matters."""

LEAST_HEIGHT = 48
"""No level is lower: people of a crop are rarely less than this many pixels high."""

EDGE_SIGMA = 0.7
"""Softness in pixels that the edge of a 1-bit mask gets; a camera's own edge is about as wide."""


@dataclass(frozen=True)
class Picture:
    """One picture at several sizes.

    Attributes:
        levels: uint8 (h,w,C), largest first.
        box: The person's, in the first level; the whole picture if it has none.
    """

    levels: tuple[U8, ...]
    box: Box

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the largest level."""
        return self.levels[0].shape[0], self.levels[0].shape[1]


def picture(image: U8, box: Box | None = None) -> Picture:
    """Keep ``image`` (h,w,C) at several sizes, with the box of its person."""
    levels = [image]
    while levels[-1].shape[0] * STEP >= LEAST_HEIGHT:
        height, width = (round(side * STEP ** len(levels)) for side in image.shape[:2])
        reduced = cv2.resize(image, (max(width, 1), height), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(reduced, np.uint8))
    height, width = image.shape[:2]
    return Picture(tuple(levels), box or (0.0, 0.0, float(width), float(height)))


def box_of(opacity: U8) -> Box:
    """Return the box around everything at least half opaque.

    Raises:
        ValueError: Nothing is.
    """
    rows, columns = (np.flatnonzero((opacity > 127).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("a mask without a person")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def warp(
    source: Picture, matrix: Matrix, size: tuple[int, int], outside: tuple[int, ...] | None = None
) -> U8:
    """Map a picture onto a crop.

    Args:
        source: Where pixels come from.
        matrix: 2×3, from the picture's first level to the crop.
        size: Height and width of the crop.
        outside: Value of each channel outside of the picture; ``None`` repeats its border.
    """
    wanted = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    level = max(i for i in range(len(source.levels)) if i == 0 or STEP**i >= wanted)
    pixels = source.levels[level]
    down, across = pixels.shape[0] / source.size[0], pixels.shape[1] / source.size[1]
    linear = matrix[:, :2] / (across, down)
    shifted = np.column_stack([linear, matrix[:, 2] + linear @ (0.5, 0.5) - 0.5])
    crop = cv2.warpAffine(
        pixels,
        shifted,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT,
        borderValue=outside or 0,
    )
    return np.asarray(crop, np.uint8)


def soft_edge(mask: U8) -> U8:
    """Turn a 1-bit mask (0 or 255) into an opacity."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), EDGE_SIGMA), np.uint8)


def cut_out(image: U8, opacity: U8, inside: U8) -> U8:
    """Give a person's pixels on nothing: RGB multiplied by the opacity, and the opacity (h,w,4).

    At a soft edge the image mixes person and background. Everything outside of ``inside`` (0 or
    255, what shows the person alone) therefore takes the colour of the nearest pixel inside.
    """
    if not inside.any():
        inside = np.where(opacity >= opacity.max(), 255, 0).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(
        255 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[inside > 0]] = image[inside > 0]
    own = colours[labels].astype(np.float32)
    premultiplied = own * (opacity[..., None].astype(np.float32) / 255)
    return np.dstack([np.rint(premultiplied).astype(np.uint8), opacity])


def without_person(image: U8, mask: U8, reach: int = 2, at: int = 96) -> U8:
    """Fill the person in from what surrounds it.

    Args:
        image: (h,w,3).
        mask: 0 or 255, the person.
        reach: Pixels around the mask that are filled in, too.
        at: Height at which it is filled in; more detail is nothing that inpainting could invent.
    """
    height, width = image.shape[:2]
    factor = min(1.0, at / height)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    grown = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    hole = (cv2.resize(grown, small, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(reduced, hole, 3, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(grown[..., None] > 0, filled, image).astype(np.uint8)
