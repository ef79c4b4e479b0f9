"""Ctrl-C, and a cluster's SIGTERM, as a wish that the loop asks for when it is ready."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether somebody wants the training to stop.

    Attributes:
        wanted: So it is. A second signal does what it always does.
    """

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def listen() -> Iterator[Interrupt]:
    """Take note of the first signal instead of dying from it; works in the main thread only."""
    interrupt = Interrupt()

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.wanted = True
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield interrupt
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
