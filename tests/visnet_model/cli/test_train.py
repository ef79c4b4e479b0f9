from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from visnet_aug.errors import RecipeError
from visnet_model.cli import train as command
from visnet_model.config import TrainConfig
from visnet_model.training import run as conductor


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what the command asks the conductor for, instead of training."""
    kept: dict[str, Any] = {}

    class Trained:
        results: tuple[()] = ()
        step = 0

    def train(run: Any, ranks: Any, observer: Any) -> Trained:
        kept["run"] = run
        return Trained()

    monkeypatch.setattr(conductor, "train", train)
    return kept


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(command.train, list(map(str, arguments)), standalone_mode=False)


def test_flags_override_the_file_which_overrides_the_defaults(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("train: {seed: 3, data: {identities: 4, images: 5}, network: {dropout: 0.3}}")
    flags = "--images=6 --size=128x64 --backbone=resnet18 --steps=7 --evaluate-every=0 --compile"
    given = ("--manifest", "m.csv", "--out", tmp_path / "o", "--config", file, "--device", "cpu")
    result = invoke(*given, *flags.split())
    assert result.exception is None
    expected = TrainConfig.model_validate(
        {
            "seed": 3,
            "network": {"backbone": "resnet18", "dropout": 0.3},
            "data": {"identities": 4, "images": 6, "height": 128, "width": 64},
            "optimisation": {"steps": 7, "compile": True},
            "evaluation": {"every": 0},
        }
    )
    assert asked["run"].config == expected


def test_epochs_go_before_a_files_steps(asked: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("train: {optimisation: {steps: 200}}")
    given = ("--manifest", "m.csv", "--out", tmp_path / "o", "--config", file, "--device", "cpu")
    invoke(*given, "--epochs", 3)
    optimisation = asked["run"].config.optimisation
    assert (optimisation.epochs, optimisation.steps) == (3, None)


def test_without_flags_it_is_the_default(asked: dict[str, Any], tmp_path: Path) -> None:
    invoke("--manifest", "m.csv", "--out", tmp_path / "o", "--device", "cpu")
    assert asked["run"].config == TrainConfig()


def test_every_flag_is_a_setting() -> None:
    """The table of flags leads to fields that exist."""
    settings = TrainConfig().model_dump()
    for *sections, field in command.FLAGS.values():
        section = settings[sections[0]] if sections else settings
        assert field in section or (sections, field) == (["data"], "size")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give --manifest and --out, or --resume"),
        (("--out", "o"), "Give --manifest and --out, or --resume"),
        (("--resume", "r", "--epochs", "3"), "--epochs cannot be changed by --resume"),
        (("--manifest", "m", "--out", "o", "--steps", "1", "--epochs", "1"), "not both"),
        (("--resume", "r", "--out", "o"), "--out cannot be changed by --resume"),
        (("--manifest", "m", "--out", "o", "--size", "256"), "'256' is not HEIGHTxWIDTH"),
        (("--manifest", "m", "--out", "o", "--device", "tpu9"), "--device tpu9: "),
    ],
)
def test_unusable_arguments_are_said(
    asked: dict[str, Any], arguments: tuple[str, ...], message: str
) -> None:
    error = invoke(*arguments).exception
    assert message in error.format_message()


def test_a_bad_setting_is_said(asked: dict[str, Any], tmp_path: Path) -> None:
    error = invoke("--manifest", "m", "--out", tmp_path / "o", "--size", "8x8").exception
    assert isinstance(error, RecipeError)
    assert "data.height: input should be greater" in str(error)


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "visnet_model.cli.train", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_the_process_is_interrupted_and_goes_on(small_manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(
        "--manifest", small_manifest, "--out", out, "--backbone", "resnet18", "--size", "32x32",
        "--identities", 4, "--images", 2, "--device", "cpu", "--epochs", 2000,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"stopped; go on with: visnet-train --resume {out}" in errors
    assert "Traceback" not in errors

    resumed = start("--resume", out)
    while not re.search("going on after step", resumed.stdout.readline()):  # type: ignore[union-attr]
        assert resumed.poll() is None
    resumed.kill()
    resumed.communicate()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--manifest", "none.csv", "--out", "o"), 7, "none.csv: cannot be read"),
        (("--resume", "nothing"), 4, "nothing/last.pt: no such checkpoint"),
        (("--epochs", "0"), 2, "See visnet-train --help"),
    ],
)
def test_errors_are_one_line_with_their_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "visnet_model.cli.train", *arguments],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(command.__file__).parents[2])},
    )  # fmt: skip
    assert result.returncode == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("visnet-train: error:")


def test_help_comes_without_torch() -> None:
    code = (
        "import sys; from visnet_model.cli.train import train\n"
        "try: train(['--help'])\n"
        "except SystemExit: print(*{'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == ""
    assert "torchrun" in result.stdout and "Exit codes:" in result.stdout
