"""The manifest as arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from visnet_aug.errors import ManifestError
from visnet_model.data.table import identity_labels, read_tables


@pytest.fixture
def manifest(tmp_path: Path, write_set: Callable[..., Path]) -> Path:
    return write_set(tmp_path)


def test_rows_become_one_table_per_split(manifest: Path) -> None:
    tables = read_tables(manifest)
    assert {split: len(table) for split, table in tables.items()} == {"train": 24, "query": 2}
    train = tables["train"]
    assert train.name(1) == "train/0009_0_1_noise.png"
    assert train.path(1) == manifest.parent / "train/0009_0_1_noise.png"
    assert train.path(1).is_file()
    assert train.pids[:9].tolist() == [9] * 8 + [3]
    assert train.camids[:9].tolist() == [2] * 9
    assert train.augmented[:4].tolist() == [False, True, False, True]
    assert train.families[:3].tolist() == ["", "noise", ""]
    assert {column.dtype for column in (train.pids, train.camids, train.sources)} == {
        np.dtype(np.int64)
    }


def test_a_copy_has_its_sources_number_and_nobody_elses(manifest: Path) -> None:
    tables = read_tables(manifest)
    sources = tables["train"].sources
    assert (sources[::2] == sources[1::2]).all()
    assert len(np.unique(sources)) == 12
    assert not set(sources) & set(tables["query"].sources)


def test_rows_are_taken_by_position_and_by_condition(manifest: Path) -> None:
    train = read_tables(manifest)["train"]
    copies = train.take(train.augmented)
    assert len(copies) == 12
    assert copies.families.tolist() == ["noise"] * 12
    assert copies.take([3]).name(0) == train.name(7)
    assert copies.root == train.root


def test_a_damaged_manifest_is_refused(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes()[:-3])
    with pytest.raises(ManifestError, match="row 27"):
        read_tables(manifest)


def test_identities_are_numbered_in_ascending_order() -> None:
    labels, pids = identity_labels([9, 3, 40, 3])
    assert labels.tolist() == [1, 0, 2, 0]
    assert pids.tolist() == [3, 9, 40]
    assert labels.dtype == pids.dtype == np.int64
