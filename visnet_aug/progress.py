"""Progress of long work: the types that both tools use, and how the console shows a stage.

Progress goes to the error stream, so that a command's results can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance: TypeAlias = Callable[[int, int], None]
"""Called with the number of items done and the total."""

Stage: TypeAlias = Callable[[str], AbstractContextManager[Advance]]
"""Starts a stage with a name and gives what reports its progress: `stage`, `silent`."""


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="cyan")


@contextmanager
def silent(name: str) -> Iterator[Advance]:
    """Show nothing of a stage."""
    yield lambda done, total: None


@contextmanager
def stage(name: str) -> Iterator[Advance]:
    """Show a stage: a bar with rate and time left on a terminal, one line when it is done.

    Args:
        name: What is being done, in one or two words.

    Yields:
        A function to call with the number done and the total, as often as you like.
    """
    console = Console(stderr=True, highlight=False)
    start = time.perf_counter()
    bar = Progress(
        SpinnerColumn(),
        TextColumn(f"{name:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(name, total=None)
        last = (0, 0)

        def advance(done: int, total: int) -> None:
            nonlocal last
            last = (done, total)
            bar.update(task, completed=done, total=total)

        yield advance
    seconds = time.perf_counter() - start
    console.print(f"{name:12} {last[0]:>9,} of {last[1]:,} in {seconds:.1f} s")
