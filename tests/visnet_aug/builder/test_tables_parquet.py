from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from visnet_aug.builder.build import build
from visnet_aug.errors import OutputError
from visnet_aug.manifest import COLUMNS, read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.verification.verify import verify

RECIPE = Recipe(images=30 + 17)
OPTIONS = {"workers": 1, "parquet": True}


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A build with its manifest as Parquet, to be read only."""
    out = tmp_path_factory.mktemp("parquet") / "aug"
    build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    return out


def test_it_has_the_rows_of_the_manifest_with_their_types(built: Path) -> None:
    table = pl.read_parquet(built / "manifest.parquet")
    assert tuple(table.columns) == COLUMNS
    assert (table.schema["seed"], table.schema["pid"]) == (pl.UInt64, pl.Int64)
    assert (table.schema["intensity"], table.schema["path"]) == (pl.Float64, pl.String)
    rows = read_manifest(built / "manifest.csv")
    for row, found in zip(rows, table.iter_rows(named=True), strict=True):
        if found["params"] is not None:
            found["params"] = json.loads(found["params"])
        assert found == {name: getattr(row, name) for name in COLUMNS}
    assert any(row.seed is not None and row.seed >= 2**63 for row in rows)


def test_a_finished_build_gets_one_and_nothing_else_is_made(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert not (out / "manifest.parquet").exists()
    result = build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert (result.was_there, result.made) == (True, 0)
    there, here = (pl.read_parquet(root / "manifest.parquet") for root in (built, out))
    assert there.equals(here)
    assert verify(out, workers=1, quick=True).sound


def test_it_goes_with_the_build_that_it_belongs_to(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    build(market, out, recipe=RECIPE.replace(seed=1), workers=1, force=True, segmenter=ellipses)
    assert not (out / "manifest.parquet").exists()


def foreign(path: Path) -> None:
    pl.DataFrame({"path": ["elsewhere.jpg"]}).write_parquet(path)


def stale(path: Path) -> None:
    table = pl.read_parquet(path)
    table.with_columns(pid=pl.col("pid") + 1).write_parquet(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (foreign, "differs from manifest.csv; build --parquet writes it again"),
        (stale, "differs from manifest.csv; build --parquet writes it again"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "differs from manifest.csv"),
        (lambda path: path.write_bytes(b""), "differs from manifest.csv"),
        (folder, "differs from manifest.csv"),
    ],
    ids=["of another set", "stale", "torn", "empty", "a folder"],
)
def test_one_that_says_other_things_is_found(
    built: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    out = tmp_path / "aug"
    shutil.copytree(built, out)
    assert verify(out, workers=1, quick=True).sound
    damage(out / "manifest.parquet")
    (problem,) = verify(out, workers=1, quick=True).problems
    assert problem.kind == "tables"
    assert problem.text.startswith(f"manifest.parquet: {says}")


def test_a_folder_in_its_place_is_no_traceback(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    (out / "manifest.parquet").mkdir()
    with pytest.raises(OutputError, match=r"manifest.parquet: cannot be written"):
        build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
