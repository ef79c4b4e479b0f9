"""Cross-entropy with smoothed labels, for identities and for semantic classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SmoothedCrossEntropy(nn.Module):
    """Cross-entropy with label smoothing, in fp32 whatever the logits' type.

    Used for the identity loss (one label an image) and the semantic loss (one label a location of
    the fused map; paper II-C). A label's target is ``1 - smoothing + smoothing / classes``, any
    other class's ``smoothing / classes``, so that the loss stays above the targets' entropy.

    Args:
        smoothing: Share of the target that is spread over all classes, 0 ≤ smoothing < 1.

    Raises:
        ValueError: The smoothing is outside its range.
    """

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"label smoothing must be at least 0 and below 1, not {smoothing}")
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over samples, or over samples and locations.

        Args:
            logits: B×classes or B×classes×H×W, any floating type.
            labels: int64, B or B×H×W.

        Returns:
            fp32 scalar.
        """
        # Autocast keeps bf16 through log-softmax on the CPU: 3 digits of a loss near ln 751.
        return F.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
