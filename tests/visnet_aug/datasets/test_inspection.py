from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from visnet_aug import processes
from visnet_aug.datasets import inspection
from visnet_aug.datasets.images import UnusableImage, UsableImage, inspect_image
from visnet_aug.datasets.inspection import inspect_files
from visnet_aug.errors import WorkerError


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Nine images, of which the fifth is damaged and the seventh missing."""
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8 + number, 16)).save(path)
    paths[4].write_bytes(b"no image")
    paths[6].unlink()
    return [str(path) for path in paths]


def test_processes_find_what_one_process_finds(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = list(inspect_files(paths))
    monkeypatch.setattr(inspection, "WORTHWHILE", 0)
    monkeypatch.setattr(inspection, "_CHUNK", 2)
    assert list(inspect_files(paths, workers=2)) == alone
    assert [type(found) for found in alone].count(UsableImage) == 7
    assert [found.reason for found in alone if isinstance(found, UnusableImage)] == [
        "not_an_image",
        "unreadable",
    ]


def test_few_files_start_no_process(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(inspection, "spread")
    assert list(inspect_files(paths, workers=8)) == [inspect_image(Path(path)) for path in paths]


def test_a_worker_that_dies_is_an_error(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "WORTHWHILE", 0)
    monkeypatch.setattr(processes, "follow_main", partial(os._exit, 1))
    with pytest.raises(WorkerError, match="a worker process died"):
        list(inspect_files(paths, workers=2))
