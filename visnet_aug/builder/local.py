"""The engine of one machine: processes that make files and masks.

Those that make files are forked from a server process that has imported the rendering code once.
They get chunks of items (a few kilobytes), read images and masks themselves, write the files
themselves, and hand back a line for each. Those that make masks are in ``mask_processes.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING

from visnet_aug.builder.engine import PRELOAD, Context, Engine, Item, chunks
from visnet_aug.builder.journal import WrittenFile
from visnet_aug.builder.lock import share
from visnet_aug.builder.mask_processes import run_batches
from visnet_aug.builder.tars import StoppedError
from visnet_aug.errors import WorkerError
from visnet_aug.processes import WORKER_DIED, default_workers, follow_main, worker_context

if TYPE_CHECKING:
    from visnet_aug.builder.masking import SegmenterSource
    from visnet_aug.builder.worker import Worker
    from visnet_aug.masks.store import MaskEntry
    from visnet_aug.masks.worker import MaskBatch

CHUNK = 32
"""Images per message, or more: 10 ms of work or more, against 0.2 ms for the message."""

AHEAD = 4
"""Chunks per worker that are handed out at once: enough that none waits, few enough that an
interrupt is over soon."""


class LocalEngine(Engine):
    """Works in processes of this machine, and starts them when there is something to do."""

    def __init__(self, workers: int | None = None) -> None:
        """Prepare for work.

        Args:
            workers: Number of processes; ``None`` for one per processor.
        """
        self._workers = workers or default_workers()

    def __enter__(self) -> LocalEngine:
        """Have the rendering code imported while the dataset is read."""
        worker_context(PRELOAD)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind: processes end with the work that they were started for."""

    def describe(self) -> str:
        """Say how many processes there are."""
        return f"{self._workers} process{'es' * (self._workers != 1)} of this machine"

    def make_masks(
        self,
        batches: Sequence[MaskBatch],
        segmenter: SegmenterSource,
        out: Path,
        *,
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        """Compute batches of masks in processes that share one network."""
        run_batches(batches, segmenter.load, out, self._workers, ready=ready, finished=finished)

    def make_files(
        self,
        items: Iterable[Item],
        context: Context,
        *,
        begun: Callable[[Sequence[Item]], None],
        finished: Callable[[Sequence[WrittenFile]], None],
    ) -> None:
        """Make files in a pool of processes; interrupted, they leave the rest of their chunks."""
        rest = chunks(items, CHUNK)
        pending: set[Future[list[WrittenFile]]] = set()
        processes = worker_context(PRELOAD)
        stop, stopper = processes.Pipe(duplex=False)
        pool = ProcessPoolExecutor(self._workers, processes, _start, (context, stop))
        try:
            while True:
                for chunk in islice(rest, AHEAD * self._workers - len(pending)):
                    begun(chunk)
                    pending.add(pool.submit(_make, chunk))
                if not pending:
                    break
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    finished(future.result())
                    pending.remove(future)
        except BrokenProcessPool as error:
            raise WorkerError(WORKER_DIED) from error
        finally:
            stopper.close()  # tells the workers to leave the rest of their chunks
            pool.shutdown(cancel_futures=True)
            stop.close()
            for future in pending:
                if not future.cancelled() and future.exception() is None:
                    finished(future.result())


_worker: Worker | None = None
_stop: Connection | None = None
_lock: IO[bytes] | None = None
"""This process's worker, how it learns that it is to stop, and its share of the folder's lock;
only ever set in worker processes."""


def _start(context: Context, stop: Connection) -> None:
    """Prepare a worker process."""
    follow_main()
    import visnet_aug.builder.preload  # noqa: F401  (forked processes have it already)
    from visnet_aug.builder.worker import Worker

    global _worker, _stop, _lock
    _worker, _stop, _lock = Worker(context, stop.poll), stop, share(context.out)


def _make(items: Sequence[Item]) -> list[WrittenFile]:
    """Make files one after the other; fewer than asked for if the run is at its end."""
    assert _worker is not None, "the pool calls _start first"
    assert _stop is not None
    written: list[WrittenFile] = []
    with suppress(StoppedError):
        for item in items:
            if _stop.poll():  # closed at the other end, on purpose or by a kill
                break
            written += _worker.make(item)
    return written
