"""From the network's outputs to the weighted sum of the losses, and the check that it is finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visnet_model.config import LossSettings
from visnet_model.losses.classification import SmoothedCrossEntropy
from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.ranks import gather_batch, mean_over_ranks
from visnet_model.losses.weighting import DynamicWeightAveraging, FixedWeights, Weighting
from visnet_model.network.visnet import TrainingOutputs

NAMES_SHOWN = 12
"""Image names in the message of `NonFiniteLossError`; the error object has all of them."""


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """The sum of a step's losses and its parts.

    Attributes:
        loss: Scalar to call ``backward`` on, of this rank's images.
        values: Value of each loss, mean over ranks, without gradient, on its device.
        weights: Weight of each loss, without gradient, on its device.
    """

    loss: Tensor
    values: dict[str, Tensor]
    weights: dict[str, Tensor]


class Objective(nn.Module):
    """Identity, pairwise and semantic loss of a batch, and their weighted sum (paper II-C to II-F).

    Losses that are switched off are not computed.

    Attributes:
        weighting: Gives the weights.
        names: The losses that are switched on, in the order of their weights.
    """

    def __init__(self, settings: LossSettings) -> None:
        super().__init__()
        self.weighting = make_weighting(settings)
        self.names = self.weighting.names
        self.fidi = FidiLoss(**settings.fidi.model_dump())
        self.cross_entropy = SmoothedCrossEntropy(settings.smoothing)

    def forward(self, outputs: TrainingOutputs, labels: Tensor) -> WeightedSum:
        """Return the sum of the losses; counts as one step of the weighting.

        Args:
            outputs: Outputs for this rank's part of the batch, N images.
            labels: int64 N, classes of the classifier.
        """
        losses = {}
        if "identity" in self.names:
            losses["identity"] = self.cross_entropy(outputs.logits, labels)
        if "fidi" in self.names:
            batch = gather_batch(outputs.embeddings, labels)
            losses["fidi"] = self.fidi(outputs.embeddings, labels, batch)
        if "semantic" in self.names:
            losses["semantic"] = self.cross_entropy(outputs.semantic_logits, outputs.pseudo_labels)
        return add_up(losses, self.weighting)


def make_weighting(settings: LossSettings) -> Weighting:
    """Return the weighting of the losses that are switched on."""
    weights = settings.weights.model_dump()
    if settings.weighting == "fixed":
        return FixedWeights(weights)
    return DynamicWeightAveraging([name for name, weight in weights.items() if weight > 0])


def add_up(losses: Mapping[str, Tensor], weighting: Weighting) -> WeightedSum:
    """Return the weighted sum of losses; call it once per training step.

    The weights are computed from values averaged over ranks, so that all ranks have the same. A
    loss that is switched off may be given, but has no influence, not even as a NaN.

    Args:
        losses: Scalar losses by name, each a mean over this rank's images or pairs.
        weighting: Gives the weights; counts this as a step.

    Raises:
        ValueError: A loss that is switched on is not given.
    """
    names = weighting.names
    missing = [name for name in names if name not in losses]
    if missing:
        raise ValueError(f"no value for the loss {', '.join(missing)}; given: {', '.join(losses)}")
    stacked = torch.stack([losses[name].to(torch.float32) for name in names])
    values = mean_over_ranks(stacked)
    weights = weighting(values)
    return WeightedSum(
        loss=(weights * stacked).sum(),
        values=dict(zip(names, values.unbind(), strict=True)),
        weights=dict(zip(names, weights.unbind(), strict=True)),
    )


class NonFiniteLossError(ArithmeticError):
    """A loss is infinite or NaN, so that training cannot continue.

    Attributes:
        step: The step, as the trainer counts.
        values: Value of each loss.
        images: Names of the images in the batch.
    """

    def __init__(self, step: int, values: Mapping[str, float], images: Sequence[str]) -> None:
        self.step = step
        self.values = dict(values)
        self.images = tuple(images)
        numbers = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
        more = len(self.images) - NAMES_SHOWN
        shown = ", ".join(self.images[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        super().__init__(f"the loss is not finite at step {step}: {numbers}; batch: {shown}")


def check_finite(values: Mapping[str, Tensor], step: int, images: Sequence[str]) -> None:
    """Raise an error if a loss is infinite or NaN.

    It reads the values on the host, which on a GPU waits for the step. So call it where the values
    are read anyway. As they are means over ranks, all ranks stop at the same step, each naming its
    own images.

    Args:
        values: Scalar losses by name, as `WeightedSum.values`.
        step: The step of the values.
        images: Names of the images in the batch.

    Raises:
        NonFiniteLossError: A loss is not finite.
    """
    numbers = torch.stack([value.detach().float() for value in values.values()]).tolist()
    if not all(map(math.isfinite, numbers)):
        raise NonFiniteLossError(step, dict(zip(values, numbers, strict=True)), images)
