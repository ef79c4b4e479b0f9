"""The log of a run: ``metrics.jsonl``, TensorBoard, and the check that losses are finite.

Losses are read on the host once per `INTERVAL` steps, so that the host does not wait for the GPU in
each step. A line of ``metrics.jsonl`` is a JSON object whose ``kind`` is ``steps`` (means over the
steps since the line before) or ``evaluation``.
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
from visnet_model.training.objective import check_finite
from visnet_model.training.trainer import Step

INTERVAL = 10
"""Steps per line."""

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"

Record = Mapping[str, Any]


class Log(Protocol):
    """A file that records are written to."""

    def write(self, record: Record) -> None:
        """Write a record."""

    def close(self) -> None:
        """Close the file."""


class StepLog:
    """Collects steps, and writes a record for every `INTERVAL` of them.

    Args:
        logs: Files to write to; none on ranks other than 0.
        name_of: Returns the name of a row of the training table.
    """

    def __init__(self, logs: Sequence[Log], name_of: Callable[[int], str]) -> None:
        self._logs = logs
        self._name_of = name_of
        self._pending: list[Step] = []
        self._since = time.perf_counter()

    def add(self, step: Step) -> Record | None:
        """Add a step.

        Returns:
            The record that it completes, if any.

        Raises:
            NonFiniteLossError: A loss is infinite or NaN in a step since the last record.
        """
        self._pending.append(step)
        return self.flush() if step.number % INTERVAL == 0 else None

    def check(self) -> None:
        """Check the pending steps without writing a record; call it before weights are saved.

        Raises:
            NonFiniteLossError: As in `add`.
        """
        if self._pending:
            self._check(self._pending, _on_host(self._pending))

    def flush(self) -> Record | None:
        """Write a record of the pending steps, if there are any; call it at the end.

        Raises:
            NonFiniteLossError: As in `add`.
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
        """Write the record of an evaluation."""
        self._write({"kind": "evaluation", **record})
        self._since = time.perf_counter()  # evaluations do not count as training time

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs:
            log.close()

    def _check(self, steps: Sequence[Step], values: Mapping[str, npt.NDArray[np.float64]]) -> None:
        for place, step in enumerate(steps):
            # A gradient that is not finite spoils the weights one step before the losses show it.
            parts = {**step.losses, "gradient_norm": step.gradient_norm}
            if not all(np.isfinite(values[name][place]) for name in parts):
                names = [self._name_of(int(index)) for index in step.indices]
                check_finite(parts, step.number, names)

    def _write(self, record: Record) -> None:
        for log in self._logs:
            log.write(record)


class MetricsFile:
    """``metrics.jsonl``: one line per record, flushed immediately.

    Args:
        path: The file. Records of steps after ``step`` are removed: those that a killed run wrote
            after its last checkpoint, from which it is resumed.
        step: Number of finished steps.
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
    """Records as scalars for TensorBoard; needs the package ``tensorboard``.

    Args:
        folder: Folder for the event files.
        step: Number of finished steps; TensorBoard hides what an earlier run wrote after it.

    Raises:
        ImportError: The package is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, record: Record) -> None:
        """Add the numbers of a record as ``kind/name``."""
        for name, value in record.items():
            if name not in ("kind", "step"):
                tag = f"{record['kind']}/{name}"
                self._writer.add_scalar(tag, value, record["step"])

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``, without an incomplete last line; empty if it does not exist."""
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines]


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"


def _on_host(steps: Sequence[Step]) -> dict[str, npt.NDArray[np.float64]]:
    """Read the numbers of some steps, waiting once for their device: from name to one per step."""
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
