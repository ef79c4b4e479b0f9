from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.manifest import read_manifest, write_manifest
from visnet_model.checkpoint import load_network, read_checkpoint
from visnet_model.config import TrainConfig, load_config
from visnet_model.data.keeping import Keeping
from visnet_model.errors import CheckpointError, TrainingError
from visnet_model.training import run as conductor
from visnet_model.training.distributed import Ranks
from visnet_model.training.log import Record, read_metrics
from visnet_model.training.run import (
    Interrupted,
    Observer,
    new_run,
    resumed_run,
    run_training,
)
from visnet_model.training.trainer import Trainer

ALONE = Ranks(0, 1, torch.device("cpu"))

Config = Callable[..., TrainConfig]


class Watcher(Observer):
    """Keeps the evaluations and remarks, and may do something after a step."""

    def __init__(self, after_step: Callable[[Trainer], None] = lambda trainer: None) -> None:
        self.after_step = after_step
        self.records: list[Record] = []
        self.notes: list[str] = []

    def stepped(self, trainer: Trainer, record: Record | None) -> None:
        self.after_step(trainer)

    def evaluated(self, record: Record) -> None:
        self.records.append(record)

    def noted(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_leaves_what_its_readers_need(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    out, watcher = tmp_path / "run", Watcher()
    trained = run_training(new_run(config(), small_manifest, out), ALONE, watcher)
    assert watcher.notes == []
    assert {path.name for path in out.iterdir()} == {
        "config.yaml", "environment.json", "metrics.jsonl", "tensorboard",
        "last.pt", "best.pt", "curves.png",
    }  # fmt: skip
    assert load_config(out / "config.yaml") == config()
    environment = json.loads((out / "environment.json").read_text())
    assert environment["versions"]["torch"] and environment["backbone"] == "random, seed 0"

    assert [record["epoch"] for record in watcher.records] == [1, 2, 3]
    evaluations = [r for r in read_metrics(out / "metrics.jsonl") if r["kind"] == "evaluation"]
    assert [{**record, "kind": "evaluation"} for record in watcher.records] == evaluations
    last, best = load_network(out / "last.pt"), load_network(out / "best.pt")
    assert (last.epoch, last.step, last.pids) == (3, 6, (1, 2, 3, 4, 5))
    assert list(last.results) == watcher.records == list(trained.results)
    assert (trained.out, trained.step, trained.checkpoint) == (out, 6, out / "last.pt")
    assert best.results[-1]["mAP"] == max(record["mAP"] for record in watcher.records)


@pytest.mark.parametrize("stop_at", [1, 4])
def test_ctrl_c_saves_and_the_rest_ends_as_if_it_had_never_come(
    small_manifest: Path, config: Config, tmp_path: Path, stop_at: int
) -> None:
    """A real signal, in an epoch and at the end of one; all that is kept is the same."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_training(new_run(config(), small_manifest, whole), ALONE, Watcher())

    def strike(trainer: Trainer) -> None:
        if trainer.step == stop_at:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        run_training(new_run(config(), small_manifest, cut), ALONE, Watcher(strike))
    assert signal.getsignal(signal.SIGINT) is handler
    assert read_checkpoint(cut / "last.pt")["step"] == stop_at
    run_training(resumed_run(cut), ALONE, Watcher())

    one, other = (read_checkpoint(out / "last.pt") for out in (whole, cut))
    assert one["results"] == other["results"]
    for name, value in one["network"].items():
        assert torch.equal(value, other["network"][name]), name
    kept = [[r for r in read_metrics(o / "metrics.jsonl") if r["kind"] == "evaluation"]
            for o in (whole, cut)]  # fmt: skip
    assert kept[0] == kept[1]


def test_a_killed_run_goes_on_from_its_last_epoch(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    """What was done since then is done again, and leaves no trace in the metrics."""
    out = tmp_path / "run"

    class Killed(BaseException):
        pass

    def kill(trainer: Trainer) -> None:
        if trainer.step == 3:
            raise Killed

    with pytest.raises(Killed):
        run_training(new_run(config(), small_manifest, out), ALONE, Watcher(kill))
    assert read_checkpoint(out / "last.pt")["step"] == 2
    run_training(resumed_run(out), ALONE, Watcher())
    steps = [r["step"] for r in read_metrics(out / "metrics.jsonl") if r["kind"] == "evaluation"]
    assert steps == [2, 4, 6]


def test_a_run_killed_in_its_first_epoch_can_be_resumed(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    """Without the file that it started from, which is in the checkpoint's weights by now."""
    out, weights = tmp_path / "run", tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), weights)

    class Killed(BaseException):
        pass

    def kill(trainer: Trainer) -> None:
        raise Killed

    settings = config(network={"backbone": "resnet18", "init": str(weights)})
    with pytest.raises(Killed):
        run_training(new_run(settings, small_manifest, out), ALONE, Watcher(kill))
    weights.unlink()
    assert run_training(resumed_run(out), ALONE, Watcher()).step == 6


def test_an_evaluation_that_fails_loses_no_training(
    small_manifest: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was learnt is kept, and the evaluation is made up for."""
    out, watcher = tmp_path / "run", Watcher()

    def fail(*_: object, **__: object) -> None:
        raise OSError("the gallery's disk is gone")

    with monkeypatch.context() as broken, pytest.raises(OSError):
        broken.setattr(conductor, "evaluate_network", fail)
        run_training(new_run(config(), small_manifest, out), ALONE, watcher)
    assert read_checkpoint(out / "last.pt")["step"] == 2
    run_training(resumed_run(out), ALONE, watcher)
    assert [record["step"] for record in watcher.records] == [2, 4, 6]
    run_training(resumed_run(out), ALONE, watcher)
    assert len(watcher.records) == 3, "a finished run has nothing left to do"


def test_a_manifest_that_changes_meanwhile_is_not_taken_for_the_one_trained_on(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(small_manifest.parent, folder)
    manifest = folder / "manifest.csv"

    def rebuild(trainer: Trainer) -> None:
        manifest.write_bytes(small_manifest.read_bytes().replace(b"0001_c1", b"0001_c9"))

    out = tmp_path / "run"
    run_training(new_run(config(), manifest, out), ALONE, Watcher(rebuild))
    with pytest.raises(CheckpointError, match="its checksum differs"):
        resumed_run(out)


def test_images_from_files_train_the_same(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    settings = config(optimisation={"epochs": 1, "precision": "fp32"})
    states = []
    keepings: tuple[Keeping, ...] = ("memory", "files")
    for keeping in keepings:
        out = tmp_path / keeping
        run_training(new_run(settings, small_manifest, out, keeping), ALONE, Watcher())
        states.append(read_checkpoint(out / "last.pt")["network"])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_loss_that_is_not_finite_ends_the_run(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    def poison(trainer: Trainer) -> None:
        if trainer.step == 3:
            with torch.no_grad():
                trainer.network.classifier.weight.fill_(float("nan"))

    out = tmp_path / "run"
    with pytest.raises(TrainingError) as caught:
        run_training(new_run(config(), small_manifest, out), ALONE, Watcher(poison))
    message = str(caught.value)
    for part in ("not finite at step 4", "identity nan", "bounding_box_train/", str(out)):
        assert part in message
    assert read_checkpoint(out / "last.pt")["step"] == 2, "from before"


def test_evaluating_at_the_end_only(small_manifest: Path, config: Config, tmp_path: Path) -> None:
    watcher = Watcher()
    run_training(
        new_run(config(evaluation={"every": 0}), small_manifest, tmp_path / "r"), ALONE, watcher
    )
    assert [record["step"] for record in watcher.records] == [6]


def test_what_cannot_be_trained_on_is_refused(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    rows = read_manifest(small_manifest)
    for name, kept, message in (
        ("no-train", [row for row in rows if row.split != "train"], "no images of split train"),
        ("no-query", [row for row in rows if row.split != "query"], "no images of split query"),
    ):
        path = tmp_path / f"{name}.csv"
        write_manifest(path, kept)
        with pytest.raises(DatasetError, match=message):
            run_training(new_run(config(), path, tmp_path / name), ALONE, Watcher())
        assert not (tmp_path / name).exists()


def test_a_probe_is_refused(small_manifest: Path, config: Config, tmp_path: Path) -> None:
    probed = replace(
        read_manifest(small_manifest)[-1],
        path="blur/query/x.png", split="probe-query", kind="augmented", copy=1, family="blur",
        variant="motion", intensity=0.5, seed=1, params={}, mask="masks/x.png", mask_area=0.3,
        mask_confidence=0.9, mask_quality=None,
    )  # fmt: skip
    path = tmp_path / "manifest.csv"
    write_manifest(path, [*read_manifest(small_manifest), probed])
    with pytest.raises(DatasetError, match="a probe, which consists of test images"):
        run_training(new_run(config(), path, tmp_path / "run"), ALONE, Watcher())


def test_folders_that_hold_something_are_left_alone(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.pt").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        new_run(config(), small_manifest, tmp_path / "other")
    with pytest.raises(OutputError, match="has a run already; resume it with --resume"):
        new_run(config(), small_manifest, tmp_path / "run")


def test_a_run_goes_on_with_its_own_manifest_only(
    small_manifest: Path, config: Config, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(small_manifest.parent, moved)
    out = tmp_path / "run"
    one = config(optimisation={"steps": 2, "precision": "fp32"})
    run_training(new_run(one, moved / "manifest.csv", out), ALONE, Watcher())

    shutil.move(moved, tmp_path / "elsewhere")
    with pytest.raises(
        CheckpointError, match="does not exist any more; use --manifest to say where it is"
    ):
        resumed_run(out)
    manifest = tmp_path / "elsewhere" / "manifest.csv"
    assert resumed_run(out, manifest).manifest == manifest
    manifest.write_bytes(manifest.read_bytes().replace(b"0001_c1", b"0001_c9"))
    with pytest.raises(CheckpointError, match="its checksum differs"):
        resumed_run(out, manifest)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        resumed_run(tmp_path / "nothing")


def test_without_matplotlib_and_tensorboard_the_run_says_so(
    small_manifest: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ImportError

    watcher = Watcher()
    monkeypatch.setattr(conductor, "draw_curves", missing)
    monkeypatch.setattr(conductor, "TensorBoardFile", missing)
    short = config(optimisation={"steps": 1, "precision": "fp32"})
    run_training(new_run(short, small_manifest, tmp_path / "run"), ALONE, watcher)
    first, second = watcher.notes
    assert "TensorBoard" in first and "matplotlib" in second
