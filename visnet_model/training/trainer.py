"""The training loop: batches to steps, steps to epochs; all state that a checkpoint needs.

Nothing random is kept from step to step: the batches, their augmentation and the dropout are drawn
anew from (seed, epoch, step, rank). Parameters, Adam's moments and the last loss values are
therefore the whole state, and a resumed training is the uninterrupted one.
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
    """What one step was, as tensors on its device that nobody has waited for yet.

    Attributes:
        number: From 1, over all epochs.
        epoch: From 0.
        learning_rate: As used.
        losses: Value of each loss that takes part, mean over ranks.
        weights: Weight of each.
        loss: Their weighted sum over this rank's samples.
        accuracy: Share of this rank's images whose identity the classifier gets right.
        gradient_norm: Before clipping.
        indices: Rows of the training table in this rank's batch.
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
        config: What to do.
        loader: Its batches.
        pids: Identities in the order of labels.
        ranks: Who this process is.
        fresh: Whether the weights are to be found that ``config`` starts from; not so if a state is
            restored anyway.

    Attributes:
        network: The network itself, without what distribution and compilation wrap around it.
        init: Where its weights come from, for the log.
        epoch: The epoch that comes next or is under way, from 0.
        batch: The batch of it that comes next, from 0.
        step: Steps done.
        steps: Steps to do in all.
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
        """Whether all steps are done."""
        return self.step >= self.steps

    def run_epoch(self, on_step: Callable[[Step], None], stop: Callable[[], bool]) -> bool:
        """Train to the end of the epoch, or of the training.

        Args:
            on_step: Called after each step.
            stop: Asked after each step whether to leave; all ranks must get the same answer.

        Returns:
            Whether the end was reached; after ``stop`` the same epoch goes on at its next batch.
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
        """Return all that a checkpoint needs of the training, in plain types and tensors."""
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
        """Go on exactly where a state was taken, with the same config and images."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._objective.weighting.load_state_dict(state["weighting"])
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        self.results = list(state["results"])

    def _take_step(self, batch: Batch) -> Step:
        """Go one step down."""
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
    """Make the network of a config, and say where its weights come from."""
    torch.manual_seed(config.seed)
    settings = config.network
    network = VisNet(identities, backbone=settings.backbone, dropout=settings.dropout)
    origin = f"random, seed {config.seed}"
    if not fresh:
        origin = "of the checkpoint"
    elif settings.init != "random":
        origin = load_backbone(network.backbone, settings.init)
    return network.to(device).to(memory_format=torch.channels_last), origin


def _seed_dropout(seed: int, step: int, rank: int) -> None:
    """Seed what torch draws in a step; no two steps or ranks draw the same."""
    words = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]) >> 1)
