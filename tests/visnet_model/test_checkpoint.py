from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from visnet_aug.errors import OutputError
from visnet_model.checkpoint import load_network, read_checkpoint, write_checkpoint
from visnet_model.config import TrainConfig
from visnet_model.errors import CheckpointError
from visnet_model.network.visnet import VisNet


@pytest.fixture
def state() -> dict[str, Any]:
    """Return the state of a small, untrained network."""
    torch.manual_seed(0)
    config = TrainConfig.model_validate({"network": {"backbone": "resnet18"}})
    return {
        "versions": {"torch": str(torch.__version__)},
        "config": config.model_dump(mode="json"),
        "pids": [2, 7, 11],
        "manifest": {"path": "/somewhere/manifest.csv", "sha256": "0" * 64},
        "network": VisNet(3, backbone="resnet18").state_dict(),
        "optimiser": {"state": {}, "param_groups": []},
        "weighting": {"names": ["identity"], "batches": 0, "history": []},
        "epoch": 4,
        "batch": 2,
        "step": 50,
        "results": [{"epoch": 3, "mAP": 0.5}],
    }


def test_a_network_comes_back_as_it_was(state: dict[str, Any], tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "last.pt", state)
    loaded = load_network(tmp_path / "last.pt")
    assert not loaded.network.training
    assert (loaded.pids, loaded.epoch, loaded.step) == ((2, 7, 11), 4, 50)
    assert (str(loaded.manifest), loaded.manifest_sha256) == ("/somewhere/manifest.csv", "0" * 64)
    assert loaded.results == ({"epoch": 3, "mAP": 0.5},)
    assert loaded.config.network.backbone == "resnet18"
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, state["network"][name]), name


def test_nothing_is_half_written(
    state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, state)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_checkpoint(path, {**state, "step": 51})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]


class Hostile:
    """Makes a file when unpickled, if anything lets it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._path,)


def _changed(state: dict[str, Any], **values: object) -> dict[str, Any]:
    return {"format": "visnet-checkpoint-1", **state, **values}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda state: None, "no such checkpoint"),
        (lambda state: b"not a checkpoint", "is damaged; not loaded"),
        (
            lambda state: pickle.dumps([1]),
            "cannot be read as a checkpoint|not loaded|not a checkpoint of",
        ),
        (lambda state: {"state_dict": {}}, "not a checkpoint of visnet-train"),
        (lambda state: {**state, "format": "visnet-checkpoint-9"}, "not a checkpoint of"),
        (lambda state: state["network"], "use it with --init"),
        (lambda state: {"format": "visnet-checkpoint-1"}, "damaged: versions: Field required"),
        (lambda state: _changed(state, pids=["2"]), "damaged: pids.0: Input should be a valid int"),
        (lambda state: _changed(state, epoch=-1), "damaged: epoch: Input should be greater"),
        (lambda state: _changed(state, manifest={}), "damaged: manifest.path: Field required"),
        (lambda state: _changed(state, network=None), "damaged: network: Input should be"),
        (lambda state: _changed(state, network={}), "its weights do not fit its config"),
        (
            lambda state: _changed(state, config={"network": {"backbone": "vgg"}}),
            "config.network.backbone: Input should be",
        ),
    ],
)
def test_what_is_no_checkpoint_is_said_in_one_line(
    state: dict[str, Any], tmp_path: Path, make: Callable[[Any], Any], message: str
) -> None:
    path = tmp_path / "last.pt"
    content = make(state)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path) -> None:
    path, made = tmp_path / "last.pt", tmp_path / "made"
    torch.save({"format": Hostile(made)}, path)
    with pytest.raises(CheckpointError, match="holds more than numbers"):
        read_checkpoint(path)
    assert not made.exists()


def test_a_checkpoint_holds_plain_types_only(state: dict[str, Any], tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "last.pt", state)
    kept = read_checkpoint(tmp_path / "last.pt")
    assert kept == {"format": "visnet-checkpoint-1", **state} | {"network": kept["network"]}
    seen: set[type] = set()

    def walk(value: Any) -> None:
        seen.add(type(value))
        for inner in value.values() if isinstance(value, dict) else ():
            walk(inner)
        for inner in value if isinstance(value, (list, tuple)) else ():
            walk(inner)

    walk({name: value for name, value in kept.items() if name != "network"})
    assert seen <= {dict, list, tuple, str, int, float, bool, type(None), torch.Tensor}


def test_a_checkpoint_of_the_time_before_num_instances_can_be_read(
    state: dict[str, Any], tmp_path: Path
) -> None:
    state["config"]["data"]["images"] = 5
    del state["config"]["data"]["num_instances"]
    write_checkpoint(tmp_path / "last.pt", state)
    assert load_network(str(tmp_path / "last.pt")).config.data.num_instances == 5


def test_a_setting_of_another_version_is_named(state: dict[str, Any], tmp_path: Path) -> None:
    state["config"]["data"]["colour"] = 5
    write_checkpoint(tmp_path / "last.pt", state)
    with pytest.raises(CheckpointError, match=r"config\.data\.colour: Extra inputs"):
        load_network(tmp_path / "last.pt")
