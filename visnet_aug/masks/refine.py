"""Bring a mask's outline to the image's own edges.

A network's mask is drawn on a grid coarser than the image. A guided filter (He et al., TPAMI 2013,
eq. 14-19) fits the mask, in a small window around each pixel, by a linear function of the image's
colours: where person and background differ in colour, the outline moves to the edge between them;
where they don't, the mask stays as it was. The fit is done on the mask's grid and applied to the
image's pixels (the fast guided filter, arXiv:1505.00996), so that a large image costs little more
than a small one, and gets an outline of its own pixels.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

RADIUS: Final = 2
"""Half the window's side, in pixels of the mask's grid."""

GREY_RADIUS: Final = 1
"""The same for images without colour, of which one channel is left to tell edges by."""

GREY: Final = 4
"""An image is grey if its colour differences vary by no more than this (0-255)."""

SMOOTH: Final = 1e-4
"""Variance of colours (0..1) that counts as an edge: eq. 14's epsilon."""


def refine(probability: F32, image: npt.NDArray[np.uint8]) -> F32:
    """Move a mask's outline to the image's edges.

    Args:
        probability: float32 (h,w) in 0..1, on the network's grid.
        image: uint8 (H,W,3) RGB.

    Returns:
        float32 (H,W) in 0..1.
    """
    size = (probability.shape[1], probability.shape[0])
    guide = _colours(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    radius = GREY_RADIUS if float(np.ptp(guide[..., 1:])) <= GREY / 255 else RADIUS
    slopes, offset = _fit(guide, probability, radius)
    whole = (image.shape[1], image.shape[0])
    slopes = cv2.resize(slopes, whole, interpolation=cv2.INTER_LINEAR)
    refined = cv2.resize(offset, whole, interpolation=cv2.INTER_LINEAR)
    for slope, colour in zip(cv2.split(slopes), cv2.split(_colours(image)), strict=True):
        refined += slope * colour
    clipped: F32 = np.clip(refined, 0, 1)
    return clipped


def _colours(image: npt.NDArray[np.uint8]) -> F32:
    """Return luma and colour differences, 0..1: without colour, no two channels are alike.

    Equal channels would make the fit's equations nearly singular, too nearly for float32.
    """
    colours = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32)
    return colours * np.float32(1 / 255)


def _fit(colours: F32, mask: F32, radius: int) -> tuple[F32, F32]:
    """Return slopes (h,w,3) and offset (h,w) of the best linear functions around each pixel."""
    r, g, b = cv2.split(colours)
    p = mask
    first = cv2.merge([r, g, b, p])
    colour = cv2.merge([r * r, r * g, r * b, g * g])
    other = cv2.merge([g * b, b * b, r * p, g * p])
    r, g, b, p = cv2.split(_mean(first, radius))
    rr, rg, rb, gg = cv2.split(_mean(colour, radius))
    gb, bb, rp, gp = cv2.split(_mean(other, radius))
    bp = _mean(colours[..., 2] * mask, radius)
    rr, gg, bb = rr - r * r + SMOOTH, gg - g * g + SMOOTH, bb - b * b + SMOOTH
    rg, rb, gb = rg - r * g, rb - r * b, gb - g * b
    rp, gp, bp = rp - r * p, gp - g * p, bp - b * p
    # Cramer's rule, for a symmetric matrix of three by three at every pixel.
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    slope_r = (c_rr * rp + c_rg * gp + c_rb * bp) * scale
    slope_g = (c_rg * rp + c_gg * gp + c_gb * bp) * scale
    slope_b = (c_rb * rp + c_gb * gp + c_bb * bp) * scale
    offset = p - slope_r * r - slope_g * g - slope_b * b
    *slopes, offset = cv2.split(_mean(cv2.merge([slope_r, slope_g, slope_b, offset]), radius))
    return cv2.merge(slopes), offset


def _mean(values: F32, radius: int) -> F32:
    """Average over the window around each pixel."""
    side = 2 * radius + 1
    mean: F32 = cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT_101)
    return mean
