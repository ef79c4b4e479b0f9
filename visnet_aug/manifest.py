r"""The manifest's schema, in one home: what a row says, how it is written, read and checked.

``manifest.csv`` has one row per image of a built set and is all that building and training share.
It is UTF-8 without a byte-order mark; a line ends with ``\n`` and is a row, always: no cell can
hold a line break. The same rows give the same bytes. Both ways are strict: the writer lets
nothing through that the reader would not take; what is damaged, edited by a spreadsheet or points
out of its folder is refused with file, row (as spreadsheets count: the header is row 1) and
column. A file cut within a line is refused, too; one cut between two lines is a shorter
manifest, which only the number of rows in ``build.json`` can tell.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, get_args

from visnet_aug.errors import ManifestError
from visnet_aug.files import write_file

ManifestSplit = Literal["train", "val", "query", "gallery", "probe-query", "probe-gallery"]
Kind = Literal["original", "augmented"]

JUNK_PID: Final = -1
"""Identity of gallery images that evaluation ignores (Market-1501 writes ``-1``)."""

DISTRACTOR_PID: Final = 0
"""Identity of gallery images of nobody in the query set (Market-1501 writes ``0000``)."""

PROBE_SPLITS: Final[tuple[ManifestSplit, ...]] = ("probe-query", "probe-gallery")
"""Test images with rewritten backgrounds: to measure with, never to train on."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a built set; the fields are the columns, in order.

    An ``original`` is a file of the source dataset, passed through. An ``augmented`` image is one
    with its background rewritten; it has all of ``copy`` to ``params`` and a mask, an original
    has none of ``copy`` to ``params``.

    Attributes:
        path: The image, relative to the manifest's folder, with ``/``; of an image in a tar shard,
            it goes on inside of the tar.
        split: ``train``, ``val`` (copies that the published composition holds back), ``query``,
            ``gallery``, and in a background-sensitivity probe ``probe-query`` and
            ``probe-gallery`` (versions of test images; ``family`` says which version). Augmented
            images are in ``train``, ``val`` and the probe splits, originals never in the latter.
        pid: Identity, from 1; in the gallery (and its versions) also ``0``, a distractor, and
            ``-1``, junk.
        camid: Camera, from 1.
        sequence: Sequence number, or ``None`` where the source layout has none.
        frame: Frame number, or ``None``.
        kind: ``original`` or ``augmented``.
        source: The image it was made from, relative to the **source dataset's** root, with ``/``,
            for both kinds. It need not be a row of the manifest: the published composition keeps
            no originals.
        copy: Number of the copy among its source's, from 1.
        family: Background family, such as ``noise``.
        variant: Variant within the family, such as ``gaussian``.
        intensity: Strength, 0 to 1.
        seed: 64-bit seed that all further draws came from.
        params: What was drawn, small and JSON: enough to render the copy again.
        mask: The person mask, relative to the manifest's folder, or ``None``.
        mask_area: Share of the image that the mask covers, 0 to 1; with ``mask`` only.
        mask_confidence: The segmenter's confidence, 0 to 1; with ``mask`` only.
        mask_quality: Predicted IoU of the mask with the true one, 0 to 1; ``None`` for a mask that
            a person or another tool made, or that weights without such a prediction made.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of the file's bytes.

    Examples:
        >>> from visnet_aug import ManifestRow, read_manifest
        >>> row: ManifestRow = read_manifest("aug/manifest.csv")[0]
        >>> row.split, row.kind
        ('train', 'original')
    """

    path: str
    split: ManifestSplit
    pid: int
    camid: int
    sequence: int | None
    frame: int | None
    kind: Kind
    source: str
    copy: int | None
    family: str | None
    variant: str | None
    intensity: float | None
    seed: int | None
    params: Mapping[str, Any] | None
    mask: str | None
    mask_area: float | None
    mask_confidence: float | None
    mask_quality: float | None
    width: int
    height: int
    sha256: str


COLUMNS: Final = tuple(field.name for field in fields(ManifestRow))
"""Names of the columns, in order."""

_AUGMENTED = ("copy", "family", "variant", "intensity", "seed", "params")
_MASK = ("mask", "mask_area", "mask_confidence")
_KINDS: Final[Mapping[ManifestSplit, tuple[Kind, ...]]] = {
    "train": ("original", "augmented"),
    "val": ("original", "augmented"),
    "query": ("original",),
    "gallery": ("original",),
    **dict.fromkeys(PROBE_SPLITS, ("augmented",)),
}
"""The kinds of image that each split may hold."""
_NOBODY: Final = ("gallery", "probe-gallery")
"""Splits that may hold images of nobody."""

_ODD = r"\x00-\x1f\x7f\ud800-\udfff"  # control characters, and what UTF-8 cannot hold
_TEXT = re.compile(rf"[^{_ODD}]+")
_PATH = re.compile(
    r"(?![A-Za-z]:)"  # no drive
    rf"(?:(?!\.\.?/)[^/\\{_ODD}]+/)*"  # folders other than . and ..
    rf"(?!\.\.?\Z)[^/\\{_ODD}]+"
)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_manifest(path: str | Path) -> list[ManifestRow]:
    """Read and check a whole manifest.

    Args:
        path: The file ``manifest.csv`` of a built set.

    Returns:
        A row for each image, in the file's order.

    Raises:
        ManifestError: The file cannot be read, its columns are not those of this version, a cell
            is not what its column asks for, or two rows have the same path.

    Examples:
        >>> from visnet_aug import read_manifest
        >>> rows = read_manifest("aug/manifest.csv")
        >>> len({row.family for row in rows if row.kind == "augmented"})
        6

        As a table, unchecked; seeds have 64 bits, which floats would round:

        >>> import pandas
        >>> table = pandas.read_csv("aug/manifest.csv", dtype={"seed": "UInt64", "copy": "Int64"})
        >>> len(table) == len(rows)
        True
        >>> import polars
        >>> types = {"seed": polars.UInt64}
        >>> table = polars.read_csv("aug/manifest.csv", schema_overrides=types)
        >>> len(table) == len(rows)
        True
    """
    return list(iter_manifest(path))


def iter_manifest(path: str | Path) -> Iterator[ManifestRow]:
    """Read a manifest row by row, checking each one.

    Whether the files exist, and whether a link leads out of the folder, is not looked at here.

    Raises:
        ManifestError: The file cannot be read, its columns are not `COLUMNS`, a cell is not what
            its column asks for, or two rows have one path.
    """
    path = Path(path)
    lines = _lines(path)
    number, header = next(lines, (1, None))
    if header is None:
        raise ManifestError(f"{path}: empty; build the set again")
    _check_header(header, f"{path}: row {number}")
    rows: dict[str, int] = {}
    for number, cells in lines:
        where = f"{path}: row {number}"
        row = _parse_row(cells, where)
        _check_unique(row, number, rows, where)
        yield row


def write_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> None:
    """Write a manifest, in the order given: whole or not at all.

    Args:
        path: The file; replaced if it is there. Its folder must exist.
        rows: What to write.

    Raises:
        ManifestError: A row says what the reader would refuse; nothing was written.
        OutputError: The file cannot be written; what was there before is still there.
    """
    write_file(Path(path), format_manifest(path, rows), durable=True)


def format_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> bytes:
    """Return the bytes of a manifest; ``path`` names it in errors, which are `write_manifest`'s."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        where = f"{path}: row {number}"
        cells = [_format_cell(name, getattr(row, name), where) for name in COLUMNS]
        _parse_row(cells, where)
        _check_unique(row, number, seen, where)
        writer.writerow(cells)
    return text.getvalue().encode()


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row numbers and cells; each line is parsed alone, so that no error can spread."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield number, _split_line(line, f"{path}: row {number}")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error


def _split_line(line: bytes, where: str) -> list[str]:
    if line.startswith(b"\xef\xbb\xbf") or b"\r" in line:
        raise ManifestError(
            f"{where}: saved by a spreadsheet or editor (byte-order mark or carriage return); "
            "take the manifest as it was built, or save it as UTF-8 without a mark, lines "
            "ending with \\n"
        )
    if not line.endswith(b"\n"):
        raise ManifestError(f"{where}: the file ends within this line; copy or build it again")
    try:
        return next(csv.reader([line[:-1].decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{where}: {error}; copy or build it again") from error


def _check_header(cells: list[str], where: str) -> None:
    if tuple(cells) == COLUMNS:
        return
    if missing := [name for name in COLUMNS if name not in cells]:
        problem = f"missing column {', '.join(missing)}"
    elif unknown := [name for name in cells if name not in COLUMNS]:
        problem = f"unknown column {', '.join(unknown)}"
    else:
        problem = "columns repeated or out of order"
    raise ManifestError(f"{where}: {problem}; the columns are {','.join(COLUMNS)}")


def _check_unique(row: ManifestRow, number: int, rows: dict[str, int], where: str) -> None:
    first = rows.setdefault(row.path, number)
    if first != number:
        raise ManifestError(f"{where}, column path: {row.path} is in row {first} already")


def _parse_row(cells: Sequence[str], where: str) -> ManifestRow:
    if len(cells) != len(COLUMNS):
        raise ManifestError(f"{where}: {len(cells)} cells instead of {len(COLUMNS)}")
    values = []
    for name, parse, cell in zip(COLUMNS, _PARSERS, cells, strict=True):
        try:
            values.append(parse(cell))
        except (ValueError, RecursionError) as error:
            shown = cell if len(cell) <= 80 else f"{cell[:77]}..."
            raise ManifestError(f"{where}, column {name}: {shown!r} is not {error}") from error
    row = ManifestRow(*values)
    _check_row(row, where)
    return row


def _check_row(row: ManifestRow, where: str) -> None:
    """Check what columns say together."""

    def refuse(column: str, problem: str) -> NoReturn:
        raise ManifestError(f"{where}, column {column}: {problem}")

    augmented = row.kind == "augmented"
    if row.kind not in _KINDS[row.split]:
        refuse("split", f"an {row.kind} image in {row.split}")
    if row.pid < 1 and row.split not in _NOBODY:
        refuse("pid", f"{row.pid} is nobody's, which only {' and '.join(_NOBODY)} may hold")
    for name in _AUGMENTED:
        if (getattr(row, name) is None) == augmented:
            refuse(name, "empty for an augmented image" if augmented else "filled for an original")
    if augmented and row.mask is None:
        refuse("mask", "empty for an augmented image")
    for name in _MASK:
        if (getattr(row, name) is None) != (row.mask is None):
            refuse(name, f"{', '.join(_MASK)} are given together or not at all")
    if row.mask_quality is not None and row.mask is None:
        refuse("mask_quality", "filled where there is no mask")


def _format_cell(name: str, value: object, where: str) -> str:
    try:
        if value is None:
            return ""
        if name == "params":
            return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return float.__repr__(value) if isinstance(value, float) else str(value)
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{where}, column {name}: {error}") from error


def _integer(low: int, high: int = 2**63 - 1) -> Callable[[str], int]:
    def parse(cell: str) -> int:
        if not _INTEGER.fullmatch(cell) or not low <= (value := int(cell)) <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return value

    return parse


def _share(cell: str) -> float:
    if not _NUMBER.fullmatch(cell) or not (value := float(cell)) <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _choice(*options: str) -> Callable[[str], str]:
    def parse(cell: str) -> str:
        if cell not in options:
            raise ValueError(f"one of {', '.join(options)}")
        return cell

    return parse


def _matching(pattern: re.Pattern[str], wanted: str) -> Callable[[str], str]:
    def parse(cell: str) -> str:
        if not pattern.fullmatch(cell):
            raise ValueError(wanted)
        return cell

    return parse


def _optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda cell: parse(cell) if cell else None


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("NaN or infinite")
    return value


# Built once: json.loads would build a decoder for every cell.
_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _object(cell: str) -> dict[str, Any]:
    try:
        value = _JSON.decode(cell)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a JSON object ({error})") from error
    if not isinstance(value, dict):
        raise ValueError("a JSON object")
    return value


_relative_path = _matching(
    _PATH, "a path inside the folder (relative, with / only, without .., drive or control letters)"
)
_text = _matching(_TEXT, "a name")

_PARSERS: Final[tuple[Callable[[str], Any], ...]] = (
    _relative_path,  # path
    _choice(*get_args(ManifestSplit)),  # split
    _integer(-1),  # pid
    _integer(1),  # camid
    _optional(_integer(0)),  # sequence
    _optional(_integer(0)),  # frame
    _choice(*get_args(Kind)),  # kind
    _relative_path,  # source
    _optional(_integer(1)),  # copy
    _optional(_text),  # family
    _optional(_text),  # variant
    _optional(_share),  # intensity
    _optional(_integer(0, 2**64 - 1)),  # seed
    _optional(_object),  # params
    _optional(_relative_path),  # mask
    _optional(_share),  # mask_area
    _optional(_share),  # mask_confidence
    _optional(_share),  # mask_quality
    _integer(1),  # width
    _integer(1),  # height
    _matching(_SHA256, "64 hex digits"),  # sha256
)
