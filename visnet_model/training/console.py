"""A training on the console: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from visnet_aug.progress import Advance, silent, stage
from visnet_model.data.table import ImageTable
from visnet_model.evaluation.complexity import count_parameters
from visnet_model.training.log import Record
from visnet_model.training.run import Observer, Run, TrainedRun
from visnet_model.training.trainer import Trainer

LINE_SECONDS = 15.0
"""Time between two lines where there is no bar."""


class ConsoleObserver(Observer):
    """Shows a run: its progress on the error stream, its evaluations on the output.

    It is a context manager, which removes the bar at the end.
    """

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True, markup=False)
        self._progress = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=self._progress,
            transient=True,
            disable=not self._progress.is_terminal,
        )
        self._task = self._bar.add_task("train", total=None)
        self._training = False
        self._line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Show a bar for the stage, except during the training, which has a bar already."""
        return silent(name) if self._training else stage(name)

    def began(self, trainer: Trainer, tables: Mapping[str, ImageTable], run: Run) -> None:
        """Print what is trained on which images, and start the bar."""
        table = tables["train"]
        copies = int(table.augmented.sum())
        self._out.print(
            f"{run.manifest}: {len(table):,} training images ({copies:,} of them copies) of "
            f"{len(np.unique(table.pids)):,} identities; {len(tables['query']):,} queries, "
            f"{len(tables['gallery']):,} gallery images"
        )
        self._out.print(
            f"VisNet with {run.config.network.backbone}, {count_parameters(trainer.network):,} "
            f"parameters, initial weights {trainer.init}; {trainer.steps:,} steps, to {run.out}"
        )
        if trainer.step:
            self._out.print(f"resuming after step {trainer.step:,}, epoch {trainer.epoch + 1}")
        self._bar.start()
        self._training = True

    def stepped(self, trainer: Trainer, record: Record | None) -> None:
        """Advance the bar, or print a line now and then."""
        self._bar.update(self._task, completed=trainer.step, total=trainer.steps)
        if record is None:
            return
        text = _progress_of(record)
        self._bar.update(self._task, description=text)
        if self._bar.disable and time.monotonic() - self._line > LINE_SECONDS:
            self._progress.print(f"step {trainer.step:>6,} of {trainer.steps:,}  {text}")
            self._line = time.monotonic()

    def evaluated(self, record: Record) -> None:
        """Print an evaluation."""
        ranks = "  ".join(f"Rank-{rank} {record[f'rank{rank}']:.2%}" for rank in (1, 5, 10))
        self._out.print(
            f"epoch {record['epoch']}, step {record['step']:,}:  mAP {record['mAP']:.2%}  {ranks}"
        )

    def noted(self, text: str) -> None:
        """Print a remark."""
        self._progress.print(text)

    def stopped(self, run: Run) -> None:
        """Print how to resume."""
        self._bar.stop()
        self._progress.print(f"stopped; resume with: visnet-train --resume {run.out}")

    def finished(self, trained: TrainedRun) -> None:
        """Print a summary."""
        self._bar.stop()
        self._out.print(
            f"{trained.out}: {len(trained.results)} evaluations, {trained.step:,} steps"
        )


def _progress_of(record: Record) -> str:
    losses = "  ".join(
        f"{name} {record[name]:.3f}" for name in ("identity", "fidi", "semantic") if name in record
    )
    return (
        f"epoch {record['epoch'] + 1}  {losses}  accuracy {record['accuracy']:.1%}  "
        f"{record['images_per_second']:,.0f} images/s"
    )
