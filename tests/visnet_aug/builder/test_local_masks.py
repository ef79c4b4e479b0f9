from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest
from fake_segmenters import Fake, Gregarious, Loud, Unloadable

from visnet_aug.builder import local
from visnet_aug.builder.local import run_batches
from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.errors import DatasetError, WeightsError, WorkerError
from visnet_aug.masks.store import MaskEntry
from visnet_aug.masks.worker import MaskBatch

BATCH = 3


@pytest.fixture(scope="module")
def batches(market: Path) -> list[MaskBatch]:
    records = read_dataset(market).split("train")
    cut = [records[n : n + BATCH] for n in range(0, len(records), BATCH)]
    return [MaskBatch(batch, {r.stem: f"{n:064}" for r in batch}) for n, batch in enumerate(cut)]


class Log:
    """Notes what was made ready and finished."""

    def __init__(self, on_finish: Callable[[], object] = lambda: None) -> None:
        self.ready = 0
        self.entries: list[MaskEntry] = []
        self._on_finish = on_finish

    def begin(self) -> None:
        assert not self.entries
        self.ready += 1

    def finish(self, entries: Sequence[MaskEntry]) -> None:
        self.entries += entries
        self._on_finish()


def run(
    batches: Sequence[MaskBatch],
    out: Path,
    load: Callable[[], Fake] = Gregarious,
    workers: int = 2,
    log: Log | None = None,
) -> list[MaskEntry]:
    log = log or Log()
    run_batches(batches, load, out, workers, log.begin, log.finish)
    assert log.ready == 1
    return sorted(log.entries, key=lambda entry: entry.stem)


def pids(entries: Sequence[MaskEntry]) -> set[int]:
    """Return the processes that `Loud` segmenters were in."""
    return {round(entry.confidence * 10**6) for entry in entries}


def files(out: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (out / "masks").glob("*")}


@pytest.mark.parametrize("workers", [2, 3, 9])
def test_any_number_of_processes_gives_the_same_masks(
    batches: list[MaskBatch], tmp_path: Path, workers: int
) -> None:
    alone = run(batches, tmp_path / "alone", workers=1)
    assert [entry.stem for entry in alone] == sorted(r.stem for b in batches for r in b.records)
    assert run(batches, tmp_path / "many", workers=workers) == alone
    assert files(tmp_path / "many") == files(tmp_path / "alone")


@pytest.mark.parametrize("can_fork", [True, False])
def test_processes_are_as_many_as_asked_for(
    batches: list[MaskBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_fork: bool
) -> None:
    monkeypatch.setattr(local, "_CAN_FORK", can_fork)
    waiting = partial(Loud, peers=2, place=tmp_path)
    assert len(pids(run(batches, tmp_path, waiting, workers=2))) == 2
    assert len(pids(run(batches, tmp_path, Loud, workers=1))) == 1


@pytest.mark.parametrize("can_fork", [True, False])
def test_no_process_outlives_the_stage(
    batches: list[MaskBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_fork: bool
) -> None:
    monkeypatch.setattr(local, "_CAN_FORK", can_fork)
    for pid in pids(run(batches, tmp_path, partial(Loud, peers=3, place=tmp_path), workers=3)):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_gpu_is_used_by_one_process(batches: list[MaskBatch], tmp_path: Path) -> None:
    assert len(pids(run(batches, tmp_path, partial(Loud, on_cpu=False), workers=3))) == 1


def test_only_masks_that_are_wanted_are_stored(batches: list[MaskBatch], tmp_path: Path) -> None:
    wanted = batches[1].records[0].stem
    (entry,) = run([replace(batches[1], keys={wanted: "0" * 64})], tmp_path)
    assert entry in run(
        [replace(batches[1], keys=dict.fromkeys(batches[1].keys, "0" * 64))], tmp_path / "all"
    )
    assert list(files(tmp_path)) == [wanted]


def test_what_cannot_be_loaded_is_told_before_anything_is_touched(
    batches: list[MaskBatch], tmp_path: Path
) -> None:
    log = Log()
    with pytest.raises(WeightsError, match=r"broken\.pt: not weights"):
        run(batches, tmp_path, Unloadable, log=log)
    assert (log.ready, log.entries) == (0, [])
    assert not (tmp_path / "masks").exists()


def test_an_image_that_changed_is_named_and_the_other_batches_are_kept(
    batches: list[MaskBatch], tmp_path: Path
) -> None:
    def other(record: ImageRecord) -> ImageRecord:
        return replace(record, sha256="0" * 64)

    bad = replace(batches[0], records=tuple(map(other, batches[0].records)))
    log = Log()
    with pytest.raises(DatasetError, match="changed since the dataset was read"):
        run([bad, *batches[1:]], tmp_path, log=log)
    assert {entry.stem for entry in log.entries} == files(tmp_path).keys()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_process_is_one_clear_error_and_loses_its_own_batch_alone(
    batches: list[MaskBatch], tmp_path: Path, workers: int
) -> None:
    def kill() -> None:
        if len(log.entries) == BATCH:
            os.kill(pids(log.entries).pop(), signal.SIGKILL)

    log = Log(kill)
    with pytest.raises(WorkerError, match=r"a worker process died.*run the same command again"):
        run(batches * 20, tmp_path, Loud, workers, log)
    assert BATCH <= len(log.entries) < BATCH * len(batches) * 20
    assert active_children() == []


def test_an_interrupt_finishes_and_reports_what_was_going_on(
    batches: list[MaskBatch], tmp_path: Path
) -> None:
    def interrupt() -> None:
        if len(log.entries) == 2 * BATCH:
            raise KeyboardInterrupt

    log = Log(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(batches * 20, tmp_path, log=log)
    assert 2 * BATCH <= len(log.entries) <= 4 * BATCH
    assert {entry.stem for entry in log.entries} == files(tmp_path).keys()
    assert active_children() == []
