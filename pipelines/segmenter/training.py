"""The training loop of the person segmenter: batches of composites, AdamW, an averaged copy."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from pipelines.segmenter.composites import Sources, compose
from pipelines.segmenter.judging import judge
from pipelines.segmenter.loss import PersonLoss
from pipelines.segmenter.sources import MaskedCrops
from visnet_aug.hardware import computes_in_bf16

log = logging.getLogger("train_person_segmenter")
WARM_UP_STEPS = 300
AVERAGE_DECAY = 0.9985
JUDGE_EVERY_STEPS = 1000


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps.
        batch: Samples a step.
        learning_rate: AdamW's peak rate; rises over ``WARM_UP_STEPS``, then falls as a cosine.
        weight_decay: AdamW's, on weights of convolutions only.
        seed: Of the samples and of the initial weights.
    """

    steps: int
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0


def build_network(architecture: dict[str, Any]) -> nn.Module:
    """Build the untrained network that ``architecture`` (an Ultralytics model YAML) describes."""
    from ultralytics.nn.tasks import SegmentationModel

    network: nn.Module = SegmentationModel(copy.deepcopy(architecture), verbose=False)
    return network.to(memory_format=torch.channels_last)


class _Batches(IterableDataset[dict[str, Tensor]]):
    """Batches from ``first`` to ``last``; batch t depends on the seed and t alone."""

    def __init__(self, sources: Sources, settings: TrainingSettings, first: int) -> None:
        self._sources, self._settings, self._first = sources, settings, first

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        cv2.setNumThreads(1)
        for step in range(self._first, self._settings.steps):
            yield self._batch(np.random.default_rng((self._settings.seed, step)))

    def _batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        samples = [compose(rng, self._sources) for _ in range(self._settings.batch)]
        owners = [i for i, sample in enumerate(samples) for _ in sample.masks]
        masks = [mask for sample in samples for mask in sample.masks]
        return {
            "images": torch.from_numpy(np.stack([s.image for s in samples])),
            "masks": torch.from_numpy(np.stack(masks).astype(np.uint8)),
            "bboxes": torch.tensor([box_of(mask) for mask in masks], dtype=torch.float32),
            "batch_idx": torch.tensor(owners),
            "cls": torch.zeros(len(owners)),
        }


def box_of(mask: np.ndarray[Any, Any]) -> tuple[float, float, float, float]:
    """Return the mask's bounding box as centre x, centre y, width, height in 0-1."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = mask.shape
    return (
        float(left + right) / 2 / width,
        float(top + bottom) / 2 / height,
        float(right - left) / width,
        float(bottom - top) / height,
    )


def train(
    architecture: dict[str, Any],
    sources: Sources,
    held_out: MaskedCrops,
    settings: TrainingSettings,
    out: Path,
    start: Path | None = None,
) -> nn.Module:
    """Train, judging on ``held_out`` as it goes; return the averaged network.

    A run that was cut off goes on from ``out/last.pt``.

    Args:
        architecture: Ultralytics model YAML, with our ``input: [height, width]``.
        sources: What samples are made of.
        held_out: Masked crops of identities not among the sources.
        settings: Length, rate, seed.
        out: Folder for the checkpoint and ``metrics.jsonl``.
        start: Averaged weights of an earlier run to begin from.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "architecture.yaml").write_text(yaml.safe_dump(architecture, sort_keys=False))
    torch.manual_seed(settings.seed)
    run = _Run(build_network(architecture), settings, out, start)
    size = tuple(architecture["input"])
    loader = DataLoader(
        _Batches(sources, settings, run.step),
        batch_size=None,
        num_workers=1,
        prefetch_factor=8,
        multiprocessing_context="spawn",  # OpenCV's threads do not survive a fork
    )
    began = time.monotonic()
    parts_sum: dict[str, float] = {}
    for batch in loader:
        parts = run.advance(batch, size)
        parts_sum = {k: parts_sum.get(k, 0.0) + float(v.detach()) for k, v in parts.items()}
        if run.step % 100 == 0:
            rate = 100 * settings.batch / (time.monotonic() - began)
            run.log({k: round(v / 100, 4) for k, v in parts_sum.items()}, per_second=round(rate))
            began, parts_sum = time.monotonic(), {}
        if run.step % JUDGE_EVERY_STEPS == 0 or run.step == settings.steps:
            run.log(judge(run.average, size, held_out).as_dict())
            run.save()
            began = time.monotonic()
    return run.average


class _Run:
    """Everything that a cut-off run needs to go on, and the step itself."""

    def __init__(
        self, network: nn.Module, settings: TrainingSettings, out: Path, start: Path | None
    ) -> None:
        self._network, self._settings, self._out = network, settings, out
        if start is not None:
            network.load_state_dict(torch.load(start, weights_only=True)["average"])
        self.average = copy.deepcopy(network).eval()
        decayed = [p for p in network.parameters() if p.ndim > 1 and p.requires_grad]
        plain = [p for p in network.parameters() if p.ndim <= 1 and p.requires_grad]
        groups = [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self._loss = PersonLoss(network)
        self._bf16 = computes_in_bf16(torch.device("cpu"))
        self.step = 0
        if (out / "last.pt").exists():
            self._load(torch.load(out / "last.pt", weights_only=True))

    def advance(self, batch: dict[str, Tensor], size: tuple[int, ...]) -> dict[str, Tensor]:
        """Take one step and return the parts of the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        images = batch["images"].permute(0, 3, 1, 2).float() / 255
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear")
        self._network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            predictions = self._network(images.to(memory_format=torch.channels_last))
        generator = torch.Generator().manual_seed(self._settings.seed << 32 | self.step)
        parts = self._loss(predictions, batch, generator)
        total = torch.stack(list(parts.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {self.step}: loss {parts}")
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        nn.utils.clip_grad_norm_(self._network.parameters(), 10.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        return parts

    def _rate(self) -> float:
        """Linear warm-up, then half a cosine to a hundredth of the peak."""
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        cosine = 0.5 * (1 + np.cos(np.pi * self.step / self._settings.steps))
        return float(self._settings.learning_rate * warm * (0.01 + 0.99 * cosine))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged copy towards the network."""
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        new = self._network.state_dict()
        for name, old in self.average.state_dict().items():
            if old.is_floating_point():
                old.lerp_(new[name], 1 - decay)
            else:
                old.copy_(new[name])

    def log(self, values: dict[str, float], **more: float) -> None:
        """Append a line to ``metrics.jsonl`` and print it."""
        line = json.dumps({"step": self.step, **values, **more})
        with (self._out / "metrics.jsonl").open("a") as stream:
            stream.write(line + "\n")
        log.info("%s", line)

    def save(self) -> None:
        """Write ``last.pt`` under a temporary name, then rename."""
        part = self._out / "last.pt.part"
        torch.save(
            {
                "step": self.step,
                "network": self._network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self._optimiser.state_dict(),
            },
            part,
        )
        part.replace(self._out / "last.pt")

    def _load(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
