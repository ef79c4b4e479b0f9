"""How good a segmenter is: its masks against exact ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
from torch import nn

from pipelines.segmenter.framing import to_crop
from pipelines.segmenter.pictures import Box, box_of, picture, warp
from pipelines.segmenter.sources import MaskedImages
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings

CROP = (128, 64)
"""Height and width of the crops of Market-1501."""


@dataclass(frozen=True)
class Verdict:
    """Quality over a set of masked crops.

    Attributes:
        iou: Mean IoU of the accepted masks.
        precision: Mean share of a mask that is the person, of the accepted.
        recall: Mean share of the person that is in the mask, of the accepted.
        bad: Share of the accepted masks with an IoU below 0.5.
        rejected: Share of crops whose mask was rejected.
    """

    iou: float
    precision: float
    recall: float
    bad: float
    rejected: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures rounded to four places."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def judge(
    network: nn.Module, size: tuple[int, int], people: MaskedImages, device: str = "cpu"
) -> Verdict:
    """Run a network in training through the product's own segmenter and compare."""
    settings = MaskSettings(threshold=0.5)
    return compare(Segmenter.for_network(network, size, settings, device=device), people)


def compare(segmenter: Segmenter, people: MaskedImages) -> Verdict:
    """Compare a segmenter's masks with exact ones."""
    rows = []
    for found, truth in zip(segmenter.segment(people.images), people.masks, strict=True):
        if found.accepted and found.mask is not None:
            person = truth > 127
            both = int((found.mask & person).sum())
            union = int((found.mask | person).sum())
            rows.append((both / union, both / found.mask.sum(), both / max(person.sum(), 1)))
    if not rows:
        return Verdict(0.0, 0.0, 0.0, 0.0, 1.0)
    values = np.array(rows, np.float64)
    iou, precision, recall = values.mean(0)
    bad = float((values[:, 0] < 0.5).mean())
    return Verdict(float(iou), float(precision), float(recall), bad, 1 - len(rows) / len(people))


def cropped(
    people: MaskedImages, margin: float, size: tuple[int, int] | None = CROP
) -> MaskedImages:
    """Cut people out of photos with a margin, as a fraction of their height on every side.

    Args:
        people: Photos with masks.
        margin: 0.03 is tight, 0.15 loose.
        size: Height and width of the crops, which are 1:2; ``None`` for the photo's own pixels.
    """
    images, masks = [], []
    for image, mask in zip(people.images, people.masks, strict=True):
        view = _view(box_of(mask), margin)
        own = (round(view[3] - view[1]), round(view[2] - view[0]))
        matrix = to_crop(view, size or own)
        images.append(warp(picture(image), matrix, size or own))
        grey = warp(picture(np.ascontiguousarray(mask[..., None])), matrix, size or own, (0,))
        masks.append(np.where(grey > 127, 255, 0).astype(np.uint8))
    return MaskedImages(tuple(images), tuple(masks), people.names)


def without_colour(people: MaskedImages) -> MaskedImages:
    """Take the colour from every image."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in people.images]
    images = tuple(np.repeat(one[..., None], 3, axis=2).astype(np.uint8) for one in grey)
    return MaskedImages(images, people.masks, people.names)


def _view(box: Box, margin: float) -> Box:
    """Return a window of 1:2 around a box."""
    x0, y0, x1, y1 = box
    height = max((y1 - y0) * (1 + 2 * margin), 2 * (x1 - x0 + 2 * margin * (y1 - y0)))
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - height / 4, y - height / 2, x + height / 4, y + height / 2
