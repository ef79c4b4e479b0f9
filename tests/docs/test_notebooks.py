"""The notebooks run from top to bottom, and their pages are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="notebooks are not installed")

from docsite.notebooks import FOLDER, page, run

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"augment_your_crops", "evaluate_your_features"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parents[1]))
    done = run(path)
    assert all(cell.outputs for cell in done.cells[-2:] if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_is_its_notebook(path: Path) -> None:
    for file, data in page(path).items():
        assert file.read_bytes() == data, f"{file.name}: run python -m docsite.notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small(path: Path) -> None:
    assert path.stat().st_size < 300_000
