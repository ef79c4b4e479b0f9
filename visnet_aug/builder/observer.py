"""What a build tells while it runs; the command line shows it, tests and programs may not care."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

from visnet_aug.builder.plan import Plan
from visnet_aug.datasets.record import Dataset

Advance: TypeAlias = Callable[[int, int], None]
"""Called with the items done and the items in all."""


class Observer(Protocol):
    """Told about a build's stages and findings, from the main thread."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Start a stage; its progress goes to what the context manager gives."""

    def read(self, dataset: Dataset) -> None:
        """Tell what was read."""

    def planned(self, plan: Plan) -> None:
        """Tell what will be made."""


class Silent:
    """An observer that shows nothing."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Ignore a stage's progress."""
        yield lambda done, total: None

    def read(self, dataset: Dataset) -> None:
        """Ignore what was read."""

    def planned(self, plan: Plan) -> None:
        """Ignore what will be made."""
