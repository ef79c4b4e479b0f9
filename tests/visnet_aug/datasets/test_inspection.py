from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from visnet_aug import processes
from visnet_aug.datasets import inspection
from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.inspection import Source, inspect_files
from visnet_aug.datasets.record import Region
from visnet_aug.datasets.sources import Look, SourceImage, inspect_source
from visnet_aug.errors import WorkerError


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """Nine images, of which the fifth is damaged and the seventh missing; two boxes of the last."""
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8 + number, 16)).save(path)
    paths[4].write_bytes(b"no image")
    paths[6].unlink()
    boxes = (Region(0, 0, 4, 4), Region(2, 2, 9, 9))
    return [(str(path), (None,)) for path in paths[:-1]] + [(str(paths[-1]), boxes)]


def test_processes_find_what_one_process_finds(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = list(inspect_files(sources, Look()))
    monkeypatch.setattr(inspection, "WORTHWHILE", 0)
    monkeypatch.setattr(inspection, "_CHUNK", 2)
    assert list(inspect_files(sources, Look(), workers=2)) == alone
    found = [image for of_file in alone for image in of_file]
    assert [type(image) for image in found].count(SourceImage) == 8
    assert [image.reason for image in found if isinstance(image, UnusableImage)] == [
        "not_an_image",
        "unreadable",
    ]


def test_few_files_start_no_process(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(inspection, "spread")
    look = Look(hashed=True)
    assert list(inspect_files(sources, look, workers=8)) == [
        inspect_source(Path(path), regions, look) for path, regions in sources
    ]


def test_a_worker_that_dies_is_an_error(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "WORTHWHILE", 0)
    monkeypatch.setattr(processes, "follow_main", partial(os._exit, 1))
    with pytest.raises(WorkerError, match="a worker process died"):
        list(inspect_files(sources, Look(), workers=2))
