"""The progress of one stage: a bar on a terminal, one line elsewhere.

Progress goes to the error stream, so that what a command finds can be piped.
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
"""Called with what is done and the total."""

Stage: TypeAlias = Callable[[str], AbstractContextManager[Advance]]
"""Shows the progress of a stage of that name, as `stage` does."""


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="cyan")


@contextmanager
def stage(name: str) -> Iterator[Advance]:
    """Show a stage: a bar with rate and time left, and when it is done one line with its time.

    Args:
        name: What is being done, a word or two.

    Yields:
        What to call, as often as wanted, with the number done and the total.
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
