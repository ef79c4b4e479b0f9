"""What is descended: a batch's outputs to the three losses, and their weighted sum."""

from __future__ import annotations

from torch import Tensor, nn

from visnet_model.config import LossSettings
from visnet_model.losses.classification import SmoothedCrossEntropy
from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.ranks import gather_everyone
from visnet_model.losses.total import Total, TotalLoss
from visnet_model.losses.weighting import DynamicWeights, FixedWeights, Weighting
from visnet_model.network.visnet import TrainingOutputs


class Objective(nn.Module):
    """Identity, pairwise and semantic loss of a batch (paper II-C to II-F).

    A loss that is switched off is not computed.

    Attributes:
        names: The losses that take part, in the order of their weights.
    """

    def __init__(self, settings: LossSettings) -> None:
        super().__init__()
        self.weighting = make_weighting(settings)
        self.names = self.weighting.names
        self.total = TotalLoss(self.weighting)
        self.fidi = FidiLoss(**settings.fidi.model_dump())
        self.cross_entropy = SmoothedCrossEntropy(settings.smoothing)

    def forward(self, outputs: TrainingOutputs, labels: Tensor) -> Total:
        """Return the sum to descend with its parts; counts as one step of the weighting.

        Args:
            outputs: Of this rank's slice of the batch.
            labels: int64 N, its identities as rows of the classifier.
        """
        parts = {}
        if "identity" in self.names:
            parts["identity"] = self.cross_entropy(outputs.logits, labels)
        if "fidi" in self.names:
            everyone = gather_everyone(outputs.embeddings, labels)
            parts["fidi"] = self.fidi(outputs.embeddings, labels, everyone)
        if "semantic" in self.names:
            parts["semantic"] = self.cross_entropy(outputs.semantic_logits, outputs.pseudo_labels)
        total: Total = self.total(parts)
        return total


def make_weighting(settings: LossSettings) -> Weighting:
    """Return the weighting that settings ask for, over the losses that are not switched off."""
    weights = settings.weights.model_dump()
    if settings.weighting == "fixed":
        return FixedWeights(weights)
    return DynamicWeights([name for name, weight in weights.items() if weight > 0])
