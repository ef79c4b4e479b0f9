"""The table that Hugging Face's ``datasets`` reads beside images: ``metadata.csv`` in each folder.

``datasets`` wants it in the folder of its images, under this name, with ``file_name`` first, and
guesses each column's type from what is in it, for each split alone. So no cell is empty: what an
original has no value for says ``original`` or 0, and a column of which some image has nothing
(sequence and frame, in layouts without them) is left out everywhere.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from visnet_aug.builder.output import METADATA
from visnet_aug.manifest import ManifestRow
from visnet_aug.shards import shard_of

UNTOUCHED: Final = "original"
"""Family and variant of an image whose background is its own."""

COLUMNS: Final = (
    "file_name", "split", "pid", "camid", "sequence", "frame", "kind", "source", "copy", "family",
    "variant", "intensity",
)  # fmt: skip
_SOMETIMES: Final = ("sequence", "frame")


def metadata_columns(rows: Iterable[ManifestRow]) -> tuple[str, ...]:
    """Return the columns that every image of a set has."""
    rows = list(rows)
    missing = {name for name in _SOMETIMES if any(getattr(row, name) is None for row in rows)}
    return tuple(name for name in COLUMNS if name not in missing)


def metadata_files(rows: Sequence[ManifestRow], columns: Sequence[str]) -> dict[str, bytes]:
    """Make the tables of a set's image folders, by path; what is in shards needs none."""
    folders: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        if shard_of(row.path) is None:
            folders[row.path.rpartition("/")[0]].append(row)
    return {f"{folder}/{METADATA}": _table(of, columns) for folder, of in folders.items()}


def describe_image(row: ManifestRow) -> dict[str, object]:
    """Return what the table says of an image, by column: in shards, the record beside it."""
    return dict(zip(COLUMNS, _cells(row), strict=True))


def _table(rows: Sequence[ManifestRow], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    kept = itemgetter(*map(COLUMNS.index, columns))
    writer.writerows(map(kept, map(_cells, rows)))
    return text.getvalue().encode()


def _cells(row: ManifestRow) -> tuple[object, ...]:
    """Return the cells of all `COLUMNS`."""
    return (
        row.path.rpartition("/")[2],
        row.split,
        row.pid,
        row.camid,
        row.sequence,
        row.frame,
        row.kind,
        row.source,
        row.copy or 0,
        row.family or UNTOUCHED,
        row.variant or UNTOUCHED,
        row.intensity or 0.0,
    )
