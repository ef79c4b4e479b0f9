"""How good is a segmenter: found rate and IoU against reference masks."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from torch import nn

from pipelines.segmenter.sources import MaskedCrops
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings


@dataclass(frozen=True)
class Verdict:
    """Quality over a set of masked crops.

    Attributes:
        found: Share of crops in which a person was found and accepted.
        iou_found: Mean IoU of the found ones.
        iou_all: Mean IoU with a missed person counted as 0.
        area_ratio: Mean predicted area over reference area, of the found.
    """

    found: float
    iou_found: float
    iou_all: float
    area_ratio: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures rounded to four places."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def judge(network: nn.Module, size: tuple[int, ...], crops: MaskedCrops) -> Verdict:
    """Run the network through the product's own segmenter and compare."""
    segmenter = Segmenter.for_network(network, (size[0], size[1]), MaskSettings())
    found = [mask.mask for mask in segmenter.segment(list(crops.images))]
    truth = crops.masks > 127
    ious, ratios = [], []
    for mask, reference in zip(found, truth, strict=True):
        if mask is not None:
            ious.append((mask & reference).sum() / (mask | reference).sum())
            ratios.append(mask.sum() / reference.sum())
    total = float(np.sum(ious))
    return Verdict(
        found=len(ious) / len(crops),
        iou_found=total / max(len(ious), 1),
        iou_all=total / len(crops),
        area_ratio=float(np.mean(ratios)) if ratios else 0.0,
    )
