"""Bring a mask's outline to the image's own edges.

A network's mask is drawn on a grid coarser than the image. A guided filter (He et al., TPAMI 2013,
eq. 14-19) fits the mask, in each small window, by a linear function of the image's colours: where
person and background differ in colour, the outline moves to the edge between them; where they
don't, the mask stays as it was. The fit is done at the network's size and applied at the image's
(the fast guided filter, arXiv:1505.00996), so that a large image costs little more than a small
one.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

RADIUS: Final = 4
"""Half the window's side, in pixels of the size at which the mask is fitted."""

SMOOTH: Final = 1e-4
"""Variance of colours (0..1) that counts as an edge: eq. 14's epsilon."""


def refine(probability: F32, image: npt.NDArray[np.uint8], size: tuple[int, int]) -> F32:
    """Move a mask's outline to the image's edges.

    Args:
        probability: float32 (h,w) in 0..1, of any size.
        image: uint8 (H,W,3).
        size: Height and width at which the mask is fitted to the image.

    Returns:
        float32 (H,W), about 0..1.
    """
    height, width = image.shape[:2]
    guide = image
    if height > size[0] and width > size[1]:
        guide = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    colours = guide.astype(np.float32) / 255
    shape = (colours.shape[1], colours.shape[0])
    mask = cv2.resize(probability, shape, interpolation=cv2.INTER_LINEAR)
    slopes, offset = _fit(colours, np.asarray(mask, np.float32))
    if guide is not image:
        slopes = cv2.resize(slopes, (width, height), interpolation=cv2.INTER_LINEAR)
        offset = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
        colours = image.astype(np.float32) / 255
    refined: F32 = np.einsum("hwc,hwc->hw", slopes, colours) + offset
    return refined


def _fit(colours: F32, mask: F32) -> tuple[F32, F32]:
    """Return slopes (h,w,3) and offset (h,w) of the best linear functions around each pixel."""
    red, green, blue = cv2.split(colours)
    products = (red, green, blue, mask)
    second = (
        *(red * red, red * green, red * blue, green * green, green * blue, blue * blue),
        *(red * mask, green * mask, blue * mask),
    )
    r, g, b, m, rr, rg, rb, gg, gb, bb, rm, gm, bm = (_mean(v) for v in (*products, *second))
    rr, gg, bb = rr - r * r + SMOOTH, gg - g * g + SMOOTH, bb - b * b + SMOOTH
    rg, rb, gb = rg - r * g, rb - r * b, gb - g * b
    rm, gm, bm = rm - r * m, gm - g * m, bm - b * m
    # Cramer's rule, for a symmetric matrix of three by three at every pixel.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    slope_r = (c_rr * rm + c_rg * gm + c_rb * bm) * scale
    slope_g = (c_rg * rm + c_gg * gm + c_gb * bm) * scale
    slope_b = (c_rb * rm + c_gb * gm + c_bb * bm) * scale
    offset = m - slope_r * r - slope_g * g - slope_b * b
    slopes = np.dstack([_mean(slope_r), _mean(slope_g), _mean(slope_b)])
    return slopes, _mean(offset)


def _mean(values: F32) -> F32:
    """Average over the window around each pixel."""
    side = 2 * RADIUS + 1
    mean: F32 = cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)
    return mean
