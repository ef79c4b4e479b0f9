"""``croissant.json`` as MLCommons' own reader sees it."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visnet_aug import RELEASED
from visnet_aug.builder.rows import UNTOUCHED
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.manifest import COLUMNS, read_manifest

mlcroissant = pytest.importorskip("mlcroissant", reason="pip install 'visnet[dev]' has it")

KINDS = ["default", "published", "probe", "shards"]


def records(root: Path, record_set: str) -> list[dict[str, Any]]:
    """Read a record set, its texts as text and its fields without the set's name."""
    found = mlcroissant.Dataset(str(root / "croissant.json")).records(record_set)
    return [
        {
            name.removeprefix(f"{record_set}/"): v.decode() if isinstance(v, bytes) else v
            for name, v in record.items()
        }
        for record in found
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_valid_without_warnings(
    sets: dict[str, Path], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(str(sets[kind] / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    assert caplog.records == []


@pytest.mark.parametrize("kind", KINDS)
def test_its_records_are_the_manifest(sets: dict[str, Path], kind: str) -> None:
    rows = [asdict(row) for row in read_manifest(sets[kind] / "manifest.csv")]
    for row in rows:
        row["params"] = row["params"] and json.dumps(row["params"], sort_keys=True)
        del row["seed"]
    found = records(sets[kind], "manifest")
    for record in found:
        record["params"] = record["params"] and json.dumps(
            json.loads(record["params"]), sort_keys=True
        )
    assert found == rows
    assert set(found[0]) == set(COLUMNS) - {"seed"}


@pytest.mark.parametrize("kind", ["default", "published", "probe"])
def test_each_folder_is_a_record_set_with_pixels(sets: dict[str, Path], kind: str) -> None:
    root = sets[kind]
    folders: dict[str, list[str]] = {}
    rows = {row.path: row for row in read_manifest(root / "manifest.csv")}
    for path in rows:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, paths in folders.items():
        found = records(root, folder)
        assert [f"{folder}/{record['file_name']}" for record in found] == paths
        for path, record in zip(paths, found, strict=True):
            pixels = decode_rgb((root / path).read_bytes())
            np.testing.assert_array_equal(np.array(record["image"]), pixels)
            assert (record["pid"], record["family"]) == (
                rows[path].pid,
                rows[path].family or UNTOUCHED,
            )


def test_shards_are_listed_with_their_checksums(sets: dict[str, Path]) -> None:
    tars = {
        f"shards/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (sets["shards"] / "shards").glob("*.tar")
    }
    document = json.loads((sets["shards"] / "croissant.json").read_text())
    files = {file["@id"]: file["sha256"] for file in document["distribution"]}
    assert len(tars) == 5
    assert {path: digest for path, digest in files.items() if path != "manifest.csv"} == tars


def test_a_table_that_was_changed_is_refused(sets: dict[str, Path], tmp_path: Path) -> None:
    for name in ("croissant.json", "manifest.csv"):
        (tmp_path / name).write_bytes((sets["default"] / name).read_bytes())
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write("more\n")
    with pytest.raises(Exception, match=r"Download\(manifest.csv\)") as caught:
        records(tmp_path, "manifest")
    assert "is not identical with the reference" in str(caught.value.__cause__)


def test_it_says_nothing_of_where_and_when_it_was_written(sets: dict[str, Path]) -> None:
    text = (sets["default"] / "croissant.json").read_text()
    assert str(sets["default"].parent) not in text
    assert json.loads(text)["datePublished"] == RELEASED
