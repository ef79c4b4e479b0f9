"""What a loss must know of the other ranks, so that several processes train as one would.

Every rank holds an equal slice of the global batch, as the sampler gives it, and
DistributedDataParallel averages gradients over ranks. A loss that is a mean over samples needs
nothing more; one over pairs of samples, and weights made from loss values, need what is here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Everyone:
    """The global batch as one rank sees it.

    Attributes:
        embeddings: M×C, of all ranks in their order; without gradient.
        pids: M, their identities.
        first: Index of this rank's first sample among them.
    """

    embeddings: Tensor
    pids: Tensor
    first: int


def gather_everyone(embeddings: Tensor, pids: Tensor) -> Everyone:
    """Collect the global batch; without a process group it is the batch itself.

    Args:
        embeddings: N×C of this rank, the same N on all.
        pids: N, their identities.

    Returns:
        The global batch, in the order of ranks.
    """
    if _ranks() == 1:
        return Everyone(embeddings.detach(), pids, 0)
    return Everyone(_gather(embeddings), _gather(pids), dist.get_rank() * len(pids))


def mean_over_ranks(values: Tensor) -> Tensor:
    """Average a tensor over ranks, without gradient; on a GPU this does not wait for the host."""
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
