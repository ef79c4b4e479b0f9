"""Where images come from: one reader per layout, all of them returning a `Dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from visnet_aug.errors import DatasetError, printable

if TYPE_CHECKING:
    from visnet_aug.datasets.layout import Layout
    from visnet_aug.datasets.record import Dataset
    from visnet_aug.progress import Advance

AUTO: Final = "auto"
"""The layout that stands for: recognise it."""

KNOWN: Final = ("market1501", "dukemtmcreid", "msmt17", "cuhk03-np", "veri776")
"""Layouts that can be recognised."""

LAYOUTS: Final = (AUTO, *KNOWN, "table", "pattern")
"""Names of the layouts that `read_dataset` reads."""


def read_dataset(
    root: str | Path,
    *,
    layout: str = AUTO,
    table: str | None = None,
    pattern: str | None = None,
    on_error: Literal["skip", "stop"] = "skip",
    workers: int | None = None,
    progress: Advance | None = None,
) -> Dataset:
    """Read a dataset; ``on_error``, ``workers`` and ``progress`` are `read_layout`'s.

    Args:
        root: Folder of the dataset.
        layout: One of `LAYOUTS`.
        table: CSV file of the layout ``table``; makes ``auto`` this layout.
        pattern: Regular expression of the layout ``pattern``; makes ``auto`` this layout.
        on_error: Whether an unusable image is listed or ends the reading.
        workers: Number of processes.
        progress: Called with the number of files done, and of all.

    Raises:
        DatasetError: The layout is unknown or cannot be recognised, or its reader refuses the
            folder.
        RecipeError: The pattern cannot be used.
    """
    from dataclasses import replace

    from visnet_aug.datasets.reading import read_layout  # Pillow only when reading
    from visnet_aug.datasets.recognition import find_layout, recognise

    root = Path(root).expanduser().resolve()
    if not root.exists():
        raise DatasetError(f"{printable(root)}: no such folder; give the dataset's folder")
    if not root.is_dir():
        raise DatasetError(
            f"{printable(root)}: a file, not a folder; unpack it and give its folder"
        )
    if layout == AUTO:
        layout = "table" if table else "pattern" if pattern else AUTO
    found: Layout
    why = ""
    if layout == AUTO:
        found, why = recognise(root)
    else:
        found = find_layout(root, layout, table, pattern)
    dataset = read_layout(root, found, on_error=on_error, workers=workers, progress=progress)
    return replace(dataset, recognised=why)
