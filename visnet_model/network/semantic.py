"""Semantic clustering: rule-based body parts as labels, and the head that learns them (paper II-C).

It is used in training only: each location of the fused map learns which body part it shows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

UPPER_BODY, LOWER_BODY, SHOES, BACKGROUND = range(4)
CLASSES = 4

UPPER_TENTHS, LOWER_TENTHS = 4, 8
"""Lower ends of the upper and the lower body, in tenths of the height (equation 5)."""

FOREGROUND_DEVIATIONS = 0.5
"""A location is foreground if the norm of its feature exceeds the image's mean norm by more than
this many standard deviations of the image (equation 8)."""


class SemanticHead(nn.Module):
    """A three-layer perceptron at each location: width → width/2 → width/4 → 4 (equation 10)."""

    def __init__(self, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.BatchNorm1d(width // 2),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(width // 2, width // 4),
            nn.BatchNorm1d(width // 4),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(width // 4, CLASSES),
        )

    def forward(self, fused: Tensor) -> Tensor:
        """Return the class logits of each location.

        Args:
            fused: N×width×h×w.

        Returns:
            N×4×h×w, as ``cross_entropy`` takes them with the N×h×w `pseudo_labels`.
        """
        batch, channels, height, width = fused.shape
        locations = fused.permute(0, 2, 3, 1).reshape(-1, channels)
        logits: Tensor = self.layers(locations)
        return logits.reshape(batch, height, width, CLASSES).permute(0, 3, 1, 2)


def pseudo_labels(fused: Tensor) -> Tensor:
    """Label each location by its height in the image and the norm of its feature.

    Equations 5 to 9. A row belongs to the body part that contains its centre: of 8 rows, 3 are
    upper body, 3 lower body and 2 shoes, the nearest to 40, 40 and 20 %. The standard deviation is
    that of all locations of the image, without Bessel's correction. Computed in fp32 whatever the
    map's dtype, and without gradient, because labels are not learnt.

    Args:
        fused: N×C×h×w.

    Returns:
        int64 N×h×w of `UPPER_BODY`, `LOWER_BODY`, `SHOES` and `BACKGROUND`.
    """
    norms = torch.linalg.vector_norm(fused.detach(), dim=1, dtype=torch.float32)
    mean = norms.mean(dim=(1, 2), keepdim=True)
    deviation = norms.std(dim=(1, 2), keepdim=True, correction=0)
    foreground = norms > mean + FOREGROUND_DEVIATIONS * deviation
    parts = body_parts(fused.shape[2], fused.device)[:, None]
    return torch.where(foreground, parts, BACKGROUND)


def body_parts(height: int, device: torch.device | None = None) -> Tensor:
    """Return the body part of each of ``height`` rows, int64 (equation 5).

    Computed in integers to avoid rounding: the centre ``(row + 1/2) / height`` is at or below t
    tenths where ``10·row + 5 ≥ t·height``.
    """
    centres = 10 * torch.arange(height, device=device) + 5
    upper_ends, lower_ends = UPPER_TENTHS * height, LOWER_TENTHS * height
    return (centres >= upper_ends).long() + (centres >= lower_ends).long()
