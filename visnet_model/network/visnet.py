"""VisNet: backbone, fusion, semantic head, BN neck and classifier (paper II)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.network.backbone import Backbone, BackboneName
from visnet_model.network.fusion import MultiScaleFusion
from visnet_model.network.semantic import SemanticHead, pseudo_labels


class TrainingOutputs(NamedTuple):
    """Inputs of the losses, for N images; D channels of the fused map, h×w its size.

    It is a named tuple because DistributedDataParallel finds the tensors in one.

    Attributes:
        embeddings: fp32 N×D, for FIDI: the output of the BN neck, not of unit norm. FIDI shapes
            the space that the classifier reads and that inference compares.
        logits: N×identities, for the identity loss: the classifier's output for ``embeddings``.
        semantic_logits: N×4×h×w, for the semantic loss.
        pseudo_labels: int64 N×h×w, the targets of the semantic loss, without gradient.

    Examples:
        >>> import torch
        >>> from visnet_model import VisNet
        >>> outputs = VisNet(identities=5, backbone="resnet18")(torch.zeros(2, 3, 64, 32))
        >>> outputs.embeddings.shape, outputs.logits.shape
        (torch.Size([2, 512]), torch.Size([2, 5]))
    """

    embeddings: Tensor
    logits: Tensor
    semantic_logits: Tensor
    pseudo_labels: Tensor


class VisNet(nn.Module):
    """Person crops to embeddings and, in training mode, to the inputs of the three losses.

    The network of the paper's section II. Its weights are random; `visnet_model.network.weights`
    loads a pre-trained backbone, `visnet_model.load_network` a trained VisNet.

    Args:
        identities: Number of training identities, the classes of the classifier.
        backbone: ``resnet50`` as in the paper, ``resnet34`` or ``resnet18``. D, the length of an
            embedding, is 2048, 512 and 512.
        dropout: Dropout probability in the semantic head.

    Raises:
        ValueError: The backbone is unknown.

    Examples:
        >>> import torch
        >>> from visnet_model import VisNet
        >>> network = VisNet(identities=751, backbone="resnet18").eval()
        >>> with torch.inference_mode():
        ...     embeddings = network(torch.zeros(2, 3, 128, 64))
        >>> embeddings.shape
        torch.Size([2, 512])
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
        """Return `TrainingOutputs` in training mode, and embeddings in eval mode.

        Args:
            images: float N×3×H×W (256×128 in the paper), normalised with ImageNet's mean and
                standard deviation.

        Returns:
            In eval mode fp32 N×D of unit L2 norm, to compare by Euclidean distance.
        """
        fused = self.fusion(self.backbone(images))
        embeddings = self.neck(fused)
        if not self.training:
            return F.normalize(embeddings)
        return TrainingOutputs(
            embeddings, self.classifier(embeddings), self.semantic(fused), pseudo_labels(fused)
        )


class BNNeck(nn.Module):
    """Global average pooling, then batch normalisation without bias (equations 12 and 13).

    The bias exists, is counted as a parameter, and is frozen at 0, as in the paper. So embeddings
    stay centred, and the classifier's hyperplanes can pass through the origin.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.norm = nn.BatchNorm1d(width)
        self.norm.bias.requires_grad_(False)

    def forward(self, fused: Tensor) -> Tensor:
        """Return embeddings.

        Args:
            fused: N×width×h×w.

        Returns:
            fp32 N×width, not of unit norm. In half precision, distances would be too coarse.
        """
        embeddings: Tensor = self.norm(self.pool(fused).flatten(1).float())
        return embeddings


class Classifier(nn.Linear):
    """Identity logits of embeddings: linear, without bias (equation 14)."""

    INITIAL_DEVIATION = 0.001
    """Standard deviation of the initial weights, usual after a BN neck: all identities start about
    equally likely."""

    def __init__(self, width: int, identities: int) -> None:
        super().__init__(width, identities, bias=False)
        nn.init.normal_(self.weight, std=self.INITIAL_DEVIATION)
