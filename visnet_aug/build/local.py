"""Runs items on the processors of this machine.

The processes are forked from a server process that has imported the rendering code once. They
get chunks of items (a few kilobytes), read images and masks themselves, write the files
themselves, and hand back a line for each.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from visnet_aug.build.journal import Written
from visnet_aug.build.lock import share
from visnet_aug.build.passthrough import Passthrough
from visnet_aug.build.plan import Kept, Task
from visnet_aug.errors import WorkerError
from visnet_aug.processes import follow_main
from visnet_aug.recipe import Recipe

if TYPE_CHECKING:
    from visnet_aug.build.worker import Worker

Item: TypeAlias = Kept | Task

CHUNK = 32
"""Items per message: 10 ms of work or more, against 0.2 ms for the message."""

AHEAD = 4
"""Chunks per worker that are handed out at once: enough that none waits, few enough that an
interrupt is over soon."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all items of a build share.

    Attributes:
        recipe: What is built.
        out: The output folder, which holds the masks.
        passthrough: How untouched images get there.
    """

    recipe: Recipe
    out: Path
    passthrough: Passthrough


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_items(
    items: Iterable[Item],
    context: Context,
    workers: int,
    *,
    begun: Callable[[Sequence[Item]], None],
    finished: Callable[[Sequence[Written]], None],
) -> None:
    """Make the files of all items.

    Whatever ends the run early, an interrupt included, the images that were being worked on are
    finished and reported first.

    Args:
        items: What to make, in the order in which it is handed out.
        context: What they share.
        workers: Number of processes.
        begun: Called with the items of a chunk before a worker gets them.
        finished: Called with the files of a chunk when they are written.

    Raises:
        DatasetError: A source vanished or changed since the dataset was read.
        OutputError: A file cannot be written.
        WorkerError: A worker died.
    """
    chunks = _chunks(items)
    pending: set[Future[list[Written]]] = set()
    processes = _processes()
    stop, stopper = processes.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, processes, _start, (context, stop))
    try:
        while True:
            for chunk in islice(chunks, AHEAD * workers - len(pending)):
                begun(chunk)
                pending.add(pool.submit(_make, chunk))
            if not pending:
                break
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                finished(future.result())
                pending.remove(future)
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process died, most often for want of memory; run the same command again "
            "to go on, with fewer --workers if it happens again"
        ) from error
    finally:
        stopper.close()  # tells the workers to leave the rest of their chunks
        pool.shutdown(cancel_futures=True)
        stop.close()
        for future in pending:
            if not future.cancelled() and future.exception() is None:
                finished(future.result())


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into chunks."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _processes() -> multiprocessing.context.BaseContext:
    """Choose how processes start: forked from a server that has imported what they need."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["visnet_aug.build.preload"])
    return context


_worker: Worker | None = None
_stop: Connection | None = None
_lock: IO[bytes] | None = None
"""This process's worker, how it learns that it is to stop, and its share of the folder's lock;
only ever set in worker processes."""


def _start(context: Context, stop: Connection) -> None:
    """Prepare a worker process."""
    follow_main()
    import visnet_aug.build.preload  # noqa: F401  (forked processes have it already)
    from visnet_aug.build.worker import Worker

    global _worker, _stop, _lock
    _worker, _stop, _lock = Worker(context), stop, share(context.out)


def _make(items: Sequence[Item]) -> list[Written]:
    """Make files one after the other; fewer than asked for if the run is at its end."""
    assert _worker is not None, "the pool calls _start first"
    assert _stop is not None
    written: list[Written] = []
    for item in items:
        if _stop.poll():  # closed at the other end, on purpose or by a kill
            break
        written += _worker.make(item)
    return written
