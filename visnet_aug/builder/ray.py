"""The engine of a Ray cluster: the same tasks on many machines, over a shared file system.

Tasks make files. Actors compute masks: they keep the network loaded, each on a GPU where the
cluster has GPUs. Both read sources and write files under the same paths as the main process, so
that they return only a few kilobytes. Ray runs a task or batch again when its worker is lost: files
appear in one step, and the same each time.

A bounded number of tasks is handed out at once, so that neither the scheduler nor the memory of
the main process grows with the dataset. An interrupt waits for work in progress, but not for
long.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from visnet_aug.builder.engine import Context, Engine, Item, chunks
from visnet_aug.builder.journal import WrittenFile
from visnet_aug.builder.lock import share
from visnet_aug.errors import EngineError, VisnetError, WorkerError
from visnet_aug.processes import WORKER_DIED, default_workers

if TYPE_CHECKING:
    from visnet_aug.builder.worker import Worker
    from visnet_aug.masks.compute import SegmenterSource
    from visnet_aug.masks.segmenter import Segmenter
    from visnet_aug.masks.store import MaskEntry
    from visnet_aug.masks.worker import MaskBatch, MaskWorker

CHUNK: Final = 128
"""Images per task: 50 ms of work or more, against 1 ms for the message."""

AHEAD: Final = 2
"""Tasks per processor, and batches per actor, that are handed out at once."""

RETRIES: Final = 3
"""How often a task is run again after its worker was lost."""

PATIENCE: Final = 2.0
"""Seconds that an interrupt waits for what is being worked on."""

CONNECT: Final = 5.0
"""Seconds for a cluster to answer; Ray itself would try for minutes."""

QUIET: Final = {"log_to_driver": False, "logging_level": logging.ERROR}
"""Options that keep Ray's messages off the terminal."""

OBJECT_STORE: Final = 128 * 2**20
"""Bytes of the object store of a Ray that is started for one build, which hardly uses it."""


class RayEngine(Engine):
    """Works on a Ray cluster; entering connects to it."""

    def __init__(self, workers: int | None = None, *, address: str | None = None) -> None:
        """Prepare for work.

        Args:
            workers: Tasks, and actors, at work at once; ``None`` for one per processor of the
                cluster, or one actor per GPU.
            address: Of the cluster, as ``ray.init`` takes it: ``auto`` for the cluster that this
                machine belongs to, or ``host:port``; ``None`` for that cluster or, if there is
                none, for a Ray that is started here and ends with the build.
        """
        self._workers, self._address = workers, address
        self._ray: Any = None
        self._ours = False

    def __enter__(self) -> RayEngine:
        """Connect, unless the program is connected already.

        Raises:
            EngineError: Ray is not installed, no cluster answers, or it cannot be used.
        """
        try:
            self._ray = import_module("ray")
        except ImportError as error:
            raise EngineError("--engine ray: Ray is missing; pip install 'visnet[ray]'") from error
        if not self._ray.is_initialized():
            self._connect()
            self._ours = True
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect, which ends the tasks that are left."""
        if self._ours:
            self._ray.shutdown()

    def describe(self) -> str:
        """Say how large the cluster is."""
        return f"Ray, {self._workers or self._count('CPU')} at work at once"

    def _connect(self) -> None:
        """Join the named cluster or this machine's; where there is none, start one.

        A cluster that cannot be joined, such as one of another version of Ray, is an error: a Ray
        on this machine alone would not be what was asked for.
        """
        address = self._address or os.environ.get("RAY_ADDRESS")
        if self._address:
            named, instead = f"--ray-address {address}", "leave the option out"
        elif address:
            named, instead = f"RAY_ADDRESS={address}", "unset the variable"
        else:
            self._join_or_start()
            return
        try:
            _check_answers(address)
            self._ray.init(address, **QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"{named}: no Ray cluster can be reached ({_one_line(error)}); start one there "
                f"(ray start --head), or {instead} to have one started for this build"
            ) from error

    def _join_or_start(self) -> None:
        try:
            self._ray.init("auto", **QUIET)
        except ConnectionError:  # there is none
            self._start()
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"--engine ray: this machine's cluster cannot be joined ({_one_line(error)}); end "
                "it (ray stop), or name another with --ray-address"
            ) from error

    def _start(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self._ray.init(
                "local",
                num_cpus=self._workers or default_workers(),
                object_store_memory=OBJECT_STORE,
                include_dashboard=False,
                **QUIET,
            )
        except Exception as error:  # Ray raises this class itself where a part does not start
            raise EngineError(
                f"--engine ray: Ray cannot be started here ({_one_line(error)}); start one "
                "(ray start --head) and name it with --ray-address, or leave the option out"
            ) from error

    def make_masks(
        self,
        batches: Sequence[MaskBatch],
        segmenter: SegmenterSource,
        out: Path,
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        """Compute batches of masks in actors; each has one or two at a time."""
        actors = self._start_actors(len(batches), segmenter, out)
        rest = deque(batches)
        loading = {actor.load.remote(): actor for actor in actors}
        busy: dict[Any, Any] = {}
        begun = False
        try:
            while rest or busy:
                (done,), _ = self._ray.wait([*busy, *(loading if rest else ())], num_returns=1)
                entries = self._get(done)
                loaded = done in loading
                actor = (loading if loaded else busy).pop(done)
                if not begun:
                    ready()
                    begun = True
                for _ in range(min(AHEAD if loaded else 1, len(rest))):
                    busy[actor.mask.remote(rest.popleft())] = actor
                if not loaded:
                    finished(entries)
        finally:
            self._settle(busy, finished)
            for actor in actors:
                self._ray.kill(actor)  # at once, to free its processor for files

    def make_files(
        self,
        items: Iterable[Item],
        context: Context,
        *,
        begun: Callable[[Sequence[Item]], None],
        finished: Callable[[Sequence[WrittenFile]], None],
    ) -> None:
        """Make files in tasks."""
        make = self._ray.remote(num_cpus=1, max_retries=RETRIES)(_make)
        shared = self._ray.put(replace(context, out=context.out.absolute()))
        room = self._workers or AHEAD * self._count("CPU")
        rest = chunks(items, CHUNK)
        busy: dict[Any, None] = {}
        try:
            while True:
                for chunk in islice(rest, room - len(busy)):
                    begun(chunk)
                    busy[make.remote(shared, chunk)] = None
                if not busy:
                    break
                (done,), _ = self._ray.wait(list(busy), num_returns=1)
                del busy[done]
                finished(self._get(done))
        finally:
            self._settle(busy, finished)

    def _start_actors(self, batches: int, segmenter: SegmenterSource, out: Path) -> list[Any]:
        """Start an actor per GPU or else per processor, but not more than batches."""
        gpus = self._count("GPU") if segmenter.device != "cpu" else 0
        options = {"num_cpus": 1, "num_gpus": min(gpus, 1)}
        actor = self._ray.remote(max_restarts=RETRIES, max_task_retries=RETRIES, **options)(_Masker)
        count = min(batches, gpus or self._workers or self._count("CPU"))
        return [actor.remote(segmenter.load, out.absolute()) for _ in range(count)]

    def _count(self, resource: str) -> int:
        return int(self._ray.cluster_resources().get(resource, 0))

    def _get(self, reference: Any) -> Any:
        """Return a task's result, or raise what it raised.

        Raises:
            VisnetError: What the task raised.
            WorkerError: Its worker died, and so did those of its retries.
            EngineError: The cluster failed.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, VisnetError):
                raise error.cause from error
            raise
        except (errors.WorkerCrashedError, errors.ActorDiedError, errors.OutOfMemoryError) as error:
            raise WorkerError(WORKER_DIED) from error
        except errors.RayError as error:
            raise EngineError(f"Ray failed: {_first_line(error)}") from error

    def _settle(self, busy: Iterable[Any], finished: Callable[[Any], None]) -> None:
        """Report what finishes in a moment, and cancel the rest."""
        references = list(busy)
        if not references:
            return
        done, late = self._ray.wait(references, num_returns=len(references), timeout=PATIENCE)
        for reference in late:
            self._ray.cancel(reference)
        for reference in done:
            try:
                finished(self._get(reference))
            except (VisnetError, self._ray.exceptions.RayError):
                continue  # only the first error is raised


class _Masker:
    """An actor that computes masks with a network that it loads once."""

    def __init__(self, load: Callable[[], Segmenter], out: Path) -> None:
        self._load, self._out = load, out
        self._lock = share(out)
        self._worker: MaskWorker | None = None

    def load(self) -> None:
        """Load the network; called before the first batch, so that its errors are reported."""
        from visnet_aug.masks.worker import MaskWorker

        self._worker = MaskWorker(self._load(), self._out)

    def mask(self, batch: MaskBatch) -> list[MaskEntry]:
        """Compute a batch."""
        if self._worker is None:  # restarted because its process was lost
            self.load()
        assert self._worker is not None
        return self._worker.mask(batch)


_worker: tuple[Context, Worker, IO[bytes] | None] | None = None
"""The build that this process works for, its worker, and its share of the folder's lock."""


def _make(context: Context, items: Sequence[Item]) -> list[WrittenFile]:
    """Make files one after the other, in a worker process of the cluster."""
    global _worker
    if _worker is None or _worker[0] != context:
        from visnet_aug.builder.worker import Worker

        _worker = context, Worker(context), share(context.out)
    return [written for item in items for written in _worker[1].make(item)]


def _check_answers(address: str | None) -> None:
    """Raise an `OSError` if nobody listens at an address that names a host."""
    where = urlsplit(address if address and "://" in address else f"//{address or ''}")
    if where.hostname and where.port:
        socket.create_connection((where.hostname, where.port), CONNECT).close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
