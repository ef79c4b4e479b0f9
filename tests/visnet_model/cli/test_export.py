"""``visnet-export`` as people call it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from visnet_model.checkpoint import load_network, write_checkpoint
from visnet_model.cli import export
from visnet_model.config import TrainConfig
from visnet_model.export.weights_file import load_exported
from visnet_model.network.visnet import VisNet

torch.set_num_threads(1)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.pt"
    data = {"height": 64, "width": 32}
    config = TrainConfig.model_validate({"network": {"backbone": "resnet18"}, "data": data})
    torch.manual_seed(0)
    state = {
        "versions": {},
        "config": config.model_dump(mode="json"),
        "pids": [7, 8, 9],
        "manifest": {"path": "manifest.csv", "sha256": "0" * 64},
        "network": VisNet(3, backbone="resnet18").state_dict(),
        "optimiser": {},
        "weighting": {},
        "epoch": 1,
        "batch": 0,
        "step": 1,
        "results": [],
    }
    write_checkpoint(path, state)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; return exit code, output and error output."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visnet-export", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            export.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['visnet-export', '--help']\n"
        "from visnet_model.cli.export import main\n"
        "try: main()\n"
        "finally: print(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert re.search(r"Examples:\n +visnet-export --checkpoint", result.stdout)
    loaded = {name.split(".")[0] for name in eval(result.stderr)}
    assert not loaded & {"torch", "numpy", "onnx", "onnxruntime", "pydantic", "rich", "safetensors"}


def test_onnx_in_a_process_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    to = tmp_path / "visnet.onnx"
    command = [sys.executable, "-m", "visnet_model.cli.export", "--checkpoint", str(checkpoint)]
    result = subprocess.run(
        [*command, "--format", "onnx", "--to", str(to), "--normalise", "--opset", "20"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert re.fullmatch(
        rf"{to}: [\d.]+ MB, opset 20; in ONNX Runtime [\d.]+, embeddings differ from torch's by "
        r"at most \d\.\de-0[6-9] \(1e-04 allowed\)",
        lines[0],
    )
    assert lines[1] == "takes uint8 RGB N×3×64×32, 0 to 255"
    assert result.stderr == ""  # the exporter keeps quiet
    assert list(tmp_path.iterdir()) == [to]
    metadata = runtime.InferenceSession(to).get_modelmeta().custom_metadata_map
    assert metadata["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (metadata["height"], metadata["width"]) == ("64", "32")


def test_safetensors(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    to = tmp_path / "visnet.safetensors"
    code, out, err = run("--checkpoint", checkpoint, "--format", "safetensors", "--to", to)
    assert (code, err) == (0, "")
    assert "read back bit by bit" in out
    inputs = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        wanted = load_network(checkpoint).network(inputs)
        assert torch.equal(load_exported(to).network(inputs), wanted)
    with safe_open(to, framework="pt") as file:
        kept = file.keys()
        assert not [key for key in kept if key.startswith(("semantic", "classifier"))]
        assert "7" not in file.metadata().values()  # no training identities


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("--format onnx --to {tmp}/no/x.onnx", 6, "its folder .*no does not exist"),
        ("--format onnx --to {tmp}", 6, "is a folder; give the name of a file"),
        ("--format safetensors --to {tmp}/x --opset 18", 2, "--opset needs --format onnx"),
        ("--format onnx --to {tmp}/x --opset 17", 2, "17 is not in the range x>=18"),
        ("--format onnx --to {tmp}/x --opset 99", 12, "cannot export|wrote opset 18, not 99"),
        ("--format safetensors --to {checkpoint}", 6, "is the checkpoint itself"),
        ("--format pickle --to {tmp}/x", 2, "'pickle' is not one of"),
        ("--format onnx --to {tmp}/x --checkpoint {tmp}/no.pt", 10, "no such checkpoint"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run: Run, checkpoint: Path, tmp_path: Path, arguments: str, code: int, error: str
) -> None:
    before = checkpoint.read_bytes()
    words = arguments.format(tmp=tmp_path, checkpoint=checkpoint).split()
    found, out, err = run("--checkpoint", checkpoint, *words)
    assert (found, out) == (code, "")
    assert re.match(rf"visnet-export: error: .*({error})", err)
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert checkpoint.read_bytes() == before


def test_missing_package_is_reported_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, err = run("--checkpoint", "nowhere", "--format", "onnx", "--to", tmp_path / "x.onnx")
    assert code == 14
    assert "pip install 'visnet[export]'" in err
