"""The training loop of the person segmenter: batches of composites, AdamW, an averaged copy."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pipelines.segmenter.composites import Sources, compose
from pipelines.segmenter.judging import judge
from pipelines.segmenter.loss import PersonLoss
from pipelines.segmenter.pictures import U8, box_of
from pipelines.segmenter.sources import MaskedImages
from pipelines.segmenter.starting import start_from
from visnet_aug.hardware import computes_in_bf16

log = logging.getLogger("train_person_segmenter")
WARM_UP_STEPS = 200
AVERAGE_DECAY = 0.998
LOG_EVERY_STEPS = 50
JUDGE_EVERY_STEPS = 250
OUTLINE_WEIGHT, OUTLINE_REACH = 3, 3
"""Pixels this near to an outline count this much: what lies far inside or outside is easy."""

START_IMAGES = 128
"""Images over which starting weights are fitted to the network."""


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps.
        batch: Samples a step.
        learning_rate: AdamW's peak rate; rises over ``WARM_UP_STEPS``, then falls as a cosine.
        weight_decay: AdamW's, on weights of convolutions only.
        seed: Of the samples and of the initial weights.
        workers: Processes that compose samples. The samples do not depend on their number.
        device: The torch device that trains.
    """

    steps: int
    batch: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0
    workers: int = 1
    device: str = "cpu"


def build_network(architecture: dict[str, Any]) -> nn.Module:
    """Build the untrained network that ``architecture`` (an Ultralytics model YAML) describes."""
    from ultralytics.nn.tasks import SegmentationModel

    network: nn.Module = SegmentationModel(copy.deepcopy(architecture), verbose=False)
    return network.to(memory_format=torch.channels_last)


class _Batches(IterableDataset[dict[str, Tensor]]):
    """Batches from ``first`` up to ``last``; batch t depends on the seed and t alone."""

    def __init__(self, sources: Sources, settings: TrainingSettings, first: int, last: int) -> None:
        self._sources, self._settings, self._first, self._last = sources, settings, first, last

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        own, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in range(self._first + own, self._last, workers):
            yield self._batch(np.random.default_rng((self._settings.seed, step)))

    def _batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        samples = [compose(rng, self._sources) for _ in range(self._settings.batch)]
        owners = [i for i, sample in enumerate(samples) for _ in sample.opacity]
        pairs = [pair for s in samples for pair in zip(s.opacity, s.known, strict=True)]
        opacity = np.stack([opacity for opacity, _ in pairs])
        return {
            "images": torch.from_numpy(np.stack([s.image for s in samples])),
            "opacity": torch.from_numpy(opacity),
            "weight": torch.from_numpy(np.stack([pixel_weight(*pair) for pair in pairs])),
            "bboxes": torch.tensor([relative_box(one) for one in opacity], dtype=torch.float32),
            "batch_idx": torch.tensor(owners),
            "cls": torch.zeros(len(owners)),
        }


def pixel_weight(opacity: U8, known: U8) -> U8:
    """Return how much each pixel counts: 0 where unknown, more near the outline than elsewhere."""
    side = 2 * OUTLINE_REACH + 1
    near = cv2.blur(np.where(opacity > 127, 255, 0).astype(np.uint8), (side, side))
    weight = np.where((near > 0) & (near < 255), OUTLINE_WEIGHT, 1)
    return np.where(known > 250, weight, 0).astype(np.uint8)


def relative_box(opacity: U8) -> tuple[float, float, float, float]:
    """Return a person's bounding box as centre x, centre y, width, height in 0-1."""
    x0, y0, x1, y1 = box_of(opacity)
    height, width = opacity.shape
    return (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height


def load_batches(
    sources: Sources, settings: TrainingSettings, first: int
) -> DataLoader[dict[str, Tensor]]:
    """Compose the batches from ``first`` to the last step, in ``settings.workers`` processes."""
    return DataLoader(
        _Batches(sources, settings, first, settings.steps),
        batch_size=None,
        num_workers=settings.workers,
        prefetch_factor=8,
        multiprocessing_context="fork",  # shares the sources, a gigabyte
        pin_memory=settings.device != "cpu",
    )


def train(
    architecture: dict[str, Any],
    sources: Sources,
    held_out: MaskedImages,
    settings: TrainingSettings,
    out: Path,
    *,
    start: Path | None = None,
) -> nn.Module:
    """Train, judging on ``held_out`` as it goes; return the averaged network.

    A run that was cut off goes on from ``out/last.pt``.

    Args:
        architecture: Ultralytics model YAML, with our ``input: [height, width]``.
        sources: What samples are made of.
        held_out: Masked crops of people who are not among the sources.
        settings: Length, rate, seed.
        out: Folder for the checkpoint and ``metrics.jsonl``.
        start: Weights of another network to begin from, wherever layers agree.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "architecture.yaml").write_text(yaml.safe_dump(architecture, sort_keys=False))
    torch.manual_seed(settings.seed)
    network = build_network(architecture)
    if start is not None and not (out / "last.pt").exists():
        rng = np.random.default_rng(settings.seed)
        images = np.stack([compose(rng, sources).image for _ in range(START_IMAGES)])
        log.info("%d layers from %s", start_from(network, start, _pixels(images)), start)
    run = _Run(network, settings, out)
    size = (architecture["input"][0], architecture["input"][1])
    began = time.monotonic()
    recent: list[dict[str, Tensor]] = []
    for batch in load_batches(sources, settings, run.step):
        recent.append(run.advance(batch))
        if run.step % LOG_EVERY_STEPS == 0:
            means = {k: float(torch.stack([one[k] for one in recent]).mean()) for k in recent[0]}
            if not all(map(math.isfinite, means.values())):
                raise FloatingPointError(f"step {run.step}: loss {means}")
            rate = len(recent) * settings.batch / (time.monotonic() - began)
            run.log({k: round(v, 4) for k, v in means.items()}, per_second=round(rate))
            began, recent = time.monotonic(), []
        if run.step % JUDGE_EVERY_STEPS == 0 or run.step == settings.steps:
            run.save()
            run.log(judge(run.average, size, held_out, settings.device).as_dict())
            began = time.monotonic()
    return run.average


def _pixels(images: Any) -> Tensor:
    """Turn uint8 images (N,H,W,3) into what the network takes."""
    return torch.as_tensor(images).permute(0, 3, 1, 2).float() / 255


class _Run:
    """Everything that a cut-off run needs to go on, and the step itself."""

    def __init__(self, network: nn.Module, settings: TrainingSettings, out: Path) -> None:
        network.to(settings.device)
        self._network, self._settings, self._out = network, settings, out
        self.average = copy.deepcopy(network).eval()
        decayed = [p for p in network.parameters() if p.ndim > 1 and p.requires_grad]
        plain = [p for p in network.parameters() if p.ndim <= 1 and p.requires_grad]
        groups = [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self._loss = PersonLoss(network)
        self.step = 0
        if (out / "last.pt").exists():
            state = torch.load(out / "last.pt", weights_only=True, map_location=settings.device)
            self._load(state)

    def advance(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take one step and return the parts of the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        device = torch.device(self._settings.device)
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        images = _pixels(batch["images"])
        self._network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bf16(device)):
            predictions = self._network(images.to(memory_format=torch.channels_last))
        generator = torch.Generator().manual_seed(self._settings.seed << 32 | self.step)
        parts = self._loss(predictions, batch, generator)
        total = torch.stack(list(parts.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        nn.utils.clip_grad_norm_(self._network.parameters(), 10.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        return {name: part.detach() for name, part in parts.items()}

    def _rate(self) -> float:
        """Linear warm-up, then half a cosine to a hundredth of the peak."""
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        cosine = 0.5 * (1 + np.cos(np.pi * self.step / self._settings.steps))
        return float(self._settings.learning_rate * warm * (0.01 + 0.99 * cosine))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged copy towards the network."""
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self._network.state_dict().values(), self._followers(), strict=True))
        moving = [(new, old) for new, old in pairs if old.is_floating_point()]
        torch._foreach_lerp_([old for _, old in moving], [new for new, _ in moving], 1 - decay)
        for new, old in pairs:
            if not old.is_floating_point():
                old.copy_(new)

    def _followers(self) -> list[Tensor]:
        return list(self.average.state_dict().values())

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
