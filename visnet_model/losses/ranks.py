"""The batch of all ranks, for losses that need more than their own part of it.

Every rank has an equal part of the batch, and DistributedDataParallel averages gradients over
ranks. This is all that a mean over images needs to train as a single process would. A mean over
pairs of images, and weights computed from loss values, need the functions here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class GlobalBatch:
    """The batch of all ranks, as one of them sees it.

    Attributes:
        embeddings: M×D, in the order of ranks, without gradient.
        pids: M identities.
        first: Index of this rank's first image.
    """

    embeddings: Tensor
    pids: Tensor
    first: int


def gather_batch(embeddings: Tensor, pids: Tensor) -> GlobalBatch:
    """Gather the batch of all ranks; without a process group, it is this batch.

    Args:
        embeddings: N×D of this rank; N is the same on all ranks.
        pids: N identities.
    """
    if _ranks() == 1:
        return GlobalBatch(embeddings.detach(), pids, 0)
    return GlobalBatch(_gather(embeddings), _gather(pids), dist.get_rank() * len(pids))


def mean_over_ranks(values: Tensor) -> Tensor:
    """Average a tensor over ranks, without gradient; on a GPU, the host does not wait for it."""
    values = values.detach().clone()
    if _ranks() > 1:
        dist.all_reduce(values)
        values /= _ranks()
    return values


def _ranks() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _gather(values: Tensor) -> Tensor:
    values = values.detach().contiguous()
    parts = [torch.empty_like(values) for _ in range(_ranks())]
    dist.all_gather(parts, values)
    return torch.cat(parts)
