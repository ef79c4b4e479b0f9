"""People's folders of images: which files are meant, and which of them can be embedded.

Files that cannot are named, never converted, by the builder's own rules: a network answers a grey
or turned image, too, but not as it was trained, and nobody would see which embeddings those are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from visnet_aug.datasets.images import (
    UnusableImage,
    UsableImage,
    inspect_bytes,
    inspect_image,
)
from visnet_aug.progress import Advance
from visnet_aug.shards import shard_of
from visnet_model.data.table import ImageTable
from visnet_model.errors import DataError

OnError = Literal["skip", "stop"]

_USABLE = (".jpg", ".jpeg", ".png")
_FOREIGN = (".avif", ".bmp", ".gif", ".heic", ".jp2", ".jxl", ".tif", ".tiff", ".webp")
SUFFIXES = frozenset(_USABLE + _FOREIGN)
"""In a folder, files of these endings are meant as images, usable or not."""

_BLOCK = 64  # images a thread is handed at once


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that cannot be embedded: its name and, in one line, why and what to do."""

    name: str
    problem: str

    def __str__(self) -> str:
        """Return one line: names can hold line breaks and broken UTF-8."""
        name = self.name if self.name.isprintable() else ascii(self.name)
        return f"{name}: {self.problem}"


@dataclass(frozen=True, slots=True, eq=False)
class FoundImages:
    """What was found in files and folders.

    Attributes:
        table: The images by sorted name; pids and cameras are all 0.
        unusable: What was seen without being opened: folders that cannot be entered.
        ignored: Number of files in folders that are no images by their ending, or hidden.
        repeated: Number of images that were given more than once; they are in ``table`` once.
    """

    table: ImageTable
    unusable: tuple[Unusable, ...]
    ignored: int
    repeated: int


def find_images(given: Iterable[Path]) -> FoundImages:
    """Find the images that are meant by files and folders.

    A file is meant whatever it is called. Of a folder those are, down through all of its folders,
    whose ending is one of `SUFFIXES`, without hidden ones. Links to files are files of their own
    name; links to folders are not followed, for they can lead in circles, unless given themselves.

    Raises:
        DataError: There is no such file or folder, or no image in one.
    """
    names: dict[str, str] = {}  # by absolute path, for what is given twice
    unusable: list[Unusable] = []
    ignored = repeated = 0
    for path in given:
        if path.is_dir():
            found, problems, others = _walk(path)
            if not found and not problems:
                raise DataError(f"{path}: no image in this folder ({others:,} other files)")
            unusable += problems
            ignored += others
        elif path.exists() or path.is_symlink():
            found = [path]
        else:
            raise DataError(f"{path}: no such file or folder")
        for image in found:
            # Made absolute without following links: a link is an image of its own name.
            place = os.path.abspath(image)  # noqa: PTH100
            repeated += place in names
            names.setdefault(place, image.as_posix())
    return FoundImages(_table(sorted(names.values())), tuple(unusable), ignored, repeated)


def check_images(
    table: ImageTable, progress: Advance
) -> tuple[npt.NDArray[np.bool_], list[Unusable]]:
    """Decode every image once to see whether it is usable.

    Args:
        table: Which images.
        progress: Called with the images done and their total.

    Returns:
        Which are usable, and what is wrong with the others, in order.
    """
    usable = np.zeros(len(table), np.bool_)
    unusable: list[Unusable] = []
    for index, problem in enumerate(_problems(table)):
        usable[index] = problem is None
        if problem is not None:
            unusable.append(Unusable(table.name(index), problem))
        progress(index + 1, len(table))
    return usable, unusable


def join_tables(tables: Iterable[ImageTable]) -> ImageTable:
    """Put tables of one manifest after each other."""
    parts = list(tables)
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(ImageTable)
        if field.name != "root"
    }
    return ImageTable(root=parts[0].root, **arrays)


def _problems(table: ImageTable) -> Iterator[str | None]:
    """Yield each image's, in order; Pillow decodes without Python's lock."""
    starts = range(0, len(table), _BLOCK)

    def block(start: int) -> list[str | None]:
        stop = min(start + _BLOCK, len(table))
        return [_problem(table, index) for index in range(start, stop)]

    pool = ThreadPoolExecutor()
    try:
        for problems in pool.map(block, starts):
            yield from problems
    finally:
        pool.shutdown(cancel_futures=True)


def _problem(table: ImageTable, index: int) -> str | None:
    found = _inspect(table, index)
    return f"{found.reason}: {found.detail}" if isinstance(found, UnusableImage) else None


def _inspect(table: ImageTable, index: int) -> UsableImage | UnusableImage:
    if shard_of(table.name(index)) is None:
        return inspect_image(table.path(index))
    try:
        return inspect_bytes(table.read(index))
    except OSError as error:
        return UnusableImage.because("unreadable", error.strerror or str(error))


def _walk(folder: Path) -> tuple[list[Path], list[Unusable], int]:
    """List a folder's images, the folders in it that were not entered, and count the rest."""
    images: list[Path] = []
    problems: list[Unusable] = []
    others = 0

    def refuse(error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        problems.append(Unusable(str(error.filename), f"cannot be listed ({reason})"))

    for where, folders, files in os.walk(folder, onerror=refuse):
        here = Path(where)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        problems += (
            Unusable((here / name).as_posix(), "a link to a folder: not followed; give it itself")
            for name in folders
            if (here / name).is_symlink()
        )
        meant = [name for name in files if _is_meant(name)]
        images += (here / name for name in meant)
        others += len(files) - len(meant)
    return images, problems, others


def _is_meant(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _table(names: Sequence[str]) -> ImageTable:
    """Make a table of paths; what only a manifest knows is the same for all."""
    nothing = np.zeros(len(names), np.int64)
    return ImageTable(
        root=Path(),
        paths=np.array(names, np.str_),
        pids=nothing,
        camids=nothing,
        augmented=nothing.astype(np.bool_),
        sources=np.arange(len(names)),
        families=nothing.astype(np.str_),
    )
