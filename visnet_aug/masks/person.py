"""From the instances of a network to one judged person mask: choose, clean, judge.

Pure functions of arrays. Boxes are ``(x0, y0, x1, y1)`` in pixels of the image,
masks are bool H×W with True for the person, areas and heights are fractions of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.masks.settings import MaskSettings

Boxes: TypeAlias = npt.NDArray[np.float32]
Scores: TypeAlias = npt.NDArray[np.float32]
Probability: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Reason: TypeAlias = Literal[
    "no_person",
    "low_confidence",
    "ambiguous",
    "too_small",
    "too_large",
    "too_short",
    "border",
    "low_quality",
]

REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        "no_person": "nobody was found",
        "low_confidence": "the network's confidence is too low",
        "ambiguous": "two people are equally likely to be the one",
        "too_small": "the mask covers too little of the image",
        "too_large": "the mask covers nearly all of the image",
        "too_short": "the mask is too short for a person",
        "border": "the mask runs along most of the image's border",
        "low_quality": "the predicted quality of the mask is too low",
    }
)
"""Every reason for not using a mask, in words."""

AREA_POWER = 0.5
"""Exponent of a box's area: the person of a crop fills it, but a box around two people must not
win."""

CENTRE_SIGMA = (0.2, 0.4)
"""Tolerated offset of a box's centre from that of the image, horizontally and vertically, as
fractions of width and height. The boxes of the reference masks vary by 0.05 and 0.04 around the
centre; a second person is 0.3 or more to the side, and heads and feet are often cut off."""


@dataclass(frozen=True, slots=True)
class PersonMask:
    """The person found in one image.

    Attributes:
        mask: bool H×W, True for the person; ``None`` if nobody was found. A rejected mask is kept
            here so that it can be viewed; it is never stored.
        area: Fraction of the image that the mask covers.
        confidence: Confidence of the chosen instance, in [0, 1]; 0 if nobody was found.
        reason: Why the mask is not used, one of the keys of `REASONS`; ``None`` if it is used.
        quality: Predicted IoU with the true mask, in [0, 1]; ``None`` if nobody was found, or if
            the weights contain no model that predicts it.

    Examples:
        >>> import numpy as np
        >>> from visnet_aug import PersonMask, Segmenter
        >>> empty = np.zeros((128, 64, 3), np.uint8)
        >>> found: PersonMask = Segmenter(device="cpu").segment([empty])[0]
        >>> found.accepted
        False
    """

    mask: Mask | None
    area: float
    confidence: float
    reason: Reason | None
    quality: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the mask is good enough to rewrite the background around it."""
        return self.reason is None


def choose_person(boxes: Boxes, scores: Scores, shape: tuple[int, int]) -> int | None:
    """Choose the person that a crop shows.

    The crop was cut around its person, who is therefore large and near the middle. The choice has
    the largest ``confidence · area^0.5 · exp(-½ (dx/0.2)² - ½ (dy/0.4)²)``, with the
    area of the box within the image and the offset of its centre as fractions of the image. On
    pairs of reference boxes, the second one shifted 0.35 to 0.9 of the width to the side and both
    with random confidences, it is wrong in 0.2 % of cases; confidence alone is wrong in 39 %. Only
    the best one is used, so non-maximum suppression is not needed.

    Args:
        boxes: float32 N×4, in pixels; may reach beyond the image.
        scores: float32 N, confidences in 0..1.
        shape: Height and width of the image.

    Returns:
        Index of the chosen instance, the first among equals; ``None`` if no box covers any of the
        image.
    """
    if len(boxes) == 0:
        return None
    rank = person_rank(boxes, scores, shape)
    best = int(np.argmax(rank))
    return best if rank[best] > 0 else None


def person_rank(boxes: Boxes, scores: Scores, shape: tuple[int, int]) -> Scores:
    """Rate instances by how likely the crop is about them: what `choose_person` maximises.

    Args:
        boxes: float32 N×4, in pixels; may reach beyond the image.
        scores: float32 N, confidences in 0..1.
        shape: Height and width of the image.

    Returns:
        float32 N, 0 or more; only ratios mean anything.
    """
    height, width = shape
    limits = np.array([width, height, width, height], np.float32)
    x0, y0, x1, y1 = (np.clip(boxes, 0.0, limits) / limits).T
    area = np.maximum(x1 - x0, 0.0) * np.maximum(y1 - y0, 0.0)
    dx = ((x0 + x1) / 2 - 0.5) / CENTRE_SIGMA[0]
    dy = ((y0 + y1) / 2 - 0.5) / CENTRE_SIGMA[1]
    rank: Scores = scores * area**AREA_POWER * np.exp(-0.5 * (dx * dx + dy * dy))
    return rank


def resize_probability(probability: Probability, shape: tuple[int, int]) -> Probability:
    """Resize a probability map to the size of an image, before any threshold.

    Bilinear between pixel centres (no half-pixel shift) upwards, averaging downwards.

    Args:
        probability: float32 map of any size.
        shape: Height and width of the result.

    Returns:
        float32 H×W; the same array if it has that size already.
    """
    if probability.shape == shape:
        return probability
    height, width = shape
    shrinks = height < probability.shape[0] and width < probability.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Probability = cv2.resize(probability, (width, height), interpolation=method)
    return resized


def clean_mask(probability: Probability, settings: MaskSettings) -> Mask:
    """Threshold a probability map, fill small holes, and drop specks.

    Holes are filled first, so that cleaning a clean mask changes nothing.

    Args:
        probability: float32 H×W in 0..1.
        settings: ``threshold``, ``fill_holes`` and ``drop_specks`` are used.

    Returns:
        bool H×W; empty where no pixel is above the threshold.
    """
    mask = (probability > settings.threshold).view(np.uint8)
    mask = _fill_holes(mask, settings.fill_holes)
    mask = _drop_specks(mask, settings.drop_specks)
    return mask.view(np.bool_)


@dataclass(frozen=True, slots=True)
class Instance:
    """The chosen instance of a crop, decoded.

    Attributes:
        probability: float32 map of any size that covers the image.
        confidence: In 0..1.
        quality: Predicted IoU of its mask, ``None`` if nothing predicts it.
        rival: How likely it is that the crop is about another person instead: the
            `person_rank` of the best other one divided by the chosen one's, 0 if there is none.
    """

    probability: Probability
    confidence: float
    quality: float | None = None
    rival: float = 0.0


def judge_mask(
    mask: Mask,
    confidence: float,
    settings: MaskSettings,
    *,
    quality: float | None = None,
    rival: float = 0.0,
) -> Reason | None:
    """Return why a mask cannot be used, or ``None`` if it can.

    Args:
        mask: bool H×W, cleaned.
        confidence: Confidence of its instance.
        settings: The limits.
        quality: Predicted IoU; ``None`` is not judged.
        rival: See `Instance`.

    Returns:
        The first that applies of ``no_person`` (an empty mask), ``low_confidence``, ``ambiguous``,
        ``too_small``, ``too_large``, ``too_short``, ``border`` and ``low_quality``; otherwise
        ``None``.
    """
    if not mask.any():
        return "no_person"
    if confidence < settings.confidence:
        return "low_confidence"
    if rival > settings.max_rival:
        return "ambiguous"
    area = mask_area(mask)
    if area < settings.min_area:
        return "too_small"
    if area > settings.max_area:
        return "too_large"
    if _height(mask) < settings.min_height:
        return "too_short"
    if _border_contact(mask) > settings.max_border:
        return "border"
    if quality is not None and quality < settings.quality:
        return "low_quality"
    return None


def person_mask(
    instance: Instance | None, shape: tuple[int, int], settings: MaskSettings
) -> PersonMask:
    """Clean and judge the mask of the chosen instance.

    Args:
        instance: The chosen one; ``None`` if nobody was found.
        shape: Height and width of the image.
        settings: How to clean and judge.

    Returns:
        The mask at the image's size, with the verdict on it.
    """
    if instance is None:
        return PersonMask(None, 0.0, 0.0, "no_person")
    mask = clean_mask(resize_probability(instance.probability, shape), settings)
    confidence, quality = instance.confidence, instance.quality
    reason = judge_mask(mask, confidence, settings, quality=quality, rival=instance.rival)
    return PersonMask(mask, mask_area(mask), confidence, reason, quality)


def mask_area(mask: Mask) -> float:
    """Return the fraction of the image that a mask covers."""
    return int(np.count_nonzero(mask)) / mask.size


def _fill_holes(mask: Pixels, fraction: float) -> Pixels:
    """Fill enclosed background up to ``fraction`` of the silhouette.

    Background is connected over edges only (4 neighbours), the person over corners too (8), so a
    hole that touches the outside at a corner is still a hole. The silhouette includes all holes and
    does not grow when some are filled: filling twice changes nothing.
    """
    count, labels = cv2.connectedComponents(1 - mask, connectivity=4)
    enclosed = np.ones(count, np.bool_)
    enclosed[0] = False  # label 0 is the person
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        enclosed[side] = False
    if not enclosed.any():
        return mask
    area = np.bincount(labels.ravel(), minlength=count)
    silhouette = area[0] + area[enclosed].sum()
    small = enclosed & (area <= fraction * silhouette)
    filled: Pixels = mask | small[labels]
    return filled


def _drop_specks(mask: Pixels, fraction: float) -> Pixels:
    """Drop the parts (8 neighbours) that are smaller than ``fraction`` of the largest."""
    # Labels and a bincount: connectedComponentsWithStats takes five times as long.
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count <= 2:  # background and one part
        return mask
    area = np.bincount(labels.ravel(), minlength=count)
    area[0] = 0  # label 0 is the background
    large = (area >= fraction * area.max()) & (area > 0)
    kept: Pixels = large[labels].view(np.uint8)
    return kept


def _height(mask: Mask) -> float:
    """Return the mask's height as a fraction of the image's."""
    rows = np.flatnonzero(mask.any(axis=1))
    return float(rows[-1] - rows[0] + 1) / len(mask)


def _border_contact(mask: Mask) -> float:
    """Return the fraction of the image's border pixels that the mask covers."""
    border = (mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1])
    covered = sum(int(np.count_nonzero(side)) for side in border)
    return covered / sum(side.size for side in border)
