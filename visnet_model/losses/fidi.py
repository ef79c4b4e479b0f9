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

from visnet_model.losses.ranks import GlobalBatch

SMALLEST_NORM = 1e-6
"""Shorter embeddings are not scaled to unit norm, so that gradients stay finite."""


class FidiLoss(nn.Module):
    """FIDI: pull images of one identity together and push others apart (paper II-E2).

    ``L = D(U‖K) + D(K‖U)`` with ``D(P‖Q) = Σ p·log(α·p / ((α−1)·p + q))``, averaged over the
    ordered pairs i ≠ j. ``K_ij`` is 1 for two images of one identity and 0 otherwise,
    ``U_ij = exp(−β·d_ij)``, and ``d`` is ``scale`` times the Euclidean distance of the embeddings.

    Normalisation and scale decide whether the loss has a gradient. Batch-normalised embeddings of
    2048 features are 64 apart, where U is 1e-14: the loss is 3.04 times the fraction of positive
    pairs (0.145 for 4 images per identity in 64, 0.353 for 12 in 96) and its gradient vanishes, as
    in the published training log. Unit-norm embeddings and scale 4 were chosen by the norm of the
    gradient relative to that of the identity loss, over the weights of a ResNet18, on 96 real crops
    (8 identities):

    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======
    distance            unit                                                   none
    scale               1      2       4       6       8       16      64      1         0.044
    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======
    at random weights   0.010  0.013   0.012   0.008   0.004   8e-5    6e-13   8e-6      0.046
    40 steps later      0.020  0.031   0.039   0.035   0.024   2e-3    1e-8    2e-4      0.030
    ==================  =====  ======  ======  ======  ======  ======  ======  ========  =======

    0.044 is 1/√512, at which that network's embeddings have unit length on average. Its larger
    gradient at first changes the lengths of the embeddings, which the evaluation ignores. The ratio
    grows as the identity loss falls. Small as it is, it matters: after 1,000 steps on 7,528 real
    crops and their copies (ResNet18, 128×64, one seed; docs/results.md), scale 4 reached mAP 43.8
    %, scale 8 38.2 %, no FIDI 37.8 %, and a fixed weight of 20 instead of dynamic weights 41.0 %.

    Args:
        alpha: α > 1. It bounds the loss of a pair by ``log(α / (α−1))``, 3.04 by default.
        beta: β > 0, how fast similarity falls with distance.
        normalisation: ``unit`` compares directions, as the evaluation does; ``none`` compares the
            embeddings as they are.
        scale: Factor of the distance, > 0.

    Raises:
        ValueError: An argument is out of its range.

    Examples:
        >>> import torch
        >>> from visnet_model import FidiLoss
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], requires_grad=True)
        >>> pids = torch.tensor([7, 7, 8])
        >>> loss = FidiLoss()(embeddings, pids)
        >>> round(loss.item(), 2)
        0.5
        >>> loss.backward()
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

    def forward(
        self, embeddings: Tensor, pids: Tensor, global_batch: GlobalBatch | None = None
    ) -> Tensor:
        """Return the mean loss of the pairs of these images with all others in the batch.

        With ``global_batch``, rows are the images of this rank and columns those of all ranks. If
        all ranks have N images, the mean over ranks, of losses and of gradients, equals that of a
        single process with the global batch.

        Args:
            embeddings: N×D, any floating dtype; computed in fp32 (fp64 for fp64), also under
                autocast.
            pids: N identities, integers.
            global_batch: The batch of all ranks, if there are several.

        Returns:
            Scalar; 0 with a gradient of 0 if there is no pair.
        """
        if global_batch is None:
            global_batch = GlobalBatch(embeddings.detach(), pids, 0)
        with torch.autocast(embeddings.device.type, enabled=False):
            # The loss of a pair is symmetric, so an embedding has the same gradient as a row and as
            # a column. Columns carry none, which would have to travel between ranks; rows carry it
            # twice.
            rows = self._prepare(embeddings)
            rows = rows + (rows - rows.detach())
            distance = _distances(rows, self._prepare(global_batch.embeddings.detach()))
            losses = self._pair_losses(self.scale * distance, _same(pids, global_batch.pids))
            pairs = len(pids) * (len(global_batch.pids) - 1)
            return (losses * _other(losses, global_batch.first)).sum() / max(pairs, 1)

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
        """Return the loss of each pair, N×M: as K is 0 or 1, it is a function of U alone."""
        log_u = -self.beta * distance
        u = log_u.exp()
        # Not log(u): log_u is finite where u underflows to 0.
        u_from_same = u * (math.log(self.alpha) + log_u - torch.log1p((self.alpha - 1) * u))
        same_from_u = math.log(self.alpha) - torch.log((self.alpha - 1) + u)
        other = u * math.log(self.alpha / (self.alpha - 1))
        return torch.where(same, u_from_same + same_from_u, other)


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Return Euclidean distances, N×M.

    Computed from differences: |a|² + |b|² - 2ab loses the distances of near-duplicates, such as
    originals and their copies, to rounding. The gradient at distance 0 is 0.
    """
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


def _same(pids: Tensor, others: Tensor) -> Tensor:
    return pids[:, None] == others[None, :]


def _other(pairs: Tensor, first: int) -> Tensor:
    """Return bool N×M, False where row and column are the same image."""
    row, column = (torch.arange(size, device=pairs.device) for size in pairs.shape)
    return (row + first)[:, None] != column[None, :]
