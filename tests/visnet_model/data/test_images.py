"""Image sources: the same pixels from memory and from files, and broken files named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from visnet_aug.errors import DatasetError, WorkerError
from visnet_model.data.images import FileImages, MemoryImages, memory_needed
from visnet_model.data.table import ImageTable, read_tables

torch.set_num_threads(1)

SIZES = {
    "one": ((64, 32),),
    "ragged": ((64, 32), (56, 40), (128, 64)),
    "larger": ((128, 64),),
}
INPUTS = [(64, 32), (96, 64), (75, 31)]


@pytest.fixture(scope="module", params=SIZES)
def table(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_set: Callable[..., Path],
) -> ImageTable:
    manifest = write_set(tmp_path_factory.mktemp(request.param), SIZES[request.param])
    return read_tables(manifest)["train"]


@pytest.fixture
def small(tmp_path: Path, write_set: Callable[..., Path]) -> ImageTable:
    return read_tables(write_set(tmp_path))["train"]


@pytest.mark.parametrize(("height", "width"), INPUTS)
def test_memory_and_files_give_the_same_pixels(table: ImageTable, height: int, width: int) -> None:
    rows = np.array([5, 0, 23, 5])
    memory = MemoryImages.load(table, height, width).batch(rows)
    assert memory.dtype == torch.uint8
    assert memory.shape == (4, 3, height, width)
    assert FileImages(table, height, width, workers=0).batch(rows).equal(memory)
    for image, row in zip(memory, rows.tolist(), strict=True):
        decoded = F.pil_to_tensor(Image.open(table.path(row)).convert("RGB"))
        assert image.equal(F.resize(decoded, [height, width], antialias=True))


def test_images_of_one_small_size_are_kept_as_they_are(table: ImageTable) -> None:
    images = MemoryImages.load(table, 96, 64)
    native = {"one": 64 * 32}.get(table.root.name.rstrip("0123456789"), 96 * 64)
    assert images.nbytes == len(table) * 3 * native


def test_the_estimate_of_memory_is_what_is_taken(small: ImageTable) -> None:
    for size in ((96, 64), (64, 32), (63, 64), (32, 16)):
        assert memory_needed(small, *size) == MemoryImages.load(small, *size).nbytes


def test_progress_ends_at_the_number_of_images(small: ImageTable) -> None:
    calls: list[tuple[int, int]] = []
    MemoryImages.load(small, 64, 32, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (24, 24)


def test_memory_gives_batches_in_the_plans_order(small: ImageTable) -> None:
    images = MemoryImages.load(small, 64, 32).to("cpu")
    plan = [np.array([3, 1]), np.array([0])]
    batches = list(images.batches(plan))
    assert [len(batch) for batch in batches] == [2, 1]
    assert batches[0].equal(images.batch(plan[0]))


def _missing(path: Path) -> str:
    path.unlink()
    return "missing"


def _cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-300])
    return "truncated"


def _text(path: Path) -> str:
    path.write_text("not an image")
    return "not an image"


def _empty(path: Path) -> str:
    path.write_bytes(b"")
    return "not an image"


@pytest.mark.parametrize("row", [0, 7])
@pytest.mark.parametrize("spoil", [_missing, _cut, _text, _empty])
def test_an_unreadable_image_is_named(
    small: ImageTable, spoil: Callable[[Path], str], row: int
) -> None:
    problem = spoil(small.path(row))
    for read in (
        lambda: MemoryImages.load(small, 64, 32),
        lambda: FileImages(small, 64, 32, workers=0).batch(np.arange(24)),
        lambda: list(FileImages(small, 64, 32, workers=0).batches([np.arange(24)])),
    ):
        with pytest.raises(DatasetError) as caught:
            read()
        message = str(caught.value)
        assert small.name(row) in message
        assert problem in message
        assert "\n" not in message


def test_of_many_missing_images_a_few_are_named_and_all_counted(small: ImageTable) -> None:
    for row in range(24):
        small.path(row).unlink()
    with pytest.raises(DatasetError, match=r"0009_0\.png \(missing\).* and 21 others"):
        MemoryImages.load(small, 64, 32)


def test_worker_processes_give_the_same_pixels_epoch_after_epoch(small: ImageTable) -> None:
    plan = [np.array([3, 1, 5]), np.array([0, 23]), np.array([7]), np.array([2, 2])]
    alone = FileImages(small, 64, 48, workers=0)
    files = FileImages(small, 64, 48, workers=2)
    expected = [alone.batch(rows) for rows in plan]
    assert all(map(torch.equal, files.batches(plan), expected))
    left = files.batches(plan)  # an epoch that is left early
    assert next(left).equal(expected[0])
    again = list(files.batches(plan[::-1]))
    assert len(again) == 4
    assert all(map(torch.equal, again, expected[::-1]))

    small.path(0).unlink()
    batches = files.batches(plan)
    next(batches)
    with pytest.raises(DatasetError, match=r"0009_0\.png \(missing\)"):
        next(batches)


def test_worker_processes_outlive_an_interrupt_and_are_missed_when_killed(
    small: ImageTable,
) -> None:
    files = FileImages(small, 64, 32, workers=1)
    plan = [np.array([3, 1])] * 50
    expected = next(files.batches(plan))
    (worker,) = files._loader._iterator._workers  # type: ignore[union-attr]
    os.kill(worker.pid, signal.SIGINT)  # Ctrl-C reaches the workers, too
    after = list(files.batches(plan))  # the last ones well after the signal
    assert len(after) == 50
    assert all(batch.equal(expected) for batch in after)
    assert files._loader._iterator._workers == [worker]  # type: ignore[union-attr]

    worker.kill()
    with pytest.raises(WorkerError, match="was killed"):
        list(files.batches(plan))


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from visnet_model.data.images import FileImages
from visnet_model.data.table import read_tables

if __name__ == "__main__":
    files = FileImages(read_tables(Path(sys.argv[1]))["train"], 64, 32, workers=2)
    next(files.batches([np.array([0])] * 50))
    print(*(worker.pid for worker in files._loader._iterator._workers), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_worker_processes_end_with_a_main_process_that_is_killed(
    small: ImageTable, tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    main = subprocess.run(
        [sys.executable, str(script), str(small.root / "manifest.csv")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert main.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in main.stdout.split()]
    assert len(workers) == 2
    limit = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < limit, "workers outlive the main process"
        time.sleep(0.05)
