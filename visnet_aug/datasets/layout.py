"""What a layout says, apart from what all layouts share: where the images are, what a path means.

A layout lists files and reads what their paths and lists say of them; it never opens an image.
`visnet_aug.datasets.reading` does the rest, for all of them alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.record import Split
from visnet_aug.errors import DatasetError

FOLDERS: Final = MappingProxyType[Split, str](
    {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
)
"""Folder of each split in Market-1501's layout, which is also the layout of every output."""

SUFFIXES: Final = r"(?i:\.(?:jpe?g|png))+"
"""The suffixes of an image's name, as a part of a regular expression (``.jpg.jpg`` happens)."""

LIMITS: Final = MappingProxyType[str, tuple[int, int]](
    {"pid": (-1, 10**9 - 1), "camid": (1, 9999), "sequence": (0, 9999), "frame": (0, 10**12 - 1)}
)
"""Minimum and maximum of each number in a name of Market-1501's form."""

_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"})
_SAMPLE: Final = 200
"""Number of names that are examined to recognise a layout: the majority decides."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a layout says about an image; ``None`` where it says nothing.

    Attributes:
        pid: Identity, from 1 in the output; ``-1`` is junk, ``0`` a distractor.
        camid: Camera, from 1.
        sequence: Sequence number.
        frame: Frame number.
        box: Number of the box within its frame, or whatever tells images of one frame apart.
    """

    pid: int
    camid: int
    sequence: int | None = None
    frame: int | None = None
    box: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that belongs to a split.

    Attributes:
        origin: Its path relative to the dataset's root, with ``/``.
        split: Where it belongs.
        stem: What tells images of the split apart: two entries of one stem are one image twice.
        label: What the layout says of it, or why it cannot be used whatever its bytes are.
    """

    origin: str
    split: Split
    stem: str
    label: Label | UnusableImage

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.origin.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a dataset, none of them opened yet.

    Attributes:
        entries: In any order.
        ignored: Number of files that are no images by name.
        places: Where each split's images were looked for, for messages.
        required: Splits without which the dataset is none.
        keeps_names: Whether files keep their names in the output: their stems are its own.
        notes: What a person should know of this reading, a line each.
    """

    entries: list[Entry]
    ignored: int
    places: Mapping[Split, Path]
    required: tuple[Split, ...] = ("train", "query", "gallery")
    keeps_names: bool = False
    notes: tuple[str, ...] = ()


class Layout(Protocol):
    """How one dataset's files are arranged."""

    @property
    def name(self) -> str:
        """Its name in recipes."""

    def list_files(self, root: Path) -> Listing:
        """List the images.

        Args:
            root: Absolute path of an existing folder.

        Raises:
            DatasetError: The folder is not of this layout, or a file that describes it is damaged.
        """


class Recognisable(Layout, Protocol):
    """A layout that a folder itself shows, unlike a table or a pattern, which a person gives."""

    @property
    def signs(self) -> str:
        """How to recognise it, for a person."""

    def recognise(self, root: Path) -> str | None:
        """Return why a folder has this layout; ``None`` if it does not."""


@dataclass(frozen=True, slots=True)
class NamedLayout:
    """Three folders of images whose names alone say who, where and when.

    What a name decides before any file is opened: litter that operating systems leave
    (``Thumbs.db``, ``.DS_Store``, ``._*``) is ignored and counted; anything else in a split's
    folder is an image, or is rejected by name.

    Attributes:
        name: In recipes.
        title: For a person.
        folders: Folder of each split below the dataset's root.
        pattern: Of a whole file name; groups ``stem`` and, as a `Label` has them, ``pid``,
            ``camid``, ``sequence``, ``frame`` and ``box``.
        form: The form of a name, for a person.
        example: A name.
        keeps_names: As `Listing`'s.
    """

    name: str
    title: str
    folders: Mapping[Split, str]
    pattern: re.Pattern[str]
    form: str
    example: str
    keeps_names: bool = False

    @property
    def signs(self) -> str:
        """Its folders and an example of its names."""
        return f"{', '.join(self.folders.values())} with names like {self.example}"

    def recognise(self, root: Path) -> str | None:
        """Return an example of its names, if all folders exist and most names have its form."""
        if any(not (root / folder).is_dir() for folder in self.folders.values()):
            return None
        try:
            names = sorted(path.name for path in (root / self.folders["train"]).iterdir())
        except OSError:
            return None
        names = [name for name in names if not is_litter(name)][:_SAMPLE]
        own = [name for name in names if self.pattern.fullmatch(name)]
        if 2 * len(own) <= len(names):
            return None
        return f"{', '.join(self.folders.values())} with names like {own[0]}"

    def list_files(self, root: Path) -> Listing:
        """List the three folders.

        Raises:
            DatasetError: One of them is missing or cannot be listed.
        """
        self._check_folders(root)
        entries: list[Entry] = []
        ignored = 0
        for split, folder in self.folders.items():
            names = _names(root / folder)
            wanted = [name for name in names if not is_litter(name)]
            ignored += len(names) - len(wanted)
            entries += (self._entry(root, folder, name, split) for name in wanted)
        places = {split: root / folder for split, folder in self.folders.items()}
        return Listing(entries, ignored, places, keeps_names=self.keeps_names)

    def _entry(self, root: Path, folder: str, name: str, split: Split) -> Entry:
        origin = f"{folder}/{name}"
        match = self.pattern.fullmatch(name)
        if match is not None:
            parts = match.groupdict()
            stem = parts.pop("stem")
            return Entry(origin, split, stem, Label(**{key: int(parts[key]) for key in parts}))
        if (root / origin).is_dir():
            problem = UnusableImage.because("subfolder", "a folder inside the split's folder")
        else:
            problem = UnusableImage.because("bad_name", f"the name is not {self.form}")
        return Entry(origin, split, name, problem)

    def _check_folders(self, root: Path) -> None:
        """Refuse a root without the folders, and suggest the folder that was probably meant."""
        missing = [folder for folder in self.folders.values() if not (root / folder).is_dir()]
        if not missing:
            return
        for folder in folders_near(root):
            if all((folder / name).is_dir() for name in self.folders.values()):
                raise DatasetError(
                    f"{root}: no {' nor '.join(missing)} in it; did you mean {folder}?"
                )
        raise DatasetError(
            f"{root}: no {' nor '.join(missing)} in it; {self.title}'s layout needs the folders "
            f"{', '.join(self.folders.values())}"
        )


def parse_number(kind: str, text: str) -> int:
    """Parse a number that a person gave.

    Args:
        kind: One of `LIMITS`.
        text: Its digits.

    Raises:
        ValueError: It is none, or out of limits; the message says what was wanted.
    """
    low, high = LIMITS[kind]
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise ValueError(f"{kind} {text!r} is not a whole number from {low} to {high:,}")
    return int(text)


def below(path: str) -> str | None:
    """Return a relative path in its simplest form; ``None`` if it leads out of its folder."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if path.startswith("/") or ".." in parts or not parts else "/".join(parts)


def is_litter(name: str) -> bool:
    """Tell whether an operating system left this file or folder."""
    return name[0] == "." or name.lower() in _LITTER


def folders_near(root: Path) -> Iterator[Path]:
    """Yield where a dataset may be if not in ``root``: above it, or one or two levels below."""
    below = (path for pattern in ("*", "*/*") for path in sorted(root.glob(pattern)))
    yield root.parent
    yield from (path for path in islice(below, 1000) if path.is_dir() and not is_litter(path.name))


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be listed ({error.strerror}); repair its permissions"
        ) from error
