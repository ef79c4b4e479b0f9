"""One of several processes under ``torchrun``, or the only one.

Every rank takes its part of each batch. DistributedDataParallel averages gradients, and the
pairwise loss sees the whole batch (`losses.ranks`). Only rank 0 writes and evaluates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(hours=2)
"""How long ranks wait for each other; rank 0's evaluation can take long on a large gallery."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: This process, from 0.
        world: Number of processes.
        device: Device of this process.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes and evaluates."""
        return self.rank == 0

    def wrap(self, network: nn.Module, *, all_used: bool) -> nn.Module:
        """Make a network average its gradients over ranks.

        Args:
            network: On this rank's device.
            all_used: Whether every parameter gets a gradient; false if a loss is switched off.
        """
        if self.world == 1:
            return network
        on_gpu = self.device.type == "cuda"
        if on_gpu:  # same statistics as one process; gloo lacks the collectives for it
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(
            network,
            device_ids=[self.device.index] if on_gpu else None,
            find_unused_parameters=not all_used,
        )

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set on any rank; all ranks must call this."""
        if self.world == 1:
            return flag
        value = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(value)
        return bool(value > 0)

    def wait(self) -> None:
        """Wait for all ranks."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; without it, this is the only one.

    Args:
        device: Device to compute on; with several GPUs, ``torchrun`` chooses one per process.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
