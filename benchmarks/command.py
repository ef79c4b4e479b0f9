"""Run visnet-aug as a separate process and measure its time, stages and memory."""

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
"""The command line, independent of where the console script is installed."""

STAGE: Final = re.compile(r"(?P<name>.{12}) +[\d,]+ of (?P<total>[\d,]+) in [\d.]+ s")
"""The line on stderr for a finished stage."""

PERIOD: Final = 0.5
"""Seconds between two memory samples, long enough not to slow the command down."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Time and memory that a command used.

    Attributes:
        seconds: From the start of the process to its end.
        stages: Seconds from the end of the previous stage to the end of each stage. The first
            includes Python's start-up, and ``leave`` is the exit.
        peak: Peak memory of all processes together in bytes, as the sum of proportional set
            sizes, which count a shared page once.
        main: Peak memory of the main process, measured in the same way.
    """

    seconds: float
    stages: Mapping[str, float]
    peak: int
    main: int


def run(*arguments: object) -> Finished:
    """Run and monitor visnet-aug; its output is shown only if it fails."""
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
    """Sample the memory of all processes of a session, and of the first one."""
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
    """Return the proportional set size in bytes of each process of a session."""
    held: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                text = (folder / "smaps_rollup").read_text()
                sizes = re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)
                held[int(folder.name)] = 1024 * sum(map(int, sizes))
        except OSError:  # the process has just ended
            continue
    return held
