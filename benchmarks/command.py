"""visnet-aug as a process of its own, with its time, its stages and its memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-c", "from visnet_aug.cli.main import main; main()")
"""The command line, wherever it is installed."""

STAGE: Final = re.compile(r"(?P<name>.{12}) +[\d,]+ of (?P<total>[\d,]+) in [\d.]+ s")
"""The line of a finished stage on the error stream."""

PERIOD: Final = 0.5
"""Seconds between two looks at the memory: rare enough to cost a command nothing."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command took.

    Attributes:
        seconds: From the start of the process to its end.
        stages: Seconds to the end of each stage from the end of the one before; the first
            includes Python's start, the others what is done between stages, ``leave`` the exit.
        peak: Most memory of all its processes at once, in bytes: proportional set sizes, in which
            a page that several processes share counts once.
        main: Most memory of the main process, likewise.
    """

    seconds: float
    stages: Mapping[str, float]
    peak: int
    main: int


def run(*arguments: object) -> Finished:
    """Run visnet-aug and watch it; what it prints is shown only if it fails."""
    stages: dict[str, float] = {}
    said: list[str] = []
    start = mark = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with _memory_watched(process.pid) as seen:
        for line in process.stderr:
            said.append(line)
            if match := STAGE.match(line):
                now = time.perf_counter()
                stages[match["name"].strip()], mark = now - mark, now
        process.wait()
    end = time.perf_counter()
    if process.returncode != 0:
        raise SystemExit("".join(said))
    peak, main = (max(side) for side in zip(*seen, strict=True))
    return Finished(end - start, stages | {"leave": end - mark}, peak, main)


@contextmanager
def _memory_watched(session: int) -> Iterator[list[tuple[int, int]]]:
    """Note now and then how much memory a session's processes take, all and the first of them."""
    seen = [(0, 0)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(PERIOD):
            held = _memory_of(session)
            seen.append((sum(held.values()), held.get(session, 0)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _memory_of(session: int) -> dict[int, int]:
    """Return the memory of a session's processes in bytes, shared pages divided among them."""
    held: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                text = (folder / "smaps_rollup").read_text()
                sizes = re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)
                held[int(folder.name)] = 1024 * sum(map(int, sizes))
        except OSError:  # it has just ended
            continue
    return held
