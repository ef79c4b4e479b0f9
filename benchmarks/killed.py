"""Run ``visnet-aug`` and kill it (SIGKILL) just before its nth change in a folder.

Python calls audit hooks before a file is opened for writing, renamed or removed and before a folder
is created or removed. This makes every state between two changes reproducible without changing the
program. Kills by a timer cover the states within a change, such as a partly written file.

The environment variable `PLAN` holds a `Kill` as JSON, which ``python -m benchmarks.killed build
...`` reads; a test's script calls `arm` instead. Worker processes import the main module and count
their own changes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

PLAN = "VISNET_KILL"

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}


@dataclass(frozen=True, slots=True)
class Kill:
    """When to kill, and whom.

    Attributes:
        folder: Absolute path of the folder in which changes are counted.
        process: Whether to count the changes of the main process or of each worker.
        number: Number of the change, from 1, before which to kill; 0 only counts.
        victims: Whether to kill all processes, the main process, or the counting process.
        match: Regular expression; only changes of paths that contain a match are counted.
        count: File in which the main process stores its number of changes.
    """

    folder: str
    process: Literal["main", "worker"] = "main"
    number: int = 0
    victims: Literal["all", "main", "self"] = "all"
    match: str = ""
    count: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment for a process with this kill."""
        return {**os.environ, PLAN: json.dumps(asdict(self))}


def arm(name: str) -> None:
    """Start counting this process's changes if the plan selects it.

    ``name`` is the main module's ``__name__``, which differs in worker processes.
    """
    if PLAN not in os.environ:
        sys.exit(f"set {PLAN} to a plan, such as {json.dumps(asdict(Kill('/folder', number=1)))}")
    kill = Kill(**json.loads(os.environ[PLAN]))
    if kill.process != ("main" if name == "__main__" else "worker"):
        return
    done = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if not _changes(event, arguments, kill):
            return
        done += 1
        if done == kill.number:
            _strike(kill.victims)
        if kill.count:
            Path(kill.count).write_text(str(done))

    sys.addaudithook(watch)


def _changes(event: str, arguments: tuple[Any, ...], kill: Kill) -> bool:
    """Return whether an audit event is a counted change of the folder."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
            return False
    elif event in _CHANGES:
        path = arguments[0]
    else:
        return False
    text = str(path)
    return text.startswith(kill.folder) and bool(re.search(kill.match, text))


def _strike(victims: str) -> None:
    parent = multiprocessing.parent_process()
    if victims == "all":
        os.killpg(0, signal.SIGKILL)
    elif victims == "main" and parent is not None and parent.pid:
        os.kill(parent.pid, signal.SIGKILL)
    else:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ in ("__main__", "__mp_main__"):
    arm(__name__)

if __name__ == "__main__":
    from visnet_aug.cli.main import main

    main()
