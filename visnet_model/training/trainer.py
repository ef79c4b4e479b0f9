"""The training loop: steps, epochs, and all state that a checkpoint needs.

No random state is kept between steps: batches, augmentation and dropout are drawn anew from (seed,
epoch, step, rank). So parameters, Adam's moments and the last loss values are the whole state, and
a resumed training equals an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from visnet_model.config import TrainConfig
from visnet_model.data.loader import Batch, TrainingLoader
from visnet_model.network.visnet import TrainingOutputs, VisNet
from visnet_model.network.weights import load_backbone
from visnet_model.precision import autocast
from visnet_model.training.distributed import Ranks
from visnet_model.training.objective import Objective
from visnet_model.training.schedule import learning_rate, total_steps


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The numbers of a step, as tensors on its device that the host has not waited for.

    Attributes:
        number: The step, from 1 over all epochs.
        epoch: The epoch, from 0.
        learning_rate: The learning rate.
        losses: Value of each loss, mean over ranks.
        weights: Weight of each loss.
        loss: The weighted sum over this rank's images.
        accuracy: Fraction of this rank's images that the classifier assigns to their identity.
        gradient_norm: Norm of the gradient before clipping.
        indices: Rows of the training table in this rank's part of the batch.
    """

    number: int
    epoch: int
    learning_rate: float
    losses: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    loss: Tensor
    accuracy: Tensor
    gradient_norm: Tensor
    indices: npt.NDArray[np.int64]


class Trainer:
    """A network in training.

    Args:
        config: What to train.
        loader: The batches.
        pids: Identities in the order of labels.
        ranks: This process among those that train together.
        fresh: Whether to load the initial weights of ``config``; not needed if a state is restored.

    Attributes:
        network: The network, without the wrappers of distribution and compilation.
        init: Description of the initial weights, for the log.
        epoch: The current epoch, from 0.
        batch: The next batch of the epoch, from 0.
        step: Number of finished steps.
        steps: Number of steps in total.
        results: Evaluations so far, oldest first, in plain types.
    """

    def __init__(
        self,
        config: TrainConfig,
        loader: TrainingLoader,
        pids: Sequence[int],
        ranks: Ranks,
        *,
        fresh: bool = True,
    ) -> None:
        self._config = config
        self._loader = loader
        self._ranks = ranks
        self._pids = tuple(int(pid) for pid in pids)
        self.network, self.init = _build_network(config, len(self._pids), ranks.device, fresh)
        self._objective = Objective(config.losses)
        wrapped = ranks.wrap(self.network, all_used=len(self._objective.names) == 3)
        self._model: Any = torch.compile(wrapped) if config.optimisation.compile else wrapped
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.Adam(
            self._parameters,
            lr=config.optimisation.learning_rate,
            weight_decay=config.optimisation.weight_decay,
        )
        self.epoch = self.batch = self.step = 0
        self.steps = total_steps(config.optimisation, len(loader))
        self.results: list[dict[str, Any]] = []

    @property
    def finished(self) -> bool:
        """Whether all steps are finished."""
        return self.step >= self.steps

    def run_epoch(self, on_step: Callable[[Step], None], stop: Callable[[], bool]) -> bool:
        """Train to the end of the epoch, or of the training.

        Args:
            on_step: Called after each step.
            stop: Called after each step: whether to stop; it must be the same on all ranks.

        Returns:
            Whether the end was reached. After ``stop``, the next call continues the epoch.
        """
        self._model.train()
        for batch in self._loader.epoch(self.epoch, start=self.batch):
            on_step(self._take_step(batch))
            if self.batch == len(self._loader):
                self.epoch, self.batch = self.epoch + 1, 0
            if self.finished or self.batch == 0:
                return True
            if stop():
                return False
        raise AssertionError("the loader ended before its length")

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, in plain types and tensors."""
        return {
            "config": self._config.model_dump(mode="json"),
            "pids": list(self._pids),
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "weighting": self._objective.weighting.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "results": self.results,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume exactly where a state was taken, with the same config and images."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._objective.weighting.load_state_dict(state["weighting"])
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        self.results = list(state["results"])

    def _take_step(self, batch: Batch) -> Step:
        """Take one step of the optimiser."""
        settings = self._config.optimisation
        rate = learning_rate(settings, self.step, len(self._loader))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        _seed_dropout(self._config.seed, self.step, self._ranks.rank)

        with autocast(self._ranks.device, settings.precision):
            outputs: TrainingOutputs = self._model(batch.images)
        total = self._objective(outputs, batch.labels)
        self._optimiser.zero_grad(set_to_none=True)
        total.loss.backward()
        limit = settings.clip if settings.clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(self._parameters, limit)
        self._optimiser.step()

        step = Step(
            number=self.step + 1,
            epoch=self.epoch,
            learning_rate=rate,
            losses=total.values,
            weights=total.weights,
            loss=total.loss.detach(),
            accuracy=(outputs.logits.argmax(dim=1) == batch.labels).float().mean(),
            gradient_norm=norm,
            indices=batch.indices,
        )
        self.step += 1
        self.batch += 1
        return step


def _build_network(
    config: TrainConfig, identities: int, device: torch.device, fresh: bool
) -> tuple[VisNet, str]:
    """Return the network of a config, and a description of its initial weights."""
    torch.manual_seed(config.seed)
    settings = config.network
    network = VisNet(identities, backbone=settings.backbone, dropout=settings.dropout)
    origin = f"random, seed {config.seed}"
    if not fresh:
        origin = "from the checkpoint"
    elif settings.init != "random":
        origin = load_backbone(network.backbone, settings.init)
    return network.to(device).to(memory_format=torch.channels_last), origin


def _seed_dropout(seed: int, step: int, rank: int) -> None:
    """Seed torch for a step, differently for each step and rank."""
    words = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]) >> 1)
