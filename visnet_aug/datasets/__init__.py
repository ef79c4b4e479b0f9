"""Where images come from: one reader per layout, all of them returning a `Dataset`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from visnet_aug.errors import DatasetError

if TYPE_CHECKING:
    from visnet_aug.datasets.record import Dataset

LAYOUTS = ("market1501",)
"""Names of the layouts that `read_dataset` reads."""


def read_dataset(
    root: str | Path,
    *,
    layout: str = "market1501",
    on_error: Literal["skip", "stop"] = "skip",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read a dataset; the arguments besides ``layout`` are `read_market1501`'s.

    Raises:
        DatasetError: The layout is unknown, or its reader refuses the folder.
    """
    if layout != "market1501":
        raise DatasetError(f"{layout}: unknown layout; known are {', '.join(LAYOUTS)}")
    from visnet_aug.datasets.market1501 import read_market1501  # Pillow only when reading

    return read_market1501(root, on_error=on_error, workers=workers, progress=progress)
