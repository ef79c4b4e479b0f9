"""``visnet-aug preview`` with the bundled weights, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visnet_aug.datasets.drawn import draw_sample


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person."""
    path = tmp_path_factory.mktemp("pictures") / "person.png"
    Image.fromarray(draw_sample(12, 1, np.random.default_rng(3)).image).save(path)
    return path


@pytest.mark.parametrize(
    ("options", "rows"), [((), 1), (("--grid",), 6), (("--grid", "--family", "blur"), 2)]
)
def test_a_sheet_is_written_and_the_person_found(
    run: Any, person: Path, tmp_path: Path, options: tuple[str, ...], rows: int
) -> None:
    to = tmp_path / "tries.png"
    code, out, err = run("preview", person, "--to", to, *options)
    assert (code, err) == (0, "")
    found, written = out.splitlines()
    number = r"0\.\d\d"
    said = rf"{person}: mask on \d\d% of it, confidence {number}, quality {number}"
    assert re.fullmatch(said, found)
    assert written == str(to)
    with Image.open(to) as sheet:
        assert rows * 256 < sheet.height < (rows + 2) * 300


def test_recipe_and_seed_decide_what_is_drawn(run: Any, person: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("build: {backgrounds: {other: {rain: {transform: RandomRain}}}}\n")
    drawn = {}
    for name, options in {
        "default": (),
        "again": ("--seed", "0"),
        "seed": ("--seed", "1"),
        "recipe": ("--recipe", recipe),
    }.items():
        run("preview", person, "--to", tmp_path / f"{name}.png", *options)
        drawn[name] = (tmp_path / f"{name}.png").read_bytes()
    assert drawn["default"] == drawn["again"]
    assert len({*drawn.values()}) == 3
    with Image.open(tmp_path / "recipe.png") as wide, Image.open(tmp_path / "seed.png") as narrow:
        assert wide.width > narrow.width


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("PERSON",), 2, "Missing option '--to'"),
        (("--to", "OUT.png"), 2, "Missing argument 'IMAGE...'"),
        (("PERSON", "--to", "OUT.jpg"), 2, "a sheet is a PNG; give it a name that says so"),
        (("PERSON", "--to", "OUT.png", "--grid", "--intensity", "1"), 2, "leave --intensity out"),
        (("PERSON", "--to", "OUT.png", "--intensity", "2"), 2, "'--intensity': 2.0 is not in"),
        (("PERSON", "--to", "OUT.png", "--family", "fog"), 2, "'fog' is unknown: have color_shift"),
        (("PERSON", "--to", "OUT.png", "--weights", "no.pt"), 5, "no.pt: no such file"),
        (("GONE", "--to", "OUT.png"), 3, "GONE: No such file"),
        (("PERSON", "--to", "PERSON"), 6, "is one of the pictures"),
        (("PERSON", "--to", "GONE/OUT.png"), 6, "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    run: Any,
    person: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(person) if word == "PERSON" else word for word in arguments]
    found, out, err = run("preview", *given)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
