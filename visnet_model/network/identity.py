"""From the fused map to the embedding and the identity: BN neck and classifier (paper II-D)."""

from __future__ import annotations

from torch import Tensor, nn


class BNNeck(nn.Module):
    """Global average pooling, then batch normalisation without a bias (equations 12 and 13).

    The bias is there, counted among the parameters and frozen at 0, as in the paper: embeddings
    stay centred, so that the classifier's hyperplanes may go through the origin.
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
            fp32 N×width, not of unit norm: distances in half precision would be too coarse.
        """
        embeddings: Tensor = self.norm(self.pool(fused).flatten(1).float())
        return embeddings


class Classifier(nn.Linear):
    """Identity logits of an embedding: linear, no bias (equation 14)."""

    INITIAL_DEVIATION = 0.001
    """Of the weights, as is common over a BN neck: all identities begin about equally likely."""

    def __init__(self, width: int, identities: int) -> None:
        super().__init__(width, identities, bias=False)
        nn.init.normal_(self.weight, std=self.INITIAL_DEVIATION)
