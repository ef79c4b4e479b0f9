"""The inference network, and the files it goes out in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from visnet_aug.errors import OutputError
from visnet_model.data.augment import normalise
from visnet_model.errors import (
    CheckpointError,
    ExportError,
    MissingPackageError,
    TrainingError,
)
from visnet_model.export import onnx_file, weights_file
from visnet_model.export.checked import BATCHES, trial_inputs, write_checked
from visnet_model.export.description import Description
from visnet_model.export.network import (
    InferenceNetwork,
    InputNormalisation,
    fold_batch_norms,
    inference_network,
)
from visnet_model.export.onnx_file import check_packages, write_onnx
from visnet_model.export.weights_file import load_exported, write_weights
from visnet_model.network.visnet import VisNet

torch.set_num_threads(1)

SIZE = (64, 32)


@pytest.fixture(scope="module")
def visnet() -> VisNet:
    """Give a network whose every batch normalisation does something."""
    torch.manual_seed(0)
    network = VisNet(5, backbone="resnet18").eval()
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                assert norm.running_mean is not None and norm.running_var is not None
                norm.running_mean.normal_(0.0, 0.3)
                norm.running_var.uniform_(0.5, 2.0)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0.0, 0.3)
    return network


def describe(normalise: bool = False) -> Description:
    return Description("resnet18", *SIZE, 512, normalise, "ab" * 32)


def images(count: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def exported(visnet: VisNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export once: this takes seconds."""
    path = tmp_path_factory.mktemp("onnx") / "visnet.onnx"
    written = write_onnx(path, inference_network(visnet, normalise=True), describe(True))
    assert written.size == path.stat().st_size
    assert written.opset == 18
    assert 0 < written.difference < 1e-5
    return path


def test_inference_network_is_visnet_without_what_only_training_needs(visnet: VisNet) -> None:
    inference = inference_network(visnet)
    inputs = torch.randn(3, 3, *SIZE)
    with torch.inference_mode():
        assert torch.equal(inference(inputs), visnet(inputs))
    assert {key.partition(".")[0] for key in inference.state_dict()} == {
        "backbone",
        "fusion",
        "neck",
    }
    inference.backbone.conv1.weight.data.zero_()  # a copy
    assert visnet.backbone.conv1.weight.any()


def test_normalisation_is_that_of_the_tests() -> None:
    assert not InputNormalisation().state_dict()
    torch.testing.assert_close(
        InputNormalisation()(images(2)), normalise(images(2)), rtol=0, atol=1e-6
    )


def test_folding_leaves_no_batch_norm_and_the_same_embeddings(visnet: VisNet) -> None:
    inference = inference_network(visnet)
    folded = fold_batch_norms(inference)
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in folded.modules())
    inputs = torch.randn(3, 3, *SIZE)
    with torch.inference_mode():
        before = inference(inputs)
        torch.testing.assert_close(folded(inputs), before, rtol=0, atol=1e-6)
        assert torch.equal(inference(inputs), before)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_onnx_runtime_gives_torchs_embeddings(visnet: VisNet, exported: Path, batch: int) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(exported)
    (found,) = session.run(["embeddings"], {"images": images(batch).numpy()})
    with torch.inference_mode():
        expected = visnet(normalise(images(batch))).numpy()
    assert found.shape == (batch, 512)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_onnx_file_is_alone_and_says_what_it_is(exported: Path) -> None:
    onnx = pytest.importorskip("onnx")
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == describe(True).metadata()
    assert "AGPL-3.0-only" in describe(True).metadata()["license_note"]
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["batch", 3, *SIZE], ["batch", 512]]
    assert not {node.op_type for node in model.graph.node} & {"BatchNormalization", "Resize"}
    assert str(Path.cwd()).encode() not in exported.read_bytes()  # no paths of this machine


def test_wrong_type_of_image_is_refused_by_the_file(exported: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(exported)
    with pytest.raises(Exception, match=r"tensor\(uint8\)"):
        session.run(None, {"images": images(1).float().numpy()})


@pytest.mark.parametrize("there", [False, True])
def test_broken_export_is_refused_and_leaves_nothing(
    visnet: VisNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def break_one(network: InferenceNetwork) -> InferenceNetwork:
        folded = fold_batch_norms(network)
        with torch.no_grad():
            projection: Any = folded.fusion.projections[0]
            projection[0].weight.mul_(1.5)
        return folded

    monkeypatch.setattr(onnx_file, "fold_batch_norms", break_one)
    path = tmp_path / "visnet.onnx"
    if there:
        path.write_bytes(b"an earlier one")
    with pytest.raises(ExportError, match=r"differ from torch's by 0\.\d+, over 1e-04"):
        write_onnx(path, inference_network(visnet), describe())
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"an earlier one"] * there


@pytest.mark.parametrize(
    ("found", "expected", "error"),
    [
        ([[1.0, 0.0]], [[1.0, 0.0]], None),
        ([[1.0, 9e-5]], [[1.0, 0.0]], None),
        ([[1.0, 1.1e-4]], [[1.0, 0.0]], "differ from torch's by 0.00011"),
        ([[1.0, np.nan]], [[1.0, 0.0]], "differ from torch's by nan"),
        ([[1.0, 0.0]], [[1.0, np.nan]], "not finite: its training diverged"),
        ([[1.0]], [[1.0, 0.0]], r"are \(1, 1\), torch's \(1, 2\)"),
    ],
)
def test_difference_is_judged(
    found: list[list[float]], expected: list[list[float]], error: str | None
) -> None:
    arrays = np.array(found, np.float32), np.array(expected, np.float32)
    if error is None:
        assert onnx_file._difference(*arrays) <= onnx_file.TOLERANCE
    else:
        with pytest.raises((ExportError, TrainingError), match=error):
            onnx_file._difference(*arrays)


@pytest.mark.parametrize("name", onnx_file.PACKAGES)
def test_missing_package_is_one_line_with_the_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingPackageError, match=rf"package {name}, .*pip install 'visnet\[export\]'"
    ):
        check_packages()


def test_exporter_that_fails_is_one_line(
    visnet: VisNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no such operator\nand a page more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ExportError, match="cannot export to ONNX: no such operator; install"):
        write_onnx(tmp_path / "visnet.onnx", inference_network(visnet), describe())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("takes_images", [False, True])
def test_weights_are_read_back_bit_for_bit(
    visnet: VisNet, tmp_path: Path, takes_images: bool
) -> None:
    path = tmp_path / "visnet.safetensors"
    size = write_weights(
        path, inference_network(visnet, normalise=takes_images), describe(takes_images)
    )
    assert size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]
    read = load_exported(path)
    assert read.description == describe(takes_images)
    assert not read.network.training
    theirs = visnet.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in load_file(path).items())
    inputs = images(2) if takes_images else normalise(images(2))
    with torch.inference_mode():
        wanted = visnet(normalise(images(2)))
        torch.testing.assert_close(read.network(inputs), wanted, rtol=0, atol=1e-6)
        if not takes_images:
            assert torch.equal(read.network(inputs), wanted)


def test_weights_that_read_back_otherwise_are_refused(
    visnet: VisNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(state: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
        other = dict(state)
        other["neck.norm.running_mean"] = state["neck.norm.running_mean"] + 1e-7
        return save(other, metadata)

    save = safetensors.torch.save
    monkeypatch.setattr(weights_file, "save", broken)
    with pytest.raises(ExportError, match="differs from what was written"):
        write_weights(tmp_path / "x.safetensors", inference_network(visnet), describe())
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused(visnet: VisNet, tmp_path: Path) -> None:
    network = inference_network(visnet)
    network.neck.norm.get_buffer("running_var")[3] = torch.nan
    with pytest.raises(
        TrainingError, match=r"neck\.norm\.running_var of this checkpoint is not finite"
    ):
        write_weights(tmp_path / "x.safetensors", network, describe())
    assert not list(tmp_path.iterdir())


def _without(key: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda metadata: {k: v for k, v in metadata.items() if k != key}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_without("format"), "no format visnet-inference-1"),
        (_without("height"), "lacks height"),
        (lambda m: {**m, "backbone": "vgg"}, "unknown backbone 'vgg'"),
        (lambda m: {**m, "backbone": "resnet34"}, "Missing key"),
        (lambda m: {**m, "width": "wide"}, "'wide'"),
    ],
)
def test_foreign_weights_are_refused(
    visnet: VisNet,
    tmp_path: Path,
    change: Callable[[dict[str, str]], dict[str, str]],
    error: str,
) -> None:
    path = tmp_path / "x.safetensors"
    state = inference_network(visnet).state_dict()
    save_file(state, path, metadata=change(describe().metadata()))
    with pytest.raises(CheckpointError, match=error) as raised:
        load_exported(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [None, b"", b"no safetensors at all"])
def test_missing_and_damaged_weights_are_refused(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "x.safetensors"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: "):
        load_exported(path)


def test_nothing_is_left_when_a_check_is_interrupted(tmp_path: Path) -> None:
    def interrupt(part: Path) -> None:
        assert part.read_bytes() == b"new"
        raise KeyboardInterrupt

    path = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        write_checked(path, b"new", interrupt)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot be written"):
        write_checked(tmp_path / "nowhere" / "x", b"new", interrupt)


def test_trial_images_differ_and_repeat() -> None:
    first, again = (list(trial_inputs(describe(True))) for _ in range(2))
    assert [len(batch) for batch in first] == list(BATCHES)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    largest = first[-1].float()
    assert (largest[0] - largest[1]).abs().mean() > 20  # levels
    assert largest.std() > 30
