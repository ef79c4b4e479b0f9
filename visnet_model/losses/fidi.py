"""Fine-grained difference-aware loss on pairs of embeddings (FIDI).

Source: Yan et al., "Beyond triplet loss: person re-identification with fine-grained
difference-aware pairwise loss", IEEE Transactions on Multimedia, 2022.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visnet_model.losses.ranks import Everyone

SMALLEST_NORM = 1e-6
"""An embedding shorter than this is not brought to unit norm, so that gradients stay finite."""


class FidiLoss(nn.Module):
    """Pull images of one identity together and push others apart, by a symmetric divergence.

    ``L = D(U‖K) + D(K‖U)`` with ``D(P‖Q) = Σ p·log(α·p / ((α−1)·p + q))``, averaged over the
    ordered pairs i ≠ j. ``K_ij`` is 1 for two images of one identity, else 0;
    ``U_ij = exp(−β·d_ij)``; ``d`` is ``scale`` times the Euclidean distance of the embeddings.

    Normalisation and scale decide whether it trains. Batch-normalised embeddings of 2048 features
    lie 64 apart, where U is 1e-14: the loss is 3.04 times the share of positive pairs (0.145 for
    4 images an identity in 64, 0.353 for 12 in 96) and its gradient nil, as in the published
    training log. Unit-norm embeddings times 4 were chosen by the gradient's size, as a part of the
    identity loss's over a ResNet18's weights, on 96 real crops (8 identities):

    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======
    distance            unit                                                   none
    scale               1      2       4       6       8       16      64      1         0.044
    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======
    at random weights   0.010  0.013   0.012   0.008   0.004   8e-5    6e-13   8e-6      0.046
    40 steps later      0.020  0.031   0.039   0.035   0.024   2e-3    1e-8    2e-4      0.030
    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======

    0.044 is 1/√512, unit length for that network's embeddings on average; what it has more at
    first goes into the embeddings' lengths, which the evaluation does not see. The share grows as
    the identity loss is learnt. Small as it is, it counts: after 1,000 steps on 7,528 real crops
    and copies of them (ResNet18, 128×64; docs/results.md), scale 4 had mAP 43.8 %, scale 8 38.2 %,
    and no FIDI at all 37.8 %; a fixed weight of 20 instead of dynamic weights 41.0 %. One seed.

    Args:
        alpha: α > 1. It bounds the loss of a pair by ``log(α / (α−1))``, 3.04 by default.
        beta: β > 0, how fast likeness falls with distance.
        normalisation: ``unit`` compares directions, as the evaluation does; ``none`` compares the
            embeddings as they are.
        scale: > 0, multiplies the distance.

    Raises:
        ValueError: An argument is outside its range.
    """

    def __init__(
        self,
        alpha: float = 1.05,
        beta: float = 0.5,
        normalisation: Literal["unit", "none"] = "unit",
        scale: float = 4.0,
    ) -> None:
        super().__init__()
        if not alpha > 1:
            raise ValueError(f"FIDI's alpha must be above 1, not {alpha}")
        if not (beta > 0 and scale > 0):
            raise ValueError(f"FIDI's beta and scale must be above 0, not {beta} and {scale}")
        if normalisation not in ("unit", "none"):
            raise ValueError(f"FIDI's normalisation is 'unit' or 'none', not {normalisation!r}")
        self.alpha = alpha
        self.beta = beta
        self.normalisation = normalisation
        self.scale = scale

    def forward(self, embeddings: Tensor, pids: Tensor, everyone: Everyone | None = None) -> Tensor:
        """Return the mean over the pairs of this batch's images with all others.

        With ``everyone``, the rows are this rank's images and the columns the global batch: with
        equal slices, the mean over ranks is what one process gives for the global batch, and so
        is the mean of the gradients.

        Args:
            embeddings: N×C, any floating type; computed in fp32 (fp64 stays) under autocast too.
            pids: N integers.
            everyone: The global batch that holds these images, where there are more ranks.

        Returns:
            Scalar; 0 with a gradient of 0 where there is no pair.
        """
        everyone = everyone or Everyone(embeddings.detach(), pids, 0)
        with torch.autocast(embeddings.device.type, enabled=False):
            # A pair's loss is symmetric: an embedding's gradient as a column equals the one as a
            # row. So columns carry none (it need not travel between ranks) and rows have it twice.
            rows = self._prepare(embeddings)
            rows = rows + (rows - rows.detach())
            distance = _distances(rows, self._prepare(everyone.embeddings.detach()))
            losses = self._pair_losses(self.scale * distance, _same(pids, everyone.pids))
            pairs = len(pids) * (len(everyone.pids) - 1)
            return (losses * _other(losses, everyone.first)).sum() / max(pairs, 1)

    def extra_repr(self) -> str:
        """Show the arguments."""
        return (
            f"alpha={self.alpha}, beta={self.beta}, normalisation={self.normalisation!r}, "
            f"scale={self.scale}"
        )

    def _prepare(self, embeddings: Tensor) -> Tensor:
        wide = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        return F.normalize(wide, eps=SMALLEST_NORM) if self.normalisation == "unit" else wide

    def _pair_losses(self, distance: Tensor, same: Tensor) -> Tensor:
        """Return each pair's loss, N×M: K is 0 or 1, so each has a closed form of U alone."""
        log_u = -self.beta * distance
        u = log_u.exp()
        # Never log(u): it is -βd, finite where u is 0 already.
        u_from_same = u * (math.log(self.alpha) + log_u - torch.log1p((self.alpha - 1) * u))
        same_from_u = math.log(self.alpha) - torch.log((self.alpha - 1) + u)
        other = u * math.log(self.alpha / (self.alpha - 1))
        return torch.where(same, u_from_same + same_from_u, other)


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Return Euclidean distances, N×M.

    By differences: |a|² + |b|² - 2ab loses near-duplicates, originals and their copies above all,
    in rounding. The gradient at distance 0 is 0.
    """
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


def _same(pids: Tensor, others: Tensor) -> Tensor:
    return pids[:, None] == others[None, :]


def _other(pairs: Tensor, first: int) -> Tensor:
    """Return bool N×M, False where row and column are one image."""
    row, column = (torch.arange(size, device=pairs.device) for size in pairs.shape)
    return (row + first)[:, None] != column[None, :]
