"""``visnet-eval`` from the outside: what it prints and writes, and how it fails."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from visnet_aug.manifest import ManifestRow, ManifestSplit, read_manifest, write_manifest
from visnet_model.checkpoint import write_checkpoint
from visnet_model.cli.evaluate import command, main
from visnet_model.config import TrainConfig
from visnet_model.evaluation import complexity
from visnet_model.network.visnet import VisNet

Writer = Callable[..., Path]


@pytest.fixture
def checkpoint(small_manifest: Path, config: Callable[..., TrainConfig], tmp_path: Path) -> Writer:
    """Write a checkpoint of random weights, trained on a manifest as far as it says."""

    def write(manifest: Path = small_manifest, spoilt: bool = False) -> Path:
        torch.manual_seed(0)
        network = VisNet(5, backbone="resnet18")
        if spoilt:
            network.neck.norm.weight.data.fill_(float("nan"))
        path = tmp_path / "run" / "last.pt"
        path.parent.mkdir(exist_ok=True)
        state = {
            "versions": {},
            "config": config().model_dump(mode="json"),
            "pids": [1, 2, 3, 4, 5],
            "manifest": {
                "path": str(manifest),
                "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
            },
            "network": network.state_dict(),
            "optimiser": {},
            "weighting": {},
            "epoch": 2,
            "batch": 0,
            "step": 6,
            "results": [],
        }
        write_checkpoint(path, state)
        return path

    return write


@pytest.fixture
def probe(small_manifest: Path, tmp_path: Path) -> Path:
    """Write a probe of the small set: two families, one query without a mask."""
    root = tmp_path / "probe"
    shutil.copytree(small_manifest.parent, root)
    rows = [row for row in read_manifest(small_manifest) if row.split != "train"]
    for family, colour in (("blur", (90, 90, 90)), ("noise", (250, 20, 20))):
        rows += [_version(root, row, family, colour) for row in rows[1:] if row.family is None]
    write_manifest(root / "manifest.csv", rows)
    return root / "manifest.csv"


def _version(root: Path, row: ManifestRow, family: str, colour: tuple[int, int, int]) -> Any:
    path = root / family / row.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(root / row.path) as image:
        image.paste(colour, (0, 0, image.width, 8))
        image.save(path)
    split: ManifestSplit = "probe-query" if row.split == "query" else "probe-gallery"
    return replace(
        row, path=f"{family}/{row.path}", split=split, kind="augmented",
        copy=1, family=family, variant="plain", intensity=0.5, seed=1, params={},
        mask="masks/one.png", mask_area=0.5, mask_confidence=0.9, mask_quality=None,
    )  # fmt: skip


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def test_evaluates_on_what_the_network_was_trained_on(
    checkpoint: Writer, small_manifest: Path
) -> None:
    path = checkpoint()
    done = invoke("--checkpoint", path)
    assert done.exit_code == 0
    assert "VisNet, published" in done.stdout
    assert "this network" in done.stdout
    assert "not comparable with the rows above" in done.stdout
    out = path.parent / "evaluation"
    assert sorted(file.name for file in out.iterdir()) == ["cmc.png", "results.json", "strips.png"]
    with Image.open(out / "strips.png") as page:
        assert page.width == 1342
    results = json.loads((out / "results.json").read_text())
    assert list(results) == [
        "format", "checkpoint", "manifest", "settings", "device", "versions", "query", "gallery",
        "ranking", "reranked", "camera_pairs", "cost", "probe",
    ]  # fmt: skip
    assert results["manifest"] == {
        "path": str(small_manifest),
        "sha256": hashlib.sha256(small_manifest.read_bytes()).hexdigest(),
    }
    assert results["checkpoint"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (results["checkpoint"]["epoch"], results["checkpoint"]["step"]) == (2, 6)
    assert results["settings"] == {
        "batch_size": 64, "flip": False, "precision": "fp32", "rerank": False,
    }  # fmt: skip
    assert (results["query"], results["gallery"]) == (
        {"images": 6},
        {"images": 6, "junk_left_out": 0},
    )
    ranking = results["ranking"]
    assert set(ranking) == {
        "mAP", "mINP", "rank1", "rank5", "rank10", "rank20", "cmc", "queries",
        "queries_without_match",
    }  # fmt: skip
    assert f"{100 * ranking['mAP']:.2f}" in done.stdout
    assert ranking["cmc"][0] == ranking["rank1"] <= ranking["rank20"] == ranking["cmc"][19]
    assert results["cost"]["parameters"] == sum(
        p.numel() for p in VisNet(5, backbone="resnet18").parameters()
    )
    assert results["cost"]["flops"] > 1e6
    assert results["reranked"] is results["camera_pairs"] is results["probe"] is None


def test_equal_evaluations_give_equal_files(checkpoint: Writer, tmp_path: Path) -> None:
    path = checkpoint()
    for name in ("a", "b"):
        assert invoke("--checkpoint", path, "--out", tmp_path / name).exit_code == 0
    for name in ("results.json", "strips.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_does_more_when_asked(checkpoint: Writer, tmp_path: Path) -> None:
    path = checkpoint()
    done = invoke("--checkpoint", path, "--out", tmp_path / "plain", "--strips", 0)
    assert not (tmp_path / "plain/strips.png").exists()
    options = ("--flip", "--rerank", "--camera-pairs", "--batch-size", 5, "--precision", "bf16")
    done = invoke("--checkpoint", path, "--out", tmp_path / "more", *options)
    assert "re-ranked" in done.stdout
    assert "of camera 1" in done.stdout
    plain, more = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("plain", "more")
    )
    assert more["cost"]["flops"] == 2 * plain["cost"]["flops"]
    assert [(p["query_camid"], p["gallery_camid"]) for p in more["camera_pairs"]] == [
        (1, 2),
        (2, 1),
    ]
    assert more["settings"] == {
        "batch_size": 5, "flip": True, "precision": "bf16", "rerank": True,
    }  # fmt: skip


def test_probes(checkpoint: Writer, probe: Path) -> None:
    path = checkpoint()
    done = invoke("--checkpoint", path, "--probe", probe)
    assert done.exit_code == 0
    assert "only queries" in done.stdout
    assert "1 of 6 queries, 0 of 6 gallery images" in done.stdout
    out = path.parent / "evaluation"
    with Image.open(out / "probe.png") as chart:
        assert chart.width == 1575
    results = json.loads((out / "results.json").read_text())
    sensitivity = results["probe"]
    assert sensitivity["untouched"] == {
        "mAP": results["ranking"]["mAP"],
        "rank1": results["ranking"]["rank1"],
    }
    assert list(sensitivity["versions"]) == ["blur", "noise"]
    for version in (*sensitivity["versions"].values(), sensitivity["mean"]):
        for side in ("queries", "both"):
            lost = sensitivity["untouched"]["mAP"] - version[side]["mAP"]
            assert version[side]["lost"]["mAP"] == pytest.approx(lost)
    assert sensitivity["query"] == {"images": 6, "never_rewritten": 1}
    # a later evaluation without the probe leaves no chart that would pass for its own
    assert invoke("--checkpoint", path).exit_code == 0
    assert not (out / "probe.png").exists()


def test_complexity_needs_no_checkpoint_and_takes_one(
    checkpoint: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # counting is tested with the network, and takes long
    monkeypatch.setattr(complexity, "count_flops", lambda network, **how: 1234)
    ours = invoke("--complexity").stdout
    assert ours.count("32,411,720") == 2  # the paper's, and ours
    assert "1,234" in ours
    small = invoke("--complexity", "--checkpoint", checkpoint()).stdout
    assert small.count("32,411,720") == 1


def test_notes_that_the_manifest_has_changed(
    checkpoint: Writer, small_manifest: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "set"
    shutil.copytree(small_manifest.parent, copied)
    path = checkpoint(copied / "manifest.csv")
    rows = read_manifest(copied / "manifest.csv")
    write_manifest(copied / "manifest.csv", [row for row in rows if row.pid != 1])
    done = invoke("--checkpoint", path)
    assert done.exit_code == 0
    assert "has changed since" in done.stderr


def leave(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[Any, str]:
    """Run the console script; return its exit code and its errors."""
    monkeypatch.setattr(sys, "argv", ["visnet-eval", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    errors = capsys.readouterr().err.splitlines()
    return left.value.code, "\n".join(line for line in errors if "error:" in line)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Give --checkpoint, or --complexity."),
        (("--checkpoint", "c.pt", "--manifest", "m", "--probe", "p"), 2, "not both"),
        (("--checkpoint", "nowhere.pt"), 10, "nowhere.pt: no such checkpoint"),
        (("--checkpoint", "text.pt"), 10, "error: text.pt: "),
        (("--checkpoint", "c.pt", "--batch-size", "0"), 2, "0 is not in the range x>=1"),
        (("--checkpoint", "c.pt", "--device", "abacus"), 2, "--device abacus"),
        (("--checkpoint", "c.pt", "--manifest", "none.csv"), 7, "none.csv: cannot be read"),
        (("--checkpoint", "c.pt", "--manifest", "train.csv"), 3, "no images of split query and"),
        (("--checkpoint", "c.pt", "--probe", "test.csv"), 3, "not a probe; make one with"),
        (("--checkpoint", "c.pt", "--manifest", "test.csv"), 3, "cannot be read"),
        (("--checkpoint", "c.pt", "--out", "text.pt"), 6, "text.pt: cannot be made"),
    ],
)
def test_tells_what_is_wrong(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    checkpoint: Writer,
    small_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint().replace("c.pt")
    Path("text.pt").write_text("not a checkpoint")
    rows = read_manifest(small_manifest)
    write_manifest("train.csv", [row for row in rows if row.split == "train"])
    write_manifest("test.csv", [row for row in rows if row.split != "train"])  # without its images
    left, errors = leave(capsys, monkeypatch, *arguments)
    assert (left, errors.count("\n")) == (code, 0)
    assert errors.startswith("visnet-eval: error: ")
    assert said in errors


def test_tells_that_the_recorded_manifest_is_gone(
    checkpoint: Writer,
    small_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = tmp_path / "gone.csv"
    shutil.copy(small_manifest, gone)
    path = checkpoint(gone)
    gone.unlink()
    code, errors = leave(capsys, monkeypatch, "--checkpoint", path)
    assert code == 3
    assert "does not exist any more; use --manifest to name the one to evaluate on" in errors


def test_tells_that_the_network_diverged(
    checkpoint: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, errors = leave(capsys, monkeypatch, "--checkpoint", checkpoint(spoilt=True))
    assert code == 11
    assert "has norm nan instead of 1, like 6 of 6" in errors


def test_without_matplotlib_everything_else_is_there(
    checkpoint: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    path = checkpoint()
    done = invoke("--checkpoint", path)
    assert done.exit_code == 0
    assert "pip install matplotlib" in done.stderr
    assert {file.name for file in (path.parent / "evaluation").iterdir()} == {
        "results.json",
        "strips.png",
    }


def test_as_a_process() -> None:
    command = [sys.executable, "-m", "visnet_model.cli.evaluate", "--checkpoint", "nowhere.pt"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 10
    assert done.stderr == "visnet-eval: error: nowhere.pt: no such checkpoint\n"
    assert done.stdout == ""
