from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from visnet_aug.progress import silent
from visnet_model.data import keeping as room
from visnet_model.data.images import FileImages, MemoryImages
from visnet_model.data.keeping import Keeping, open_images
from visnet_model.data.settings import DataSettings
from visnet_model.data.table import ImageTable, read_tables

DATA = DataSettings(height=32, width=32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def table(small_manifest: Path) -> ImageTable:
    return read_tables(small_manifest)["train"]


@pytest.mark.parametrize(
    ("keeping", "available", "expected"),
    [
        ("auto", "1000000 kB", MemoryImages),
        ("auto", "1 kB", FileImages),
        ("memory", "1 kB", MemoryImages),
        ("files", "1000000 kB", FileImages),
    ],
)
def test_images_are_kept_where_there_is_room(
    table: ImageTable,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    keeping: Keeping,
    available: str,
    expected: type,
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 9 kB\nMemFree: 0 kB\nMemAvailable:   {available}\n")
    monkeypatch.setattr(room, "MEMINFO", meminfo)
    images = open_images(table, DATA, keeping, CPU, silent, "train")
    assert type(images) is expected
    assert len(images) == len(table)


def test_elsewhere_half_of_all_memory_counts(
    table: ImageTable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "none")
    assert type(open_images(table, DATA, "auto", CPU, silent, "train")) is MemoryImages


def test_both_give_the_same_pixels(table: ImageTable) -> None:
    rows = np.array([3, 0, 7])
    one, other = (
        open_images(table, DATA, keeping, CPU, silent, "train").batch(rows)
        for keeping in ("memory", "files")
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("limit", "free"),
    [("max\n", 4096 * 1024), ("3000000\n", 2_000_000), ("9000000\n", 4096 * 1024)],
)
def test_a_containers_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, free: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 4096 kB\n")
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.stat").write_text("anon 1000000\nfile 5000000\n")
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "CONTAINER", tmp_path)
    assert room._free_memory() == free
