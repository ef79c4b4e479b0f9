"""VisNet: the rooms of this package put together (paper II)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.network.backbone import Backbone, BackboneName
from visnet_model.network.fusion import MultiScaleFusion
from visnet_model.network.identity import BNNeck, Classifier
from visnet_model.network.semantic import SemanticHead, pseudo_labels


class TrainingOutputs(NamedTuple):
    """What the losses need; N images, D channels of the fused map, h×w its size.

    A named tuple, because DistributedDataParallel finds the tensors in one.

    Attributes:
        embeddings: fp32 N×D, for FIDI: the BN neck's output, not of unit norm. FIDI shapes the
            same space that the classifier reads and that inference compares.
        logits: N×identities, for the identity loss: the classifier on ``embeddings``.
        semantic_logits: N×4×h×w, for the semantic loss.
        pseudo_labels: int64 N×h×w, the semantic loss's targets; without gradient.
    """

    embeddings: Tensor
    logits: Tensor
    semantic_logits: Tensor
    pseudo_labels: Tensor


class VisNet(nn.Module):
    """A person crop to its embedding and, in training, to what the three losses need.

    Weights are random; see `visnet_model.network.weights` for a trained backbone.

    Args:
        identities: Number of identities to tell apart in training.
        backbone: Which ResNet; all widths follow from it.
        dropout: Probability in the semantic head.
    """

    def __init__(
        self, identities: int, *, backbone: BackboneName = "resnet50", dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        self.fusion = MultiScaleFusion(self.backbone.widths)
        self.semantic = SemanticHead(self.fusion.width, dropout)
        self.neck = BNNeck(self.fusion.width)
        self.classifier = Classifier(self.fusion.width, identities)

    def forward(self, images: Tensor) -> Tensor | TrainingOutputs:
        """Return `TrainingOutputs` in training mode, embeddings alone in eval mode.

        Args:
            images: N×3×H×W (256×128 in the paper), normalised with ImageNet's mean and deviation.

        Returns:
            In eval mode fp32 N×D of unit L2 norm, to be compared by Euclidean distance.
        """
        fused = self.fusion(self.backbone(images))
        embeddings = self.neck(fused)
        if not self.training:
            return F.normalize(embeddings)
        return TrainingOutputs(
            embeddings, self.classifier(embeddings), self.semantic(fused), pseudo_labels(fused)
        )
