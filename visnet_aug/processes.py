"""Worker processes: how they start and end, and how work is spread over them."""

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
    "a worker process died, most often because memory ran out; run the same command again, with "
    "fewer --workers if it happens again"
)

_Chunk = TypeVar("_Chunk")
_Result = TypeVar("_Result")


def follow_main() -> None:
    """Ignore Ctrl-C, and end this process when the main one is gone, however it ended.

    Ctrl-C reaches every process of the terminal, but only the main one handles it.
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
    """Apply a function to chunks in processes that ignore Ctrl-C and end with this one.

    A caller that may stop before the last result closes the generator, which finishes the chunks
    in progress.

    Args:
        work: A function that can be pickled.
        chunks: Each one message to a worker, worth some 10 ms of work or more.
        workers: Number of processes; 1 uses this process alone.
        preload: Module that workers are forked with, where the system can fork; OpenCV uses one
            thread in each. ``None`` starts new processes without OpenCV: a process can have only
            one server to fork from, which later work needs with its own modules.

    Yields:
        The result of each chunk, in order.

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

    The server is started in the background.

    Args:
        preload: Module that the server imports before it forks, unless it is running already.
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
    """Block Ctrl-C in processes that are started inside, until they ignore it themselves.

    They inherit a blocked signal. This process receives it when the context is left, or at once if
    it has other threads.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    from multiprocessing import resource_tracker  # there is none on Windows

    resource_tracker.ensure_running()  # starting it would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start() -> None:
    """Prepare a worker process: it ignores Ctrl-C and ends with the main one."""
    follow_main()
    import cv2

    cv2.setNumThreads(1)


def _leave_with_main() -> None:
    main = multiprocessing.parent_process()
    if main is not None:
        wait([main.sentinel])
        os._exit(1)
