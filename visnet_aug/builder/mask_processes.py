"""Computes masks in processes that share one loaded network.

Importing torch and loading a network takes two seconds and 350 MB. One process does it and is
then forked, before torch has started any thread: the others are there at once and share its
memory. Each has one thread for the network, which uses processors better than one process with a
thread for each of them, and makes the bits of a mask the same on any number of them.

A process has one batch at a time, a quarter of a second's work, and gets its next one before the
masks of the last are noted. Where nothing can be forked, each process loads a network of its own.
A GPU is used by one process, with threads around it.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from visnet_aug.builder.engine import PRELOAD
from visnet_aug.builder.lock import share
from visnet_aug.errors import VisnetError, WorkerError
from visnet_aug.processes import WORKER_DIED, follow_main, worker_context

if TYPE_CHECKING:
    from visnet_aug.masks.store import MaskEntry
    from visnet_aug.masks.worker import MaskBatch, Segmenter

_CAN_FORK: Final = hasattr(os, "fork")


def run_batches(
    batches: Sequence[MaskBatch],
    load: Callable[[], Segmenter],
    out: Path,
    workers: int,
    *,
    ready: Callable[[], None],
    finished: Callable[[Sequence[MaskEntry]], None],
) -> None:
    """Compute batches of masks; see `Engine.make_masks`.

    Args:
        batches: What to compute.
        load: Loads the segmenter; can be pickled.
        out: The output folder.
        workers: Number of processes at most; there are never more than batches.
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
        for connection in (*ours, *theirs):  # whoever waits at an end learns that nothing comes
            connection.close()
        for process in processes:
            if not loaded:
                process.terminate()  # it may be importing torch, which nobody waits for any more
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
            with suppress(ConnectionError):  # whoever is gone will not answer either
                connection.send(batch)

    try:
        for connection in connections:
            give(connection)
        while busy:
            for connection in cast(list[Connection], wait(busy)):
                busy.remove(connection)
                entries = _receive(connection)
                give(connection)
                finished(entries)
    finally:
        for connection in busy:
            with suppress(VisnetError):  # one error is told, the first
                finished(_receive(connection))


def _receive(connection: Connection) -> Any:
    """Receive an answer; an error that is sent instead is raised."""
    try:
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise WorkerError(WORKER_DIED) from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(team: Sequence[Connection], load: Callable[[], Segmenter], out: Path) -> None:
    """Load the segmenter, and answer each connection of the team in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lock = share(out)  # open in forked processes, too, as long as they live
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
                    os._exit(0)  # what this process was forked from is not its to tidy up
        _answer(team[0], team, segmenter, out)
        for _ in used[1:]:  # the main process waits for this one, and so for all
            os.wait()
    if lock is not None:
        lock.close()


def _answer(
    connection: Connection, team: Sequence[Connection], segmenter: Segmenter, out: Path
) -> None:
    """Compute batches until the main process closes its end of the connection."""
    from visnet_aug.masks.worker import MaskWorker

    for other in team:  # the main process learns of a death by the last copy being closed
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
