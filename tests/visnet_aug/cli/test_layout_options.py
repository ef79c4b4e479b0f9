"""How the dataset is arranged, as the command line asks and tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crops(tmp_path: Path, jpeg: Callable[..., bytes]) -> Path:
    """Four training images of two people, and a table of them."""
    lines = ["path,pid,camid,split"]
    for seed, (pid, camid) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)]):
        path = tmp_path / f"crops/{pid}/cam{camid}_.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed))
        lines.append(f"{pid}/cam{camid}_.jpg,{pid},{camid},train")
    (tmp_path / "crops/labels.csv").write_text("\n".join(lines))
    return tmp_path / "crops"


def test_what_is_recognised_is_told_with_why(run: Run, market: Path, tmp_path: Path) -> None:
    code, out, _ = run("build", "--src", market, "--out", tmp_path / "aug", "--dry-run")
    assert code == 0
    assert out.startswith(
        "layout market1501, recognised by bounding_box_train, query, bounding_box_test with names "
        "like 0001_c1s1_001011_00.jpg\n"
    )
    told = ("--layout", "market1501", "--dry-run")
    code, out, _ = run("build", "--src", market, "--out", tmp_path / "aug", *told)
    assert (code, "recognised" in out) == (0, False)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--table", "labels.csv"),
        ("--layout", "table", "--table", "labels.csv"),
        ("--pattern", r"(?P<pid>\d+)/cam(?P<camid>\d+)_.*"),
    ],
)
def test_any_images_can_be_read(run: Run, crops: Path, options: Sequence[str]) -> None:
    out = crops.parent / "aug"
    code, text, _ = run("build", "--src", crops, "--out", out, *options, "--dry-run")
    assert code == 0
    assert "4 originals + 2 copies + 0 query + 0 gallery = 6" in text
    assert "gallery  " not in text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--layout", "market1501"), 3, "no bounding_box_train nor query nor bounding_box_test"),
        (("--layout", "duke"), 2, "layout: unknown layout 'duke'; known are auto, market1501"),
        (("--layout", "msmt17"), 3, "no list_train.txt nor list_query.txt nor list_gallery.txt"),
        (("--layout", "table"), 2, "table: the layout table needs one"),
        (("--layout", "msmt17", "--table", "labels.csv"), 2, "given, but the layout is msmt17"),
        (("--table", "other.csv"), 3, "other.csv: no such file, here or in "),
        (("--pattern", "("), 2, "not a regular expression"),
        (("--pattern", r"(?P<pid>\d+)-(?P<camid>\d)"), 3, "none of the 4 images, such as '1/cam1"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    run: Run, crops: Path, options: Sequence[str], code: int, message: str
) -> None:
    found, _, err = run("build", "--src", crops, "--out", crops.parent / "aug", *options)
    assert found == code
    (line,) = (line for line in err.splitlines() if line.startswith("visnet-aug: error:"))
    assert message in line
    assert not (crops.parent / "aug").exists()


def test_vehicles_want_other_weights(run: Run, crops: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "vehicles.yaml"
    recipe.write_text("build:\n  masks: {classes: [car, bus]}\n")
    arguments = ("--src", crops, "--out", tmp_path / "aug", "--table", "labels.csv")
    code, _, err = run("build", *arguments, "--recipe", recipe)
    assert code == 5
    assert "no class 'car'; it knows person; set masks: classes:" in err
