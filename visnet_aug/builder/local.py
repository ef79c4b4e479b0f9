"""The engine of one machine: processes that make files, and processes that compute masks.

Processes that make files are forked from a server process that has imported the rendering code
once. They get chunks of items (a few kilobytes), read images and masks, write the files, and
return a record for each.

Processes that compute masks share one loaded network. Importing torch and loading a network takes
two seconds and 350 MB. One process does it and is then forked, before torch has started any
thread: the others start at once and share its memory. Each runs the network in one thread, which
is faster than one process with a thread for each processor, and gives the same mask bits on any
number of processors. A process has one batch at a time, a quarter of a second's work, and gets the
next one before the masks of the last are noted. Where processes cannot be forked, each loads a
network of its own. A GPU is used by one process, with threads for reading and writing.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_messages
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from visnet_aug.builder.engine import Context, Engine, Item, chunks
from visnet_aug.builder.journal import WrittenFile
from visnet_aug.builder.lock import share
from visnet_aug.builder.packing import StoppedError
from visnet_aug.errors import VisnetError, WorkerError
from visnet_aug.processes import WORKER_DIED, default_workers, follow_main, worker_context

if TYPE_CHECKING:
    from visnet_aug.builder.worker import Worker
    from visnet_aug.masks.compute import SegmenterSource
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.masks.store import MaskEntry
    from visnet_aug.masks.worker import MaskBatch

PRELOAD: Final = "visnet_aug.builder.worker"
"""Module that worker processes are forked with."""

CHUNK = 32
"""Minimum images per message: 10 ms of work or more, against 0.2 ms for the message."""

AHEAD = 4
"""Chunks per worker that are handed out at once: enough that no worker waits, few enough that an
interrupt ends soon."""

_CAN_FORK: Final = hasattr(os, "fork")


class LocalEngine(Engine):
    """Works in processes of this machine, which it starts when there is work."""

    def __init__(self, workers: int | None = None) -> None:
        """Prepare for work.

        Args:
            workers: Number of processes; ``None`` for one per processor.
        """
        self._workers = workers or default_workers()

    def __enter__(self) -> LocalEngine:
        """Start importing the rendering code, while the dataset is read."""
        worker_context(PRELOAD)
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: processes end with the work that they were started for."""

    def describe(self) -> str:
        """Say how many processes there are."""
        return f"{self._workers} process{'es' * (self._workers != 1)} of this machine"

    def make_masks(
        self,
        batches: Sequence[MaskBatch],
        segmenter: SegmenterSource,
        out: Path,
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        """Compute batches of masks in processes that share one network."""
        run_batches(batches, segmenter.load, out, self._workers, ready, finished)

    def make_files(
        self,
        items: Iterable[Item],
        context: Context,
        *,
        begun: Callable[[Sequence[Item]], None],
        finished: Callable[[Sequence[WrittenFile]], None],
    ) -> None:
        """Make files in a pool of processes, which an interrupt ends after the current images."""
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
            stopper.close()  # tells the workers to drop the rest of their chunks
            pool.shutdown(cancel_futures=True)
            stop.close()
            for future in pending:
                if not future.cancelled() and future.exception() is None:
                    finished(future.result())


_worker: Worker | None = None
_stop: Connection | None = None
_lock: IO[bytes] | None = None
"""This process's worker, what tells it to stop, and its share of the folder's lock; set in worker
processes only."""


def _start(context: Context, stop: Connection) -> None:
    """Prepare a worker process."""
    follow_main()
    from visnet_aug.builder.worker import Worker

    global _worker, _stop, _lock
    _worker, _stop, _lock = Worker(context, stop.poll), stop, share(context.out)


def _make(items: Sequence[Item]) -> list[WrittenFile]:
    """Make files one after the other; fewer than asked for if the run is ending."""
    assert _worker is not None, "the pool calls _start first"
    assert _stop is not None
    written: list[WrittenFile] = []
    with suppress(StoppedError):
        for item in items:
            if _stop.poll():  # closed at the other end, on purpose or by a kill
                break
            written += _worker.make(item)
    return written


def run_batches(
    batches: Sequence[MaskBatch],
    load: Callable[[], Segmenter],
    out: Path,
    workers: int,
    ready: Callable[[], None],
    finished: Callable[[Sequence[MaskEntry]], None],
) -> None:
    """Compute batches of masks; see `Engine.make_masks`.

    Args:
        batches: What to compute.
        load: Loads the segmenter; can be pickled.
        out: The output folder.
        workers: Maximum number of processes; there are never more than batches.
        ready: Called when the segmenter is loaded.
        finished: Called with the entries of each batch.

    Raises:
        VisnetError: What a worker raised.
        WorkerError: A worker died.
    """
    context: Any = worker_context(PRELOAD)
    pipes = [context.Pipe() for _ in range(min(workers, len(batches)))]
    ours, theirs = [ours for ours, _ in pipes], [theirs for _, theirs in pipes]
    teams = [theirs] if _CAN_FORK else [[connection] for connection in theirs]
    processes: list[Any] = []
    loaded: list[Connection] = []
    try:
        for team in teams:
            process = context.Process(target=_serve, args=(team, load, out), daemon=True)
            process.start()
            processes.append(process)
        for connection in theirs:
            connection.close()
        loaded += [connection for connection in ours if _receive(connection)]
        ready()
        _hand_out(batches, loaded, finished)
    finally:
        for connection in (*ours, *theirs):  # ends whoever still waits for a message
            connection.close()
        for process in processes:
            if not loaded:
                process.terminate()  # it may be importing torch, for which nobody waits now
            process.join()


def _hand_out(
    batches: Sequence[MaskBatch],
    connections: Sequence[Connection],
    finished: Callable[[Sequence[MaskEntry]], None],
) -> None:
    """Give each process a batch, and the next one whenever it has answered."""
    rest = iter(batches)
    busy: set[Connection] = set()

    def give(connection: Connection) -> None:
        for batch in islice(rest, 1):
            busy.add(connection)
            with suppress(ConnectionError):  # a dead process will not answer either
                connection.send(batch)

    try:
        for connection in connections:
            give(connection)
        while busy:
            for connection in cast(list[Connection], wait_for_messages(busy)):
                busy.remove(connection)
                entries = _receive(connection)
                give(connection)
                finished(entries)
    finally:
        for connection in busy:
            with suppress(VisnetError):  # only the first error is raised
                finished(_receive(connection))


def _receive(connection: Connection) -> Any:
    """Receive an answer, or raise the error that was sent instead."""
    try:
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise WorkerError(WORKER_DIED) from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(team: Sequence[Connection], load: Callable[[], Segmenter], out: Path) -> None:
    """Load the segmenter, and serve each connection of the team in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lock = share(out)  # forked processes keep it open, too, as long as they live
    with suppress(ConnectionError):  # the main process is gone
        try:
            segmenter = load()
        except Exception as error:  # noqa: BLE001 (whatever it is, the main process raises it)
            team[0].send(error)
            return
        used = team if segmenter.on_cpu else team[:1]
        for connection in team:
            connection.send(connection in used)
        for connection in used[1:]:
            if os.fork() == 0:
                try:
                    _answer(connection, team, segmenter, out)
                finally:
                    os._exit(0)  # without the clean-up of the process that it was forked from
        _answer(team[0], team, segmenter, out)
        for _ in used[1:]:  # the main process waits for this one, and thus for all
            os.wait()
    if lock is not None:
        lock.close()


def _answer(
    connection: Connection, team: Sequence[Connection], segmenter: Segmenter, out: Path
) -> None:
    """Compute batches until the main process closes its end of the connection."""
    from visnet_aug.masks.worker import MaskWorker

    for other in team:  # a connection breaks when its last duplicate is closed
        if other is not connection:
            other.close()
    follow_main()
    worker = MaskWorker(segmenter, out)
    with suppress(EOFError, ConnectionError):  # no more is wanted, or the main process is gone
        while True:
            batch = connection.recv()
            answer: list[MaskEntry] | Exception
            try:
                answer = worker.mask(batch)
            except Exception as error:  # noqa: BLE001 (whatever it is, the main process raises it)
                answer = error
                answer.add_note(traceback.format_exc())
            connection.send(answer)
