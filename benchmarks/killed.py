"""``visnet-aug`` that is killed (SIGKILL) just before the nth change it would make in a folder.

Python tells audit hooks of every file that is opened for writing, renamed or removed and of every
folder that is made or removed, before it happens. So each state that a folder can be in between
two changes can be reached, again and again, without touching the program. States within a change
(half a file written) are for kills by the clock.

The environment variable `PLAN` holds a `Kill` as JSON. ``python -m benchmarks.killed build ...``
does the rest; a test's script calls `arm`. Worker processes import the main module, and count for
themselves.
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
        folder: Absolute path of the folder whose changes are counted.
        process: Whose changes are counted: the main process's, or each worker's.
        number: Killed before this change, from 1; 0 only counts.
        victims: Every process, the main one alone, or the one that counts alone.
        match: Regular expression that a change's path must contain to be counted.
        count: Where the main process notes how many changes it has made.
    """

    folder: str
    process: Literal["main", "worker"] = "main"
    number: int = 0
    victims: Literal["all", "main", "self"] = "all"
    match: str = ""
    count: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that is to be killed."""
        return {**os.environ, PLAN: json.dumps(asdict(self))}


def arm(name: str) -> None:
    """Make this process watch its own changes, if it is one that is to be watched.

    ``name`` is the main module's ``__name__``, by which worker processes know what they are.
    """
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
    """Tell whether an event is a change of the folder that counts."""
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
