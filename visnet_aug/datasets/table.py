r"""Any images, by a table with the identity, camera and split of each.

A CSV file (commas, semicolons or tabs), TSV, JSON lines or Parquet, by its suffix. A column is
known by any of the names in `COLUMNS`, in any case; others are passed over.

- The path is relative to the dataset's folder, or absolute and below it, with ``/`` or ``\\``.
- Identities and cameras are any texts, numbered as `visnet_aug.datasets.numbering` says. An empty
  camera, or no such column, means that it is unknown.
- The split is a word out of `visnet_aug.datasets.splits`. Without such a column, folders say it.
- What the table does not list is no part of the set. A set may have training images alone.

``metadata.csv``, ``.jsonl`` or ``.parquet``, in the dataset's folder or in those of its splits, is
such a table, too, with paths relative to its own folder: Hugging Face's ``datasets`` arrange
folders of images so. This is the layout ``huggingface``.

A mistake in the table stops the reading, with its line. A listed file that is missing or
damaged is rejected like one of any other layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, get_args

from visnet_aug.datasets.layout import Entry, Label, Listing, below, parse_number
from visnet_aug.datasets.memory import check_memory
from visnet_aug.datasets.numbering import read_camera, read_identity
from visnet_aug.datasets.record import Split
from visnet_aug.datasets.rows import Row, read_rows
from visnet_aug.datasets.splits import Place, Splits, splits_by_folder
from visnet_aug.datasets.walk import image_stem
from visnet_aug.errors import DatasetError, printable

COLUMNS: Final = MappingProxyType[str, tuple[str, ...]](
    {
        "path": ("path", "image", "imagepath", "img", "imgpath", "filename", "filepath", "file",
                 "imagename", "imagefile"),
        "pid": ("pid", "personid", "identity", "identityid", "person", "vehicleid", "label",
                "id"),
        "camid": ("camid", "camera", "cameraid", "cam"),
        "split": ("split", "subset", "set", "partition"),
        "sequence": ("sequence", "seq", "sequenceid"),
        "frame": ("frame", "frameid", "framenumber"),
        "tracklet": ("tracklet", "trackletid", "trackid", "track"),
    }
)  # fmt: skip
"""What a column means, by its name in lower case without spaces and signs; the first that is there
is taken."""

REQUIRED: Final = ("path", "pid")
NUMBERS: Final = ("sequence", "frame", "tracklet")
METADATA: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Names of the tables of Hugging Face's ``datasets``."""

_SIGNS = re.compile(r"[^a-z0-9]")
_STEP: Final = 100_000
"""Rows between two looks at what memory they take."""

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Table:
    """The layout of tables.

    Attributes:
        files: The tables, where they were found; see `find_table` and `find_metadata`.
        split_names: What folders and words mean, as `Splits`'s.
        beside: Whether paths are relative to the table's folder rather than to the dataset's.
    """

    files: Sequence[Path]
    split_names: Mapping[str, str] = field(default_factory=dict)
    beside: bool = False

    @property
    def name(self) -> str:
        """Its name in recipes: ``table`` if the user gives it, ``huggingface`` if it is found."""
        return "huggingface" if self.beside else "table"

    def list_files(self, root: Path) -> Listing:
        """Read the tables.

        Raises:
            DatasetError: One cannot be read, or a line of it is not what its columns ask for.
        """
        rows: list[_Line] = []
        for line in chain.from_iterable(self._lines(file, root) for file in self.files):
            if len(rows) % _STEP == 0:
                check_memory(len(rows))
            rows.append(line)
        self._check_unique(rows)
        splits = Splits(self.split_names)
        notes = list(dict.fromkeys(line.columns for line in rows))
        if any("split" in line.cells for line in rows):
            places = [_said(splits, line) for line in rows]
        else:
            found, more = splits.find_all(root, [line.origin for line in rows])
            places = [_placed(line, place) for line, place in zip(rows, found, strict=True)]
            notes += more
        entries = [
            _entry(line, place.split, place.validation)
            for line, place in zip(rows, places, strict=True)
            if place.split is not None
        ]
        return Listing(
            entries,
            ignored=len(rows) - len(entries),
            places=dict.fromkeys(get_args(Split), self.files[0]),
            required=("train",),
            notes=tuple(notes),
            splits=splits_by_folder(place for place in places if place.depth),
        )

    def _lines(self, file: Path, root: Path) -> Iterator[_Line]:
        meanings: Mapping[str, str] = {}
        columns: tuple[str, ...] | None = None
        base = file.parent.relative_to(root).as_posix() if self.beside else ""
        for row in read_rows(file):
            if tuple(row.cells) != columns:
                columns = tuple(row.cells)
                meanings = _meanings(columns, row.where)
            cells = {what: row.cells[name] for what, name in meanings.items()}
            yield _Line(
                row.where, _origin(cells["path"], base, root, row), cells, _describe(meanings)
            )

    def _check_unique(self, rows: Sequence[_Line]) -> None:
        first: dict[str, str] = {}
        for line in rows:
            if line.origin in first:
                raise DatasetError(
                    f"{line.where}: {line.origin} is in {first[line.origin]} already"
                )
            first[line.origin] = line.where.rpartition(": ")[2]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a table.

    Attributes:
        where: The table and line, for messages.
        origin: Path of the image, relative to the dataset's folder.
        cells: Texts by `COLUMNS`.
        columns: What was taken for what, for a person.
    """

    where: str
    origin: str
    cells: Mapping[str, str]
    columns: str


def find_table(table: str, root: Path) -> Path:
    """Find a table: as it is given, or else below the dataset's folder.

    Raises:
        DatasetError: It is in neither.
    """
    for path in (Path(table).expanduser(), root / table):
        with suppress(OSError):  # no name of a file at all
            if path.is_file():
                return path
    raise DatasetError(
        f"{printable(table)}: no such file, here or in {printable(root)}; give --table the file"
    )


def find_metadata(root: Path) -> list[Path]:
    """Find the tables of a folder that Hugging Face's ``datasets`` would read.

    Returns:
        The tables, if they have the columns that are needed; else none.
    """
    for pattern in ("", "*/", "*/*/"):
        found = sorted(path for name in METADATA for path in root.glob(f"{pattern}{name}"))
        if found:
            return found if all(map(_has_columns, found)) else []
    return []


def _has_columns(file: Path) -> bool:
    try:
        row = next(read_rows(file), None)
        return row is not None and bool(_meanings(tuple(row.cells), row.where))
    except DatasetError:
        return False


def _meanings(columns: Sequence[str], where: str) -> dict[str, str]:
    """Find out which column is what.

    Raises:
        DatasetError: A required one is missing, or one name is there twice.
    """
    plain = [_SIGNS.sub("", name.lower()) for name in columns]
    found = {}
    for what, names in COLUMNS.items():
        known = [name for name in names if name in plain]
        if known:
            found[what] = columns[plain.index(known[0])]
            if plain.count(known[0]) > 1:
                raise DatasetError(f"{where}: two columns {known[0]}; rename or remove one")
    missing = [what for what in REQUIRED if what not in found]
    if missing:
        shown = ", ".join(columns) if "".join(columns).isprintable() else repr(list(columns))
        wanted = "; ".join(f"{what}: {', '.join(COLUMNS[what])}" for what in missing)
        raise DatasetError(
            f"{where}: no column for {' nor '.join(missing)} among {shown or 'none'}; the first "
            f"line must name the columns (known are {wanted})"
        )
    return found


def _describe(meanings: Mapping[str, str]) -> str:
    taken = ", ".join(f"{what} from {name}" for what, name in meanings.items())
    missing = [name for name in ("camid", "split") if name not in meanings]
    unknown = {"camid": "cameras are unknown", "split": "folders say the split"}
    return f"table: {'; '.join([taken, *(unknown[name] for name in missing)])}"


def _origin(text: str, base: str, root: Path, row: Row) -> str:
    """Return an image's path relative to the dataset's folder.

    Raises:
        DatasetError: It is not below that folder.
    """
    path = text.replace("\\", "/")
    if path.startswith("/") or _DRIVE.match(path):
        path = _relative(path, root)
    else:
        path = f"{base}/{path}" if base not in ("", ".") else path
    inside = below(path)
    if inside is None or _DRIVE.match(path):
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise DatasetError(
            f"{row.where}: path {shown!r} is not the path of a file below {printable(root)}"
        )
    return inside


def _relative(path: str, root: Path) -> str:
    """Return an absolute path relative to a folder, whose name may be a link; else as it is."""
    with suppress(ValueError):
        return PurePosixPath(path).relative_to(root.as_posix()).as_posix()
    with suppress(ValueError, OSError, RuntimeError):
        given = Path(path)
        return (given.parent.resolve() / given.name).relative_to(root).as_posix()
    return path


def _said(splits: Splits, line: _Line) -> Place:
    try:
        return splits.read(line.cells.get("split", ""))
    except ValueError as error:
        raise DatasetError(f"{line.where}: {error}") from error


def _placed(line: _Line, place: Place | None) -> Place:
    if place is None:
        raise DatasetError(
            f"{line.where}: no folder of {line.origin} says its split, as others' do; add a column "
            "split"
        )
    return place


def _entry(line: _Line, split: Split, validation: bool) -> Entry:
    numbers = {name: line.cells[name] for name in NUMBERS if line.cells.get(name)}
    try:
        label = Label(
            read_identity(line.cells["pid"]),
            read_camera(line.cells.get("camid", "")),
            **{name: parse_number(name, text) for name, text in numbers.items()},
        )
    except ValueError as error:
        raise DatasetError(f"{line.where}: {error}") from error
    if split != "gallery" and isinstance(label.pid, int):
        raise DatasetError(
            f"{line.where}: {line.cells['pid']} in {split}; junk and distractors belong in the "
            "gallery"
        )
    return Entry(line.origin, split, image_stem(line.origin), label, validation=validation)
