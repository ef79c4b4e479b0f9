"""Ctrl-C, and the SIGTERM of a cluster, as a flag that the loop checks between steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether the training was asked to stop.

    Attributes:
        wanted: Whether a signal has arrived. A second signal has its usual effect.
    """

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def listen() -> Iterator[Interrupt]:
    """Set the flag on the first signal instead of ending; in the main thread only."""
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
