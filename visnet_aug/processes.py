"""Worker processes: what each does first, and how chunks of work are spread over some of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Final, TypeVar

from visnet_aug.errors import WorkerError

WORKER_DIED: Final = (
    "a worker process died, most often for want of memory; run the same command again, with fewer "
    "--workers if it happens again"
)

_Chunk = TypeVar("_Chunk")
_Result = TypeVar("_Result")


def follow_main() -> None:
    """Ignore Ctrl-C, and end this process when the main one is gone, however it went.

    Ctrl-C reaches every process of the terminal: the main one alone decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_main, daemon=True).start()


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    work: Callable[[_Chunk], _Result],
    chunks: Iterable[_Chunk],
    workers: int,
    preload: str | None = None,
) -> Generator[_Result]:
    """Do work on chunks in processes that ignore Ctrl-C and end with this one.

    Who may leave before the last result closes the generator: chunks under way are finished then.

    Args:
        work: A function that can be pickled.
        chunks: Each one message to a worker, worth some 10 ms of work or more.
        workers: Number of processes; 1 for none but this one.
        preload: Module that workers are forked with, where the system can fork; OpenCV has one
            thread in each. ``None`` starts them afresh and without OpenCV: there is one server to
            fork from in a process, and what comes later wants it with its own modules.

    Yields:
        What came of each chunk, in order.

    Raises:
        WorkerError: A worker process died.
    """
    if workers == 1:
        yield from map(work, chunks)
        return
    if preload is None:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), follow_main)
    else:
        pool = ProcessPoolExecutor(workers, worker_context(preload), _start)
    try:
        with deaf_from_birth():
            results = pool.map(work, chunks)
        yield from results
    except BrokenProcessPool as error:
        raise WorkerError(WORKER_DIED) from error
    finally:
        pool.shutdown(cancel_futures=True)


def worker_context(preload: str) -> multiprocessing.context.BaseContext:
    """Choose how worker processes start: forked from a server process where the system can fork.

    The server is started, and not waited for.

    Args:
        preload: Module that the server imports before it forks, if it does not run yet.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver  # there is none on Windows

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    with deaf_from_birth():
        forkserver.ensure_running()
    return context


@contextmanager
def deaf_from_birth() -> Iterator[None]:
    """Start processes inside that Ctrl-C does not reach before they come to ignore it.

    They inherit a blocked signal. This process hears it when the context is left, or at once if it
    has other threads.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    from multiprocessing import resource_tracker  # there is none on Windows

    resource_tracker.ensure_running()  # when it has to be started, it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start() -> None:
    """Prepare a worker process, which leaves Ctrl-C to the main one and ends with it."""
    follow_main()
    import cv2

    cv2.setNumThreads(1)


def _leave_with_main() -> None:
    main = multiprocessing.parent_process()
    if main is not None:
        wait([main.sentinel])
        os._exit(1)
