"""Users' folders of images: find the image files in them, and check which are usable.

Unusable files are named, never converted, by the same rules as in a build: a network would also
embed a grey or rotated image, but it was not trained for that, and nobody would notice.
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
from visnet_aug.errors import DatasetError
from visnet_aug.progress import Advance
from visnet_aug.shards import shard_of
from visnet_model.data.table import ImageTable

OnError = Literal["skip", "stop"]

_USABLE = (".jpg", ".jpeg", ".png")
_FOREIGN = (".avif", ".bmp", ".gif", ".heic", ".jp2", ".jxl", ".tif", ".tiff", ".webp")
SUFFIXES = frozenset(_USABLE + _FOREIGN)
"""Suffixes of image files in a folder, usable or not."""

_BLOCK = 64  # images that a thread gets at a time


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A file that cannot be embedded.

    Attributes:
        name: Its name, as in `ImageEmbeddings`.
        problem: In one line, the reason and what to do.
    """

    name: str
    problem: str

    def __str__(self) -> str:
        """Return name and problem in one line: names can have line breaks and broken UTF-8."""
        name = self.name if self.name.isprintable() else ascii(self.name)
        return f"{name}: {self.problem}"


@dataclass(frozen=True, slots=True, eq=False)
class FoundImages:
    """The images in files and folders.

    Attributes:
        table: The images by sorted name; pids and camids are all 0.
        unusable: Folders that cannot be entered.
        ignored: Number of files in folders that are hidden or not images by their suffix.
        repeated: Number of images that were given more than once; they are in ``table`` once.
    """

    table: ImageTable
    unusable: tuple[UnusableFile, ...]
    ignored: int
    repeated: int


def find_images(given: Iterable[Path]) -> FoundImages:
    """Find the images in files and folders.

    A file is an image whatever its name. In a folder and its subfolders, images are the files with
    one of `SUFFIXES`, except hidden ones. Links to files are files with their own name. Links to
    folders are only followed if they are given themselves, because they can form circles.

    Raises:
        DatasetError: A file or folder does not exist, or a folder has no images.
    """
    names: dict[str, str] = {}  # by absolute path, to find repetitions
    unusable: list[UnusableFile] = []
    ignored = repeated = 0
    for path in given:
        if path.is_dir():
            found, problems, others = _walk(path)
            if not found and not problems:
                raise DatasetError(f"{path}: no images in this folder ({others:,} other files)")
            unusable += problems
            ignored += others
        elif path.exists() or path.is_symlink():
            found = [path]
        else:
            raise DatasetError(f"{path}: no such file or folder")
        for image in found:
            # Absolute without following links: a link is an image with its own name.
            place = os.path.abspath(image)  # noqa: PTH100
            repeated += place in names
            names.setdefault(place, image.as_posix())
    return FoundImages(_table(sorted(names.values())), tuple(unusable), ignored, repeated)


def check_images(
    table: ImageTable, progress: Advance
) -> tuple[npt.NDArray[np.bool_], list[UnusableFile]]:
    """Decode every image once to check that it is usable.

    Args:
        table: The images.
        progress: Called with the number of images checked and the total.

    Returns:
        bool N, whether an image is usable, and the unusable ones with the reason, in order.
    """
    usable = np.zeros(len(table), np.bool_)
    unusable: list[UnusableFile] = []
    for index, problem in enumerate(_problems(table)):
        usable[index] = problem is None
        if problem is not None:
            unusable.append(UnusableFile(table.name(index), problem))
        progress(index + 1, len(table))
    return usable, unusable


def join_tables(tables: Iterable[ImageTable]) -> ImageTable:
    """Concatenate tables of one manifest."""
    parts = list(tables)
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(ImageTable)
        if field.name != "root"
    }
    return ImageTable(root=parts[0].root, **arrays)


def _problems(table: ImageTable) -> Iterator[str | None]:
    """Yield the problem of each image, in order; threads help because Pillow releases the GIL."""
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


def _walk(folder: Path) -> tuple[list[Path], list[UnusableFile], int]:
    """Return a folder's images, subfolders that were not entered, and the number of other files."""
    images: list[Path] = []
    problems: list[UnusableFile] = []
    others = 0

    def refuse(error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        problems.append(UnusableFile(str(error.filename), f"cannot be listed ({reason})"))

    for where, folders, files in os.walk(folder, onerror=refuse):
        here = Path(where)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        problems += (
            UnusableFile(
                (here / name).as_posix(), "a link to a folder, not followed; give it as an argument"
            )
            for name in folders
            if (here / name).is_symlink()
        )
        named = [name for name in files if _is_image(name)]
        images += (here / name for name in named)
        others += len(files) - len(named)
    return images, problems, others


def _is_image(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _table(names: Sequence[str]) -> ImageTable:
    """Return a table of paths, with the same values in all other columns."""
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
