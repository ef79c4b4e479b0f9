"""Rows of a table as texts, from CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from visnet_aug.errors import DatasetError, printable

MAX_BYTES: Final = 4 * 2**30
"""Largest table that is read."""

_REFUSED: Final = {
    ".xml": "XML; VeRi-776's says what names say, too (--layout veri776); save others as CSV",
    ".mat": "Matlab's; save it as CSV, or give CUHK03 as CUHK03-NP (--layout cuhk03-np)",
    ".xlsx": "Excel's; save it as CSV (UTF-8)",
    ".json": "JSON; save it as JSON lines (.jsonl), one object a line, or CSV",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        where: The file and line, for messages.
        cells: Texts by column, stripped; in the columns' order.
    """

    where: str
    cells: Mapping[str, str]


def read_rows(file: Path) -> Iterator[Row]:
    """Read a table.

    Args:
        file: ``.jsonl`` or ``.ndjson``, ``.parquet``, ``.tsv``, and CSV under any other name; what
            separates columns is the comma, semicolon or tab that the first line has most of.

    Raises:
        DatasetError: It cannot be read; the message has the line, if there is one.
    """
    kind = file.suffix.lower()
    if kind in _REFUSED:
        raise DatasetError(f"{printable(file)}: a table that is {_REFUSED[kind]}")
    if kind == ".parquet":
        return _parquet(file)
    return _json_lines(file) if kind in (".jsonl", ".ndjson") else _csv(file)


def _text(file: Path) -> str:
    name = printable(file)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{name}: over {MAX_BYTES / 2**30:.0f} GiB; give it as Parquet")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{name}: cannot be read ({error}); save it as UTF-8") from error


def _csv(file: Path) -> Iterator[Row]:
    name = printable(file)
    text = _text(file)
    first = text.split("\n", 1)[0]
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        _check_columns(columns, f"{name}: line 1")
        for cells in reader:
            where = f"{name}: line {reader.line_num}"
            if len(cells) not in (0, len(columns)):
                raise DatasetError(f"{where}: {len(cells)} cells instead of {len(columns)}")
            if cells:
                yield Row(where, dict(zip(columns, map(str.strip, cells), strict=True)))
    except csv.Error as error:
        raise DatasetError(f"{name}: line {reader.line_num}: {error}; correct the table") from error


def _check_columns(columns: list[str], where: str) -> None:
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None or not any(columns):
        problem = "no names of columns" if twice is None else f"two columns {twice!r}"
        raise DatasetError(f"{where}: {problem}; correct the first line")


def _json_lines(file: Path) -> Iterator[Row]:
    name = printable(file)
    for number, line in enumerate(_text(file).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{name}: line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{where}: not JSON ({error}); correct the table") from error
        if not isinstance(value, dict):
            raise DatasetError(f"{where}: not a JSON object; give one a line")
        yield Row(where, {key: _cell(cell) for key, cell in value.items()})


def _parquet(file: Path) -> Iterator[Row]:
    import polars as pl
    from polars.exceptions import PolarsError

    name = printable(file)
    try:
        frame = pl.read_parquet(file)
    except (OSError, PolarsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{name}: cannot be read ({reason}); write it anew") from error
    for number, values in enumerate(frame.iter_rows(named=True), 1):
        yield Row(f"{name}: row {number}", {key: _cell(cell) for key, cell in values.items()})


def _cell(value: Any) -> str:
    """Return a value as text; of nested ones, as JSON has them."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool | dict | list):
        return json.dumps(value, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
