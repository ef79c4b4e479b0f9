from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from visnet_model.training.distributed import Ranks, join

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("steps_of_ranks.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def call(*arguments: object) -> None:
    """Run python with one thread a process."""
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def results(
    small_manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, list[Any]]:
    """Train two steps in one process, and in two gloo processes."""
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    call(SCRIPT, small_manifest, alone)
    call(*TORCHRUN, SCRIPT, small_manifest, together)
    return torch.load(alone / "0.pt"), [torch.load(together / f"{rank}.pt") for rank in (0, 1)]


def test_two_processes_have_the_losses_of_one(results: tuple[Any, list[Any]]) -> None:
    """FIDI's above all: it sees the pairs of the whole batch, half of which are across ranks."""
    alone, together = results
    for one in together:
        for step, expected in zip(one["losses"], alone["losses"], strict=True):
            assert step == pytest.approx(expected, rel=1e-5)
        assert one["norms"] == pytest.approx(alone["norms"], rel=1e-4)


def test_two_processes_share_the_batches_of_one(results: tuple[Any, list[Any]]) -> None:
    alone, (first, second) = results
    shared = [a + b for a, b in zip(first["images"], second["images"], strict=True)]
    assert shared == alone["images"]


def test_two_processes_end_with_the_weights_of_one(results: tuple[Any, list[Any]]) -> None:
    alone, (first, second) = results
    for name, expected in alone["network"].items():
        assert torch.equal(first["network"][name], second["network"][name]), name
        # Adam's first steps are sign-like: where a gradient is rounding, so is the step's sign.
        close = torch.isclose(first["network"][name], expected, rtol=1e-3, atol=1e-5)
        assert close.float().mean() > 0.99, name


def test_a_wish_of_one_rank_reaches_all(results: tuple[Any, list[Any]]) -> None:
    assert [one["stopped"] for one in results[1]] == [True, True]


def test_the_command_trains_under_torchrun(small_manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    call(
        *TORCHRUN, "-m", "visnet_model.cli.train", "--manifest", small_manifest, "--out", out,
        "--backbone", "resnet18", "--size", "32x32", "--identities", "4", "--num-instances", "2",
        "--epochs", "1", "--device", "cpu",
    )  # fmt: skip
    names = {path.name for path in out.iterdir()}
    assert {"last.pt", "best.pt", "metrics.jsonl", "curves.png", "config.yaml"} <= names


def test_without_torchrun_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join(torch.device("cpu")) as ranks:
        assert ranks == Ranks(0, 1, torch.device("cpu"))
        assert ranks.is_first
        assert [ranks.any(flag) for flag in (False, True)] == [False, True]
