"""Natural people and natural backgrounds of another camera network, labelled by a larger network.

Composites show people with other people's surroundings, and photos come from other cameras than
the crops that the segmenter is for. A teacher labels natural crops: it sees each in four views,
and where their masks agree, every pixel on which all four agree becomes known. With its person
filled in, the same crop is a natural background.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from pipelines.segmenter.pictures import U8, without_person
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings

log = logging.getLogger("train_person_segmenter")

AGREEMENT = 0.88
"""Least IoU between the masks of the image as it is and of every other view."""

MARGIN = 1 / 12
"""The views that show the person smaller add this much of the image's height on every side."""

BACKGROUND_MARGIN = 4
"""Pixels around every view's mask that are filled in, too."""

Segment = Callable[[Sequence[U8]], Iterable[U8 | None]]
"""Gives each image's mask (0 or 255), ``None`` where it is rejected."""


@dataclass(frozen=True)
class Labels:
    """What a network made of natural crops.

    Attributes:
        images: Those whose views agree.
        labels: Their labels (h,w,2): opacity, and 255 where it is known.
        backgrounds: Crops with their person filled in, agreed upon or not.
    """

    images: tuple[U8, ...]
    labels: tuple[U8, ...]
    backgrounds: tuple[U8, ...]

    def save(self, path: Path) -> None:
        """Write everything to one file, under a temporary name first."""
        part = path.with_suffix(".part.npz")
        np.savez(part, images=self.images, labels=self.labels, backgrounds=self.backgrounds)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(*(tuple(stored[name]) for name in ("images", "labels", "backgrounds")))


def segment_with(network: nn.Module, size: tuple[int, int], device: str = "cpu") -> Segment:
    """Return a function that masks images with a network in training."""
    settings = MaskSettings(confidence=0.4, threshold=0.5)
    segmenter = Segmenter.for_network(network, size, settings, device=device)

    def segment(images: Sequence[U8]) -> Iterable[U8 | None]:
        for found in segmenter.segment(images):
            if found.accepted and found.mask is not None:
                yield np.where(found.mask, 255, 0).astype(np.uint8)
            else:
                yield None

    return segment


def label(segment: Segment, images: Sequence[U8]) -> Labels:
    """Label natural crops, all of one size, with a network's own masks.

    Raises:
        ValueError: On no crop do the views agree.
    """
    kept: list[U8] = []
    labels: list[U8] = []
    backgrounds: list[U8] = []
    for image, masks in zip(images, zip(*_views(segment, images), strict=True), strict=True):
        if any(mask is None for mask in masks):
            continue
        votes = np.stack(masks) > 127
        union = np.where(votes.any(0), 255, 0).astype(np.uint8)
        backgrounds.append(without_person(image, union, reach=BACKGROUND_MARGIN))
        if all(_iou(votes[0], other) >= AGREEMENT for other in votes[1:]):
            share = votes.mean(0)
            known = (share == 0) | (share == 1)
            kept.append(image)
            labels.append((255 * np.dstack([share, known])).astype(np.uint8))
    if not kept:
        raise ValueError(f"the teacher labelled none of {len(images)} crops; train it longer")
    log.info("labelled %d of %d natural crops", len(kept), len(images))
    return Labels(tuple(kept), tuple(labels), tuple(backgrounds))


def _views(segment: Segment, images: Sequence[U8]) -> list[list[U8 | None]]:
    """Mask the images as they are, mirrored, smaller, and both; bring the masks back."""
    masks: list[list[U8 | None]] = []
    for smaller in (False, True):
        for mirrored in (False, True):
            seen = [_mirror(_pad(i, smaller), mirrored) for i in images]
            found = segment(seen)
            masks.append(
                [
                    None if m is None else _unpad(_mirror(m, mirrored), i.shape, smaller)
                    for m, i in zip(found, images, strict=True)
                ]
            )
    return masks


def _mirror(image: U8, mirrored: bool) -> U8:
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image


def _pad(image: U8, smaller: bool) -> U8:
    down, across = (round(MARGIN * side) if smaller else 0 for side in image.shape[:2])
    padded = cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _unpad(mask: U8, shape: tuple[int, ...], smaller: bool) -> U8:
    down, across = (round(MARGIN * side) if smaller else 0 for side in shape[:2])
    return mask[down : down + shape[0], across : across + shape[1]]


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))
