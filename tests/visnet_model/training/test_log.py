from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from visnet_model.training.curves import draw_curves
from visnet_model.training.log import (
    INTERVAL,
    MetricsFile,
    StepLog,
    TensorBoardFile,
    read_metrics,
)
from visnet_model.training.objective import NonFiniteLossError
from visnet_model.training.trainer import Step


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def write(self, record: Any) -> None:
        self.records.append(record)

    def close(self) -> None:
        pass


def step(number: int, identity: float = 2.0, fidi: float = 0.3) -> Step:
    return Step(
        number=number,
        epoch=number // 30,
        learning_rate=1e-3,
        losses={"identity": torch.tensor(identity), "fidi": torch.tensor(fidi)},
        weights={"identity": torch.tensor(0.6), "fidi": torch.tensor(0.4)},
        loss=torch.tensor(0.6 * identity + 0.4 * fidi),
        accuracy=torch.tensor(0.5),
        gradient_norm=torch.tensor(1.5),
        indices=np.array([number, number + 1]),
    )


def test_a_record_is_the_mean_of_its_steps() -> None:
    kept = Kept()
    log = StepLog([kept], str)
    records = [log.add(step(number, identity=float(number))) for number in range(1, INTERVAL + 1)]
    assert records[:-1] == [None] * (INTERVAL - 1)
    assert [records[-1]] == kept.records
    record = kept.records[0]
    assert (record["kind"], record["step"], record["epoch"]) == ("steps", INTERVAL, 0)
    assert record["identity"] == pytest.approx((INTERVAL + 1) / 2)
    assert record["weight_fidi"] == pytest.approx(0.4)
    assert (record["accuracy"], record["gradient_norm"]) == (0.5, 1.5)


def test_what_is_pending_is_written_when_asked_for() -> None:
    kept = Kept()
    log = StepLog([kept], str)
    log.add(step(1))
    assert log.flush() is not None
    assert log.flush() is None
    assert [record["step"] for record in kept.records] == [1]


def test_checking_finds_what_is_pending_and_keeps_it() -> None:
    kept = Kept()
    log = StepLog([kept], str)
    log.add(step(1))
    log.check()
    log.add(step(2, identity=float("nan")))
    with pytest.raises(NonFiniteLossError, match="at step 2"):
        log.check()
    assert kept.records == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_step_values_and_images(bad: float) -> None:
    log = StepLog([], lambda index: f"image{index}.jpg")
    for number in range(1, INTERVAL):
        log.add(step(number, fidi=bad if number == 4 else 0.3))
    with pytest.raises(NonFiniteLossError) as caught:
        log.add(step(INTERVAL))
    assert caught.value.step == 4
    assert caught.value.images == ("image4.jpg", "image5.jpg")
    assert set(caught.value.values) == {"identity", "fidi", "gradient_norm"}


def test_a_gradient_that_is_not_finite_stops_as_a_loss_does() -> None:
    """It spoils the weights at once; the losses would tell a step later."""
    log = StepLog([], str)
    log.add(replace(step(1), gradient_norm=torch.tensor(float("inf"))))
    with pytest.raises(NonFiniteLossError, match="gradient_norm inf"):
        log.check()


def test_metrics_go_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    """Lines of a killed run after its last checkpoint go, and so does a torn one."""
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"kind": "steps", "step": number}) for number in (10, 20, 30)]
    path.write_text("\n".join(lines) + '\n{"kind": "st')
    log = MetricsFile(path, step=20)
    log.write({"kind": "steps", "step": 30, "loss": 1.0})
    log.close()
    assert [record["step"] for record in read_metrics(path)] == [10, 20, 30]
    assert read_metrics(path)[-1]["loss"] == 1.0


def test_no_metrics_are_none(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = TensorBoardFile(tmp_path, step=0)
    for number in (10, 20):
        log.write({"kind": "steps", "step": number, "identity": number / 10})
    log.close()
    board = events.EventAccumulator(str(tmp_path))
    board.Reload()
    assert [(e.step, e.value) for e in board.Scalars("steps/identity")] == [(10, 1.0), (20, 2.0)]


def test_curves_are_a_picture_of_the_records(tmp_path: Path) -> None:
    records = [
        {"kind": "steps", "step": n, "identity": 6.0 / n, "fidi": 0.3, "weight_identity": 0.5,
         "weight_fidi": 0.5, "accuracy": 0.1 * n, "learning_rate": 1e-3}
        for n in range(1, 6)
    ] + [{"kind": "evaluation", "step": 5, "epoch": 1, "mAP": 0.2, "rank1": 0.4}]  # fmt: skip
    draw_curves(records, tmp_path / "curves.png")
    draw_curves(records[:1], tmp_path / "short.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1100, 700)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {(0, 114, 178), (213, 94, 0)} <= colours, "the losses' own colours"
