from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from visnet_aug.builder.build import build
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("finished") / "aug"
    build(market, out, recipe=Recipe(images=34), workers=1, segmenter=ellipses)
    return out


def copy(root: Path) -> str:
    rows = read_manifest(root / "manifest.csv")
    return next(row.path for row in rows if row.kind == "augmented")


def test_a_sound_build_is_said_to_be(run: Run, finished: Path) -> None:
    code, out, _ = run("verify", finished, "--workers", 1)
    assert code == 0
    assert out.splitlines()[0] == "ok  the tables are those that build.json lists"
    assert out.splitlines()[-1] == f"{finished}: build of 34 images: sound"
    assert (
        "--  not checked: every person is the same as in the source"
        in run("verify", finished, "--quick", "--workers", 1)[1].splitlines()
    )


def test_what_is_wrong_is_listed_and_the_code_is_1(
    run: Run, finished: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(finished, tmp_path / "aug")
    (root / copy(finished)).unlink()
    code, out, _ = run("verify", root, "--workers", 1)
    assert code == 1
    assert f"      {copy(finished)}: No such file or directory" in out.splitlines()
    code, out, _ = run("verify", root, "--workers", 1, "--json")
    report = json.loads(out)
    assert (code, report["sound"], set(report["problems"])) == (1, False, {"missing"})


def test_json_is_all_there_is_on_the_output(run: Run, finished: Path) -> None:
    code, out, _ = run("verify", finished, "--json", "--workers", 1)
    report = json.loads(out)
    assert code == 0
    assert report["format"] == 1
    assert (report["product"], report["images"], report["problems"]) == ("build", 34, {})
    assert report["foreground"][0]["copies"] == 4


def test_a_replay_says_what_it_found(run: Run, finished: Path, tmp_path: Path) -> None:
    path = copy(finished)
    assert run("replay", finished, path) == (0, f"ok  {path}: the same bytes\n", "")
    root = shutil.copytree(finished, tmp_path / "aug")
    (root / path).write_bytes(b"other")
    code, out, _ = run("replay", root, path)
    assert (code, out) == (1, f"!!  {path}: the bytes of its record, but the file has others\n")


def test_variations_are_written_where_asked(run: Run, finished: Path, tmp_path: Path) -> None:
    path = copy(finished)
    code, out, _ = run("replay", finished, path, "--to", tmp_path / "to", "--intensity", 1)
    assert (code, out.startswith(f"ok  {path}: a variation (")) == (0, True)
    assert len([file for file in (tmp_path / "to").rglob("*") if file.is_file()]) == 1
    code, _, err = run("replay", finished, path, "--family", "blur")
    assert (code, "give --to, too" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["verify", "{none}"], 6, "no such folder"),
        (["verify", "{market}"], 6, "no manifest.csv"),
        (["verify", "{out}", "--src", "{none}"], 3, "no such folder"),
        (["replay", "{none}", "x"], 6, "no such folder"),
        (["replay", "{out}", "x"], 2, "no copy"),
        (["replay", "{out}"], 2, "Missing argument"),
        (["replay", "{out}", "*", "--to", "{out}/x"], 6, "inside the build"),
        (["replay", "{out}", "*", "--to", "{none}", "--family", "fog"], 2, "fog"),
    ],
)
def test_errors_are_one_line_with_their_code(
    run: Run, finished: Path, market: Path, tmp_path: Path,
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    names = {"none": tmp_path / "none", "market": market, "out": finished}
    left, out, err = run(*(argument.format(**names) for argument in arguments))
    assert (left, out) == (code, "")
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("visnet-aug: error: ")
    assert "Traceback" not in err
