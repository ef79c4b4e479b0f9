r"""Any folder of images, by a regular expression that reads identity and camera off their paths.

The expression must match the whole path of an image, relative to the dataset's folder, with ``/``:
``(?P<pid>\d+)/cam(?P<camid>\d+)_.*``. Its groups ``pid`` and ``camid`` are whole numbers from 1
(``0`` is a distractor and ``-1`` junk, in the gallery); ``sequence`` and ``frame`` may be there,
too. The group ``split`` says which split: ``train``, ``query``, ``gallery``, or a folder's name out
of `SPLIT_NAMES`. Without that group, the first folder on the path that has such a name says it.
Where no path has one, all images are for training: a set may have training images alone.

Images that the expression does not match are rejected, and so told of; other files are passed
over. What an expression costs that backtracks without end, its author has to wait for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, get_args

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import (
    SUFFIXES,
    Entry,
    Label,
    Listing,
    is_litter,
    parse_number,
)
from visnet_aug.datasets.record import Split
from visnet_aug.errors import DatasetError, RecipeError

REQUIRED: Final = ("pid", "camid")
OPTIONAL: Final = ("sequence", "frame")

SPLIT_NAMES: Final = MappingProxyType[str, Split](
    {
        "train": "train",
        "bounding_box_train": "train",
        "image_train": "train",
        "query": "query",
        "image_query": "query",
        "gallery": "gallery",
        "test": "gallery",
        "bounding_box_test": "gallery",
        "image_test": "gallery",
    }
)
"""The split that a folder's name, or the group ``split``, stands for; in lower case."""

_IMAGE = re.compile(f"(?P<stem>.+?){SUFFIXES}", re.DOTALL)
_EXAMPLE: Final = r"(?P<pid>\d+)/cam(?P<camid>\d+)_.*"


@dataclass(frozen=True)
class Pattern:
    """The layout of a regular expression.

    Attributes:
        expression: As the user wrote it.
    """

    expression: str

    name = "pattern"

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return compile_pattern(self.expression)

    def list_files(self, root: Path) -> Listing:
        """List all images below a folder.

        Raises:
            DatasetError: A folder cannot be listed, or no image's path matches.
            RecipeError: As `compile_pattern`.
        """
        paths = list(_walk(root, ""))
        images = [match for match in map(_IMAGE.fullmatch, paths) if match]
        default: Split | None = None if any(_split_of_folders(path) for path in paths) else "train"
        entries = [self._entry(match[0], match["stem"], default) for match in images]
        if not any(isinstance(entry.label, Label) for entry in entries):
            example = min((entry.origin for entry in entries), default="none")
            raise DatasetError(
                f"{root}: --pattern {self.expression} matches none of the "
                f"{len(entries):,} images, such as {example!r}; it must match all of such a path"
            )
        ignored = len(paths) - len(images)
        return Listing(entries, ignored, dict.fromkeys(get_args(Split), root), required=("train",))

    def _entry(self, path: str, stem: str, default: Split | None) -> Entry:
        try:
            split, label = self._read(path, default)
        except ValueError as error:
            problem = UnusableImage.because("bad_name", str(error))
            return Entry(path, _split_of_folders(path) or "train", stem, problem)
        return Entry(path, split, stem, label)

    def _read(self, path: str, default: Split | None) -> tuple[Split, Label]:
        """Read split and label off a path; ``default`` is the split where no path says one.

        Raises:
            ValueError: The path does not say them.
        """
        match = self._compiled.fullmatch(path)
        if match is None:
            raise ValueError("--pattern does not match all of its path")
        parts = {name: text or "" for name, text in match.groupdict().items()}
        numbers = {name: parts[name] for name in REQUIRED}
        numbers |= {name: parts[name] for name in OPTIONAL if parts.get(name)}
        label = Label(**{name: parse_number(name, text) for name, text in numbers.items()})
        if parts.get("split"):
            split = SPLIT_NAMES.get(parts["split"].lower())
            problem = f"split {parts['split']!r} is not one of {', '.join(SPLIT_NAMES)}"
        else:
            split = _split_of_folders(path) or default
            problem = "no folder on its path says the split, as others' do"
        if split is None:
            raise ValueError(problem)
        return split, label


def compile_pattern(expression: str) -> re.Pattern[str]:
    """Compile an expression.

    Raises:
        RecipeError: It is none, or misses a group.
    """
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise RecipeError(
            f"--pattern {expression}: not a regular expression ({error}); quote it for the shell, "
            f"and write it like {_EXAMPLE}"
        ) from error
    missing = [name for name in REQUIRED if name not in compiled.groupindex]
    if missing:
        wanted = " and ".join(f"(?P<{name}>...)" for name in missing)
        raise RecipeError(f"--pattern {expression}: no group {wanted}; write it like {_EXAMPLE}")
    return compiled


def _split_of_folders(path: str) -> Split | None:
    """Return the split of the first folder that has a split's name."""
    folders = path.lower().split("/")[:-1]
    return next((SPLIT_NAMES[name] for name in folders if name in SPLIT_NAMES), None)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a folder; a broken or circular link is a file that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk(root: Path, path: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Yield all files below a folder except litter; links are followed, but not in circles."""
    try:
        here = (root / path).stat()
        inside = sorted(os.scandir(root / path), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{root / path}: cannot be listed ({error.strerror}); repair its permissions"
        ) from error
    if (here.st_dev, here.st_ino) in above:
        return
    for entry in inside:
        if is_litter(entry.name):
            continue
        below = f"{path}/{entry.name}" if path else entry.name
        if _is_folder(entry):
            yield from _walk(root, below, above | {(here.st_dev, here.st_ino)})
        else:
            yield below
