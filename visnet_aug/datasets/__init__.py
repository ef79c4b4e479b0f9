"""Where images come from: one reader per layout, all of them returning a `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from visnet_aug.errors import DatasetError, printable

if TYPE_CHECKING:
    from visnet_aug.datasets.record import Dataset
    from visnet_aug.progress import Advance

AUTO: Final = "auto"
"""The layout that stands for: recognise it."""

PUBLISHED: Final = ("market1501", "dukemtmcreid", "msmt17", "cuhk03-np", "veri776", "mars")
"""Layouts of published sets."""

RECOGNISED: Final = (*PUBLISHED, "mot", "boxmot", "identities")
"""Layouts that can be recognised."""

LAYOUTS: Final = (AUTO, *RECOGNISED, "huggingface", "table", "pattern")
"""Names of the layouts that `read_dataset` reads."""


def read_dataset(
    root: str | Path,
    *,
    layout: str = AUTO,
    table: str | None = None,
    pattern: str | None = None,
    split_names: Mapping[str, str] | None = None,
    camera_pattern: str = "",
    one_camera_per_image: bool = False,
    split_test: float | None = None,
    split_query: int | None = None,
    split_seed: int = 0,
    every: int = 1,
    min_distance: int = 0,
    min_height: int = 64,
    min_visibility: float = 0.5,
    margin: float = 0.0,
    strict: bool = False,
    on_error: Literal["skip", "stop"] = "skip",
    workers: int | None = None,
    progress: Advance | None = None,
) -> Dataset:
    r"""Read a dataset.

    Args:
        root: Folder of the dataset.
        layout: One of `LAYOUTS`.
        table: CSV, TSV, JSON lines or Parquet file of the layout ``table``; makes ``auto`` this
            layout.
        pattern: Regular expression of the layout ``pattern``; makes ``auto`` this layout.
        split_names: What folders mean, by name or path: ``{"bbox_test": "gallery"}``; one of
            ``train``, ``query``, ``gallery``, ``val`` and ``skip``.
        camera_pattern: Regular expression that finds the camera in a path, for the layout
            ``identities``.
        one_camera_per_image: Whether every image counts as one of another camera.
        split_test: Share of identities to test with, for a set without query and gallery.
        split_query: Query images of each test identity.
        split_seed: Decides which identities and images these are.
        every: Keep one of so many frames of each tracklet.
        min_distance: Least number of differing bits, of 64, between a frame and the last one kept.
        min_height: Least height in pixels of a box of the layout ``mot``.
        min_visibility: Least share of a person that is visible in such a box.
        margin: What is added to such a box on each side, as a share of its size.
        strict: Whether only 8-bit RGB JPEG and PNG are usable, instead of converting the rest.
        on_error: Whether an unusable image is listed or ends the reading.
        workers: Number of processes.
        progress: Called with the number of files done, and of all.

    Returns:
        The images, sorted by split (train, query, gallery) and then by name, and what was left
        out.

    Raises:
        DatasetError: The layout is unknown or cannot be recognised, or its reader refuses the
            folder.
        RecipeError: An argument cannot be used.

    Example:
        >>> dataset = read_dataset("people", camera_pattern=r"cam(\d+)")  # doctest: +SKIP
        >>> dataset.records[0].identity, dataset.records[0].pid  # doctest: +SKIP
        ('anna', 1)
    """
    from dataclasses import replace

    from visnet_aug.datasets.holdout import Holdout
    from visnet_aug.datasets.mot import Mot
    from visnet_aug.datasets.reading import Reading, read_layout  # Pillow only when reading
    from visnet_aug.datasets.recognition import LayoutOptions, check_used, find_layout
    from visnet_aug.datasets.thinning import Thinning

    root = Path(root).expanduser().resolve()
    if not root.exists():
        raise DatasetError(f"{printable(root)}: no such folder; give the dataset's folder")
    if not root.is_dir():
        raise DatasetError(
            f"{printable(root)}: a file, not a folder; unpack it and give its folder"
        )
    drawn = split_test is not None or split_query is not None
    reading = Reading(
        on_error=on_error,
        strict=strict,
        one_camera_per_image=one_camera_per_image,
        thinning=Thinning(every, min_distance),
        holdout=Holdout(split_test, 1 if split_query is None else split_query, split_seed)
        if drawn
        else None,
        workers=workers,
        progress=progress,
    )
    boxes = Mot(min_height, min_visibility, margin)
    options = LayoutOptions(layout, table, pattern, split_names or {}, camera_pattern, boxes)
    found, why = find_layout(root, options)
    check_used(found, options)
    return replace(read_layout(root, found, reading), recognised=why)
