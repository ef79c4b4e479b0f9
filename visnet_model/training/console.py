"""What people see of a training: one bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from visnet_aug.progress import Stage, stage
from visnet_model.data.table import ImageTable
from visnet_model.evaluation.evaluate import silent
from visnet_model.network.complexity import count_parameters
from visnet_model.training.log import Record
from visnet_model.training.run import Run
from visnet_model.training.trainer import Trainer

LINE_SECONDS = 15.0
"""Where there is no bar, so long between two lines."""


class ConsoleObserver:
    """Shows a run: its progress on the error stream, its evaluations on the output."""

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

    @property
    def stage(self) -> Stage:
        """Show a stage's own bar, but not in the middle of a training: there is one bar already."""
        return silent if self._training else stage

    def began(self, trainer: Trainer, tables: Mapping[str, ImageTable], run: Run) -> None:
        """Show what is trained on what, and start the bar."""
        table = tables["train"]
        copies = int(table.augmented.sum())
        self._out.print(
            f"{run.manifest}: {len(table):,} training images ({copies:,} with new backgrounds) of "
            f"{len(np.unique(table.pids)):,} identities; {len(tables['query']):,} queries, "
            f"{len(tables['gallery']):,} gallery images"
        )
        self._out.print(
            f"VisNet on {run.config.network.backbone}, {count_parameters(trainer.network):,} "
            f"parameters, weights {trainer.init}; {trainer.steps:,} steps to {run.out}"
        )
        if trainer.step:
            self._out.print(f"going on after step {trainer.step:,}, epoch {trainer.epoch + 1}")
        self._bar.start()
        self._training = True

    def stepped(self, trainer: Trainer, record: Record | None) -> None:
        """Move the bar; now and then say how it goes."""
        self._bar.update(self._task, completed=trainer.step, total=trainer.steps)
        if record is None:
            return
        text = _progress_of(record)
        self._bar.update(self._task, description=text)
        if self._bar.disable and time.monotonic() - self._line > LINE_SECONDS:
            self._progress.print(f"step {trainer.step:>6,} of {trainer.steps:,}  {text}")
            self._line = time.monotonic()

    def evaluated(self, record: Record) -> None:
        """Show an evaluation."""
        ranks = "  ".join(f"Rank-{rank} {record[f'rank{rank}']:.2%}" for rank in (1, 5, 10))
        self._out.print(
            f"epoch {record['epoch']}, step {record['step']:,}:  mAP {record['mAP']:.2%}  {ranks}"
        )

    def noted(self, text: str) -> None:
        """Show something else."""
        self._progress.print(text)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def _progress_of(record: Record) -> str:
    losses = "  ".join(
        f"{name} {record[name]:.3f}" for name in ("identity", "fidi", "semantic") if name in record
    )
    return (
        f"epoch {record['epoch'] + 1}  {losses}  accuracy {record['accuracy']:.1%}  "
        f"{record['images_per_second']:,.0f} images/s"
    )
