"""From one round to the next: natural backgrounds and natural people, by the last network.

The masked crops have rewritten backgrounds; the images that the segmenter is for have natural
ones. A first network, trained on composites, finds the people of natural crops; where two views
of an image (as it is, and flipped) agree, the mask becomes a label. With the people removed the
same images are natural backgrounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from torch import nn

from pipelines.segmenter.composites import flip_pair
from pipelines.segmenter.sources import U8, MaskedCrops
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings

AGREEMENT = 0.9
"""Least IoU of the masks of an image and of its mirror image for a label to be believed."""

MAX_BACKGROUND_PERSON = 0.5
"""An image whose person covers more leaves too little background to fill in from."""


@dataclass(frozen=True)
class Labels:
    """What a network made of natural images: believed masks, and backgrounds without people."""

    people: MaskedCrops
    backgrounds: U8


def label(network: nn.Module, size: tuple[int, int], images: U8, names: tuple[str, ...]) -> Labels:
    """Label natural crops with a network's own masks."""
    segmenter = Segmenter.for_network(network, size, MaskSettings(confidence=0.4))
    straight = segmenter.segment(list(images))
    mirrored = segmenter.segment([np.ascontiguousarray(image[:, ::-1]) for image in images])
    masks = np.zeros(images.shape[:3], np.uint8)
    believed = np.zeros(len(images), np.bool_)
    backgrounds: list[U8] = []
    for i, (one, other) in enumerate(zip(straight, mirrored, strict=True)):
        if one.mask is None or other.mask is None or not (one.accepted and other.accepted):
            continue
        back = flip_pair(images[i], np.where(other.mask, 255, 0).astype(np.uint8))[1] > 127
        union = (one.mask | back).sum()
        believed[i] = (one.mask & back).sum() >= AGREEMENT * union
        masks[i] = np.where(one.mask, 255, 0)
        if one.area <= MAX_BACKGROUND_PERSON:
            backgrounds.append(without_person(images[i], one.mask | back))
    people = MaskedCrops(images, masks, names).pick(believed)
    return Labels(people, np.stack(backgrounds))


def without_person(image: U8, mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> U8:
    """Fill the person in from what surrounds it."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(cv2.inpaint(image, grown, 3, cv2.INPAINT_TELEA), np.uint8)
