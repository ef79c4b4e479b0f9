"""What a run writes about itself: ``metrics.jsonl``, TensorBoard, and the stop where a loss is nan.

Losses are read on the host once in `INTERVAL` steps, so that a GPU is not waited for at each. A
line of ``metrics.jsonl`` is one JSON object: ``kind`` is ``steps`` (means over the steps since the
line before) or ``evaluation``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from visnet_aug.files import write_file
from visnet_model.losses.total import check_finite
from visnet_model.training.trainer import Step

INTERVAL = 10
"""Steps to a line."""

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"

Record = Mapping[str, Any]


class Log(Protocol):
    """Where records go."""

    def write(self, record: Record) -> None:
        """Take one record."""

    def close(self) -> None:
        """Take no more."""


class StepLog:
    """Collects steps, and makes a record of each `INTERVAL` of them.

    Args:
        logs: Where records go; none on ranks other than the first.
        name_of: The name of a row of the training table.
    """

    def __init__(self, logs: Sequence[Log], name_of: Callable[[int], str]) -> None:
        self._logs = logs
        self._name_of = name_of
        self._pending: list[Step] = []
        self._since = time.perf_counter()

    def add(self, step: Step) -> Record | None:
        """Take a step.

        Returns:
            The record that it completes, if it does.

        Raises:
            NonFiniteLossError: A loss of this step, or of one since the last record, is infinite
                or not a number.
        """
        self._pending.append(step)
        return self.flush() if step.number % INTERVAL == 0 else None

    def check(self) -> None:
        """Look at what is pending without a record of it; call it before weights are kept.

        Raises:
            NonFiniteLossError: As `add`.
        """
        if self._pending:
            self._check(self._pending, _on_host(self._pending))

    def flush(self) -> Record | None:
        """Make a record of what is pending, if anything is; call it at the end.

        Raises:
            NonFiniteLossError: As `add`.
        """
        if not self._pending:
            return None
        steps, self._pending = self._pending, []
        values = _on_host(steps)
        self._check(steps, values)
        seconds = time.perf_counter() - self._since
        record = {
            "kind": "steps",
            "step": steps[-1].number,
            "epoch": steps[-1].epoch,
            "learning_rate": steps[-1].learning_rate,
            **{name: float(column.mean()) for name, column in values.items()},
            "images_per_second": sum(len(step.indices) for step in steps) / seconds,
        }
        self._write(record)
        self._since = time.perf_counter()
        return record

    def evaluated(self, record: Record) -> None:
        """Take an evaluation's record."""
        self._write({"kind": "evaluation", **record})
        self._since = time.perf_counter()  # evaluating is no training time

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs:
            log.close()

    def _check(self, steps: Sequence[Step], values: Mapping[str, npt.NDArray[np.float64]]) -> None:
        for place, step in enumerate(steps):
            # A gradient that is not finite spoils the weights a step before the losses tell.
            parts = {**step.losses, "gradient_norm": step.gradient_norm}
            if not all(np.isfinite(values[name][place]) for name in parts):
                names = [self._name_of(int(index)) for index in step.indices]
                check_finite(parts, step.number, names)

    def _write(self, record: Record) -> None:
        for log in self._logs:
            log.write(record)


class MetricsFile:
    """``metrics.jsonl``: a line a record, on the disk as soon as it is written.

    Args:
        path: The file. Records of later steps than ``step`` are dropped from it: those of a run
            that was killed after its last checkpoint and is now gone on with.
        step: Steps done.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept = [record for record in read_metrics(path) if record["step"] <= step]
        write_file(path, "".join(_line(record) for record in kept).encode())
        self._file = path.open("a", encoding="utf-8")

    def write(self, record: Record) -> None:
        """Append a record."""
        self._file.write(_line(record))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardFile:
    """Records as TensorBoard's scalars; needs the package ``tensorboard``.

    Args:
        folder: Where its event files go.
        step: Steps done; TensorBoard hides what an earlier run wrote after it.

    Raises:
        ImportError: The package is not there.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, record: Record) -> None:
        """Add a record's numbers as ``kind/name``."""
        for name, value in record.items():
            if name not in ("kind", "step"):
                tag = f"{record['kind']}/{name}"
                self._writer.add_scalar(tag, value, record["step"])

    def close(self) -> None:
        """Write out what is buffered."""
        self._writer.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``; nothing if it is not there. A torn last line is left out."""
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines]


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"


def _on_host(steps: Sequence[Step]) -> dict[str, npt.NDArray[np.float64]]:
    """Read the numbers of some steps with one wait for their device: name to one a step."""
    rows = [
        {
            **step.losses,
            **{f"weight_{name}": weight for name, weight in step.weights.items()},
            "loss": step.loss,
            "accuracy": step.accuracy,
            "gradient_norm": step.gradient_norm,
        }
        for step in steps
    ]
    table = torch.stack([torch.stack([v.float() for v in row.values()]) for row in rows])
    columns = table.double().cpu().numpy().T
    return dict(zip(rows[0], columns, strict=True))
