"""Any images, by a table: a CSV file that says of each whose it is, from where, in which split.

The first line names the columns: ``path`` (relative to the dataset's folder, with ``/``), ``pid``,
``camid`` and ``split`` (``train``, ``query`` or ``gallery``), in any order, and if there are any,
``sequence`` and ``frame``. Other columns are passed over. Identities and cameras are whole numbers
from 1; in the gallery, ``0`` is a distractor and ``-1`` junk. What the table does not list is no
part of the set. A set may have training images alone.

A mistake in the table stops the reading, with its line: it is a person's work, and soon mended. A
listed file that is missing or damaged is rejected like one of any other layout.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from visnet_aug.datasets.layout import SUFFIXES, Entry, Label, Listing, below, parse_number
from visnet_aug.datasets.record import Split
from visnet_aug.errors import DatasetError, printable
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

REQUIRED: Final = ("path", "pid", "camid", "split")
OPTIONAL: Final = ("sequence", "frame")

_IMAGE = re.compile(f".+{SUFFIXES}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """The layout of a table.

    Attributes:
        file: The table, where it was found; see `find_table`.
    """

    file: Path

    name = "table"

    def list_files(self, root: Path) -> Listing:
        """Read the table.

        Raises:
            DatasetError: It cannot be read, or a line of it is not what its columns ask for.
        """
        entries: list[Entry] = []
        lines: dict[str, int] = {}
        for number, cells in _rows(self.file):
            where = f"{printable(self.file)}: line {number}"
            entry = _entry(cells, root, where)
            first = lines.setdefault(entry.origin, number)
            if first != number:
                raise DatasetError(f"{where}: {entry.origin} is in line {first} already")
            entries.append(entry)
        places = dict.fromkeys(get_args(Split), self.file)
        return Listing(entries, 0, places, required=("train",))


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
        f"{printable(table)}: no such file, here or in {printable(root)}; give --table the CSV file"
    )


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield each line's number and its cells by column."""
    name = printable(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{name}: cannot be read ({error}); save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        _check_columns(columns, name)
        for cells in reader:
            if len(cells) not in (0, len(columns)):
                raise DatasetError(
                    f"{name}: line {reader.line_num}: {len(cells)} cells instead of {len(columns)}"
                )
            if cells:
                yield reader.line_num, dict(zip(columns, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise DatasetError(f"{name}: line {reader.line_num}: {error}; correct the table") from error


def _check_columns(columns: list[str], file: str) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    twice = [name for name in (*REQUIRED, *OPTIONAL) if columns.count(name) > 1]
    if not missing and not twice:
        return
    problem = f"no column {' nor '.join(missing)}" if missing else f"two columns {twice[0]}"
    shown = ", ".join(columns) if "".join(columns).isprintable() else repr(columns)
    raise DatasetError(
        f"{file}: line 1: {problem} among {shown or 'none'}; it needs a header line, "
        f"{','.join(REQUIRED)}, separated by commas"
    )


def _entry(cells: Mapping[str, str], root: Path, where: str) -> Entry:
    path = below(cells["path"])
    if path is None or not _IMAGE.fullmatch(path):
        raise DatasetError(
            f"{where}: path {cells['path']!r} is not the path of a .jpg, .jpeg or .png file below "
            f"{printable(root)}, with /"
        )
    split = cells["split"]
    if split not in get_args(Split):
        raise DatasetError(f"{where}: split {split!r} is not one of {', '.join(get_args(Split))}")
    numbers = {name: cells[name] for name in ("pid", "camid")}
    numbers |= {name: cells[name] for name in OPTIONAL if cells.get(name)}
    try:
        label = Label(**{name: parse_number(name, text) for name, text in numbers.items()})
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error
    if split != "gallery" and label.pid in (JUNK_PID, DISTRACTOR_PID):
        raise DatasetError(
            f"{where}: pid {label.pid} in {split}; number identities from 1 (0, a distractor, and "
            "-1, junk, are for the gallery)"
        )
    return Entry(path, cast(Split, split), path, label)
