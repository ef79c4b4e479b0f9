"""Two steps of a training, run by test_distributed.py alone and by torchrun: manifest, then folder.

Batch normalisation stays in eval mode and there is no dropout, so every image is by itself and
only the losses and gradients can tell how many processes there are.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from visnet_model.config import TrainConfig
from visnet_model.data.images import MemoryImages
from visnet_model.data.loader import TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.table import identity_labels, read_tables
from visnet_model.training.distributed import join
from visnet_model.training.trainer import Step, Trainer


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    """Replace ``train``: the module stays in eval mode."""
    return module


manifest, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
config = TrainConfig.model_validate(
    {
        "network": {"backbone": "resnet18", "dropout": 0.0},
        "data": {"height": 32, "width": 32, "identities": 4, "num_instances": 2},
        "losses": {"weighting": "fixed", "weights": {"identity": 1.0, "fidi": 20.0}},
        "optimisation": {"steps": 2, "precision": "fp32"},
    }
)
with join(torch.device("cpu")) as ranks:
    table = read_tables(manifest)["train"]
    labels, pids = identity_labels(table.pids)
    loader = TrainingLoader(
        MemoryImages.load(table, 32, 32),
        labels,
        PKSampler(labels, table.sources, identities=4, num_instances=2),
        config.data.augmentation,
        rank=ranks.rank,
        world=ranks.world,
    )
    trainer = Trainer(config, loader, pids.tolist(), ranks)
    for module in trainer.network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
            module.train = partial(_stay, module)  # type: ignore[assignment, method-assign]
    steps: list[Step] = []
    trainer.run_epoch(steps.append, lambda: False)
    result = {
        "losses": [{name: float(loss) for name, loss in step.losses.items()} for step in steps],
        "norms": [float(step.gradient_norm) for step in steps],
        "images": [step.indices.tolist() for step in steps],
        "network": trainer.network.state_dict(),
        "stopped": ranks.any(ranks.rank == ranks.world - 1),
    }
    torch.save(result, out / f"{ranks.rank}.pt")
    ranks.wait()
