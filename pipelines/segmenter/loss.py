"""The training loss: Ultralytics' assignment, box and class losses, with our own mask loss.

Ultralytics rasterises polygons cut to whole pixels and compares inside the box only. At 128x64
half a pixel is several points of IoU, so masks stay opacities here and are compared at the crop's
full resolution, over the whole crop, each pixel with a weight.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from ultralytics.utils import IterableSimpleNamespace
from ultralytics.utils.loss import v8DetectionLoss

GAINS = IterableSimpleNamespace(box=5.0, cls=0.7, dfl=1.0)
BCE_GAIN, DICE_GAIN = 8.0, 2.0
ANCHORS_PER_BATCH_IMAGE = 2
"""Mask losses per image and step, at most: ten anchors answer for a person, few teach enough."""


class PersonLoss:
    """Sum of box, class, distance and mask losses of a one-class YOLOv8-Seg."""

    def __init__(self, network: nn.Module) -> None:
        network.args = GAINS
        self._detection = v8DetectionLoss(network)

    def __call__(
        self,
        predictions: dict[str, Tensor],
        batch: dict[str, Tensor],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return the named parts; their sum is the loss.

        Args:
            predictions: What the network returns in training mode.
            batch: ``batch_idx`` (I,), ``cls`` (I,), ``bboxes`` (I,4) as centre and size in 0-1,
                ``opacity`` (I,H,W) uint8, 0-255, and ``weight`` (I,H,W) uint8, how much each pixel
                counts; I people over the batch, ordered by image.
            generator: Draws the anchors whose masks are compared.
        """
        predictions = {
            name: value.float() if torch.is_tensor(value) else value
            for name, value in predictions.items()
        }
        assigned, parts, _ = self._detection.get_assigned_targets_and_loss(predictions, batch)
        foreground, target_index = assigned[0], assigned[1]
        bce, dice = _mask_losses(predictions, batch, foreground, target_index, generator)
        return {"box": parts[0], "cls": parts[1], "dfl": parts[2], "bce": bce, "dice": dice}


def _mask_losses(
    predictions: dict[str, Tensor],
    batch: dict[str, Tensor],
    foreground: Tensor,
    target_index: Tensor,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy and Dice loss of a sample of the assigned anchors' masks."""
    prototypes = predictions["proto"]
    image, anchor = foreground.nonzero(as_tuple=True)
    if not len(image):
        return prototypes.sum() * 0, prototypes.sum() * 0
    limit = ANCHORS_PER_BATCH_IMAGE * len(prototypes)
    keep = torch.randperm(len(image), generator=generator)[:limit].to(image.device)
    image, anchor = image[keep], anchor[keep]
    coefficients = predictions["mask_coefficient"].permute(0, 2, 1)[image, anchor]
    low = torch.einsum("kc,kchw->khw", coefficients, prototypes[image])
    images = torch.arange(len(prototypes), device=prototypes.device)
    first = torch.searchsorted(batch["batch_idx"].contiguous(), images)
    person = first[image] + target_index[image, anchor]
    truth = batch["opacity"][person].float() / 255
    weight = batch["weight"][person].float()
    logits = F.interpolate(low[:, None], truth.shape[-2:], mode="bilinear")[:, 0]
    bce = F.binary_cross_entropy_with_logits(logits, truth, weight, reduction="sum")
    probability = logits.sigmoid()
    # Dice = 2 |A and B| / (|A| + |B|), over the pixels that count at all.
    counts = weight > 0
    overlap = 2 * (probability * truth * counts).sum((1, 2)) + 1
    dice = 1 - overlap / (((probability + truth) * counts).sum((1, 2)) + 1)
    return BCE_GAIN * bce / weight.sum().clamp(min=1), DICE_GAIN * dice.mean()
