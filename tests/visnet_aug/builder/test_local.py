from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest

from visnet_aug.builder import local
from visnet_aug.builder.engine import Context, Item
from visnet_aug.builder.journal import Written
from visnet_aug.builder.local import LocalEngine
from visnet_aug.builder.plan import Kept
from visnet_aug.datasets import read_dataset
from visnet_aug.errors import DatasetError, OutputError, WorkerError
from visnet_aug.processes import default_workers
from visnet_aug.recipe import Recipe


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Recipe(), tmp_path, "clone")


@pytest.fixture(scope="module")
def items(market: Path) -> list[Kept]:
    return [Kept(record, f"{n}.jpg") for n, record in enumerate(read_dataset(market).records)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "CHUNK", 3)


class Log:
    """Notes what was begun and finished."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.finished: list[str] = []

    def begin(self, items: Sequence[Item]) -> None:
        self.begun += [item.path for item in items]

    def finish(self, files: Sequence[Written]) -> None:
        self.finished += [file.path for file in files]


def run(items: Sequence[Kept], context: Context, workers: int = 2) -> Log:
    log = Log()
    LocalEngine(workers).make_files(items, context, begun=log.begin, finished=log.finish)
    return log


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_item_is_begun_and_finished_once(
    items: list[Kept], context: Context, workers: int
) -> None:
    log = run(items, context, workers)
    assert log.begun == [item.path for item in items]
    assert sorted(log.finished) == sorted(log.begun)
    for item in items:
        assert (context.out / item.path).read_bytes() == item.source.path.read_bytes()


def test_nothing_to_do_is_done_at_once(context: Context) -> None:
    assert run([], context).begun == []


def test_an_error_ends_the_run_with_what_was_finished(items: list[Kept], context: Context) -> None:
    (context.out / items[10].path).mkdir()  # cannot be renamed over
    log = Log()
    with pytest.raises(OutputError, match=r"10.jpg: cannot be written"):
        LocalEngine(2).make_files(items, context, begun=log.begin, finished=log.finish)
    assert set(log.finished) <= set(log.begun)
    assert all((context.out / path).is_file() for path in log.finished)
    assert not list(context.out.glob("*.part"))


def test_a_source_that_changed_is_a_named_error(
    context: Context, items: list[Kept], tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = tmp_path_factory.mktemp("set") / "changed.jpg"
    changed.write_bytes(b"not what was read")
    for path, reason in ((changed, "changed since"), (changed / "none", "cannot be read any more")):
        item = Kept(replace(items[0].source, path=path), "x.jpg")
        with pytest.raises(DatasetError, match=reason):
            run([item], context)


def test_a_killed_worker_is_one_clear_error_and_no_hang(
    items: list[Kept], context: Context
) -> None:
    def endless() -> Iterator[Kept]:
        yield from items[:6]
        yield from (Kept(items[0].source, f"more/{n}.jpg") for n in range(10**6))

    (context.out / "more").mkdir()
    log = Log()

    def kill(files: Sequence[Written]) -> None:
        log.finish(files)
        if len(log.finished) == 6:
            for pid in worker_pids():
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"a worker process died.*run the same command again"):
        LocalEngine(2).make_files(endless(), context, begun=log.begin, finished=kill)
    assert all((context.out / path).is_file() for path in log.finished)


def worker_pids() -> list[int]:
    """Return the processes of this test's pool."""
    return [child.pid for child in active_children() if child.pid]


def test_an_interrupt_finishes_and_reports_what_was_going_on(
    items: list[Kept], context: Context
) -> None:
    log = Log()

    def interrupt(files: Sequence[Written]) -> None:
        log.finish(files)
        if len(log.finished) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalEngine(2).make_files(items, context, begun=log.begin, finished=interrupt)
    assert set(log.finished) <= set(log.begun)
    assert all((context.out / path).is_file() for path in log.finished)


def test_an_interrupt_waits_for_images_not_for_chunks(
    items: list[Kept], context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sources are pipes, so that a worker reads an image when the test gives it one."""
    pipes = []
    for n, item in enumerate(items[:3]):
        pipe = tmp_path / f"pipe{n}"
        os.mkfifo(pipe)
        pipes.append(Kept(replace(item.source, path=pipe), item.path))

    given = []

    def interrupt(futures: object, return_when: object) -> None:
        given.append(pipes[0].source.path.open("wb"))  # waits until the worker reads there
        raise KeyboardInterrupt

    class Pool(local.ProcessPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            with given.pop() as pipe:
                pipe.write(items[0].source.path.read_bytes())
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr(local, "wait", interrupt)
    monkeypatch.setattr(local, "ProcessPoolExecutor", Pool)
    log, linking = Log(), replace(context, passthrough="symlink")
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(1).make_files(pipes, linking, begun=log.begin, finished=log.finish)
    assert log.begun == [item.path for item in pipes]
    assert log.finished == [pipes[0].path]
    assert [path.name for path in context.out.glob("*.jpg")] == log.finished


def test_no_worker_outlives_the_run(items: list[Kept], context: Context) -> None:
    run(items, context)
    assert worker_pids() == []


def test_one_process_for_each_processor_by_default() -> None:
    assert 1 <= default_workers() <= (os.cpu_count() or 1)
