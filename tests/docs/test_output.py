"""The page of tables speaks of every file of a built set, and its examples of reading work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from visnet_aug.builder.build import build
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe

PAGE = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LIBRARIES = [re.search(r"(pandas|polars|visnet_aug)", snippet) for snippet in SNIPPETS]


@pytest.fixture(scope="module")
def aug(market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small set."""
    out = tmp_path_factory.mktemp("built") / "aug"
    build(market, out, recipe=Recipe(), workers=1, segmenter=ellipses)
    return out


def test_every_file_beside_the_images_is_described(aug: Path) -> None:
    files = [path.name for path in aug.iterdir() if path.is_file()]
    assert {"manifest.csv", "build.json"} <= set(files)
    assert [name for name in files if name not in PAGE] == []


def test_every_key_of_build_json_is_described(aug: Path) -> None:
    described = PAGE[PAGE.index("## build.json") : PAGE.index("## Other files")]
    keys = json.loads((aug / "build.json").read_text())
    assert [key for key in keys if f"`{key}`" not in described] == []


@pytest.mark.parametrize(
    ("library", "snippet"),
    [(found[1], text) for found, text in zip(LIBRARIES, SNIPPETS, strict=True) if found],
)
def test_examples_of_reading_work(aug: Path, library: str, snippet: str) -> None:
    pytest.importorskip(library)
    done = subprocess.run(
        [sys.executable, "-c", f"{snippet}\nprint('rows:', len(rows))"],
        cwd=aug.parent, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = len((aug / "manifest.csv").read_text().splitlines()) - 1
    assert f"rows: {rows}" in done.stdout
