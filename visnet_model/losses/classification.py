"""Cross-entropy with smoothed labels, for identities and for semantic classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SmoothedCrossEntropy(nn.Module):
    """Cross-entropy with label smoothing, in fp32 whatever the dtype of the logits.

    Used for the identity loss (one label per image) and the semantic loss (one label per location
    of the fused map; paper II-C). The target of the labelled class is
    ``1 - smoothing + smoothing / classes``, that of any other class ``smoothing / classes``. So the
    loss is at least the entropy of the targets.

    Args:
        smoothing: Fraction of the target that is spread over all classes, 0 ≤ smoothing < 1.

    Raises:
        ValueError: The smoothing is out of its range.
    """

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"label smoothing must be at least 0 and below 1, not {smoothing}")
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over images, or over images and locations.

        Args:
            logits: N×classes or N×classes×h×w, any floating dtype.
            labels: int64 N or N×h×w.

        Returns:
            fp32 scalar.
        """
        # On a CPU, autocast computes log-softmax in bf16: 3 digits of a loss near ln 751.
        return F.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
