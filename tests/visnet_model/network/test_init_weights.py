from __future__ import annotations

import copy
import io
import os
import pickle
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from visnet_aug.errors import WeightsError
from visnet_model.network.backbone import Backbone
from visnet_model.network.weights import load_backbone

torch.set_num_threads(1)

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def whole() -> State:
    """A state dict like torchvision's, including the classifier; created once."""
    torch.manual_seed(5)
    state: State = torchvision.models.resnet18(weights=None).state_dict()
    for key, value in state.items():
        if key.endswith("running_mean"):
            value.normal_()
    return state


@pytest.fixture
def state(whole: State) -> State:
    return dict(whole)


@pytest.fixture(scope="module")
def untouched() -> Backbone:
    return Backbone("resnet18")


def assert_loaded(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    for key, value in backbone.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[key]), key


def assert_refused(backbone: Backbone, path: Path, message: str) -> None:
    before = copy.deepcopy(backbone.state_dict())
    with pytest.raises(WeightsError, match=message) as caught:
        load_backbone(backbone, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("suffix", "dropped"),
    [
        (".pth", "nothing"),
        (".pt", "fc."),
        (".pth", "num_batches_tracked"),
        (".safetensors", "nothing"),
    ],
)
def test_local_files_load(tmp_path: Path, state: State, suffix: str, dropped: str) -> None:
    kept = {key: value for key, value in state.items() if dropped not in key}
    path = tmp_path / f"resnet{suffix}"
    save_file(kept, path) if suffix == ".safetensors" else torch.save(kept, path)
    backbone = Backbone("resnet18")
    said = load_backbone(backbone, str(path))
    assert_loaded(backbone, state)
    assert re.fullmatch(rf"{re.escape(str(path))} \(sha256 [0-9a-f]{{12}}…\)", said)


def drop(*keys: str) -> Callable[[State], None]:
    def edit(state: State) -> None:
        for key in keys:
            del state[key]

    return edit


def put(key: str, value: Tensor) -> Callable[[State], None]:
    return lambda state: state.update({key: value})


def rename_all(state: State) -> None:
    values = dict(state)
    state.clear()
    state.update({f"module.{key}": value for key, value in values.items()})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("conv1.weight"), r"missing: conv1\.weight$"),
        (drop("bn1.running_mean", "bn1.bias"), r"missing: bn1\.bias, bn1\.running_mean$"),
        (put("layer5.weight", torch.zeros(1)), r"unexpected: layer5\.weight$"),
        (
            put("conv1.weight", torch.zeros(64, 3, 3, 3)),
            r"of another shape: conv1\.weight \(64×3×3×3 for 64×3×7×7\)$",
        ),
        (
            put("bn1.bias", torch.full((64,), float("nan"))),
            r"not finite floating point: bn1\.bias$",
        ),
        (
            put("bn1.bias", torch.zeros(64, dtype=torch.int64)),
            r"not finite floating point: bn1\.bias$",
        ),
        (
            rename_all,
            r"missing: conv1\.weight, .* and 95 more; "
            r"unexpected: module\.conv1\.weight, .* and 117 more$",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path,
    state: State,
    untouched: Backbone,
    edit: Callable[[State], None],
    message: str,
) -> None:
    edit(state)
    path = tmp_path / "resnet.pth"
    torch.save(state, path)
    assert_refused(untouched, path, f"not the weights of a resnet18: {message}")


def test_another_resnet_is_refused(tmp_path: Path, untouched: Backbone) -> None:
    path = tmp_path / "resnet.pth"
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), path)
    assert_refused(untouched, path, r"unexpected: layer1\.2\.conv1\.weight.*more$")


TRACE = Path(tempfile.gettempdir()) / f"visnet-model-evil-{os.getpid()}"


class Evil:
    """Creates a file when a pickle of it is loaded unsafely."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (TRACE,)


def test_the_trace_would_show() -> None:
    pickle.loads(pickle.dumps(Evil()))
    assert TRACE.exists()
    TRACE.unlink()


def pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "no such file"),
        ("weights.bin", b"x", r"not one of \.pth, \.pt, \.safetensors"),
        ("empty.pth", b"", "cannot be read as weights"),
        ("text.pth", b"not weights", "is damaged; not loaded"),
        ("text.safetensors", b"not weights at all", "cannot be read as weights"),
        ("cut.pth", pickled({"conv1.weight": torch.zeros(9)})[:-40], "cannot be read as weights"),
        ("pickle.pth", pickle.dumps(Evil(), protocol=2), "more than names and tensors"),
        ("evil.pth", pickled({"conv1.weight": Evil()}), "more than names and tensors"),
        ("list.pth", pickled([1, 2]), "holds a list, not a state dict"),
        ("run.pth", pickled({"model": {}, "epoch": 3}), "no tensors under model, epoch"),
    ],
)
def test_unreadable_files_are_one_line(
    tmp_path: Path, untouched: Backbone, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert_refused(untouched, path, message)
    assert not TRACE.exists()


def test_a_folder_is_refused(tmp_path: Path, untouched: Backbone) -> None:
    assert_refused(untouched, tmp_path, "no such file")


def test_imagenet_is_torchvisions_checked_download(
    monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    asked: dict[str, Any] = {}

    def download(url: str, **options: object) -> State:
        asked.update(options, url=url)
        return state

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", download)
    backbone = Backbone("resnet18")
    assert load_backbone(backbone, "imagenet") == "ResNet18_Weights.IMAGENET1K_V1"
    assert_loaded(backbone, state)
    assert asked["url"].startswith("https://download.pytorch.org/models/resnet18-")
    assert asked["check_hash"] is True
    assert asked["weights_only"] is True


@pytest.mark.parametrize(
    "error", [URLError("no route"), OSError("disk full"), RuntimeError("invalid hash value")]
)
def test_a_failed_download_is_one_line(
    monkeypatch: pytest.MonkeyPatch, untouched: Backbone, error: Exception
) -> None:
    def download(url: str, **options: object) -> State:
        raise error

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", download)
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(.*\); download it on another"):
        load_backbone(untouched, "imagenet")
