"""``rejected.csv``: the images that were left out of a build, and why."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError
from visnet_aug.manifest import write_atomically


@dataclass(frozen=True, slots=True)
class RejectedRow:
    r"""One line of ``rejected.csv``; the fields are the columns, in order.

    Attributes:
        path: Relative to the dataset's root, with ``/``; bytes that are no UTF-8 as ``\udcff``.
        split: The split whose folder holds it.
        reason: A name out of `visnet_aug.datasets.images.REASONS`.
        detail: One line for a person: what was found, what to do.
    """

    path: str
    split: str
    reason: str
    detail: str


_COLUMNS = [field.name for field in fields(RejectedRow)]


def write_rejected(path: Path, dataset: Dataset) -> None:
    """Write what a dataset's reader rejected, in its order: whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for image in dataset.rejected:
        relative = image.path.relative_to(dataset.root).as_posix()
        writer.writerow(astuple(RejectedRow(relative, image.split, image.reason, image.detail)))
    write_atomically(path, text.getvalue().encode(errors="backslashreplace"))


def read_rejected(path: Path) -> list[RejectedRow]:
    """Read a ``rejected.csv``.

    Raises:
        DatasetError: The file cannot be read or is none.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); build the set again") from error
    if header != _COLUMNS or any(len(line) != len(_COLUMNS) for line in lines):
        raise DatasetError(f"{path}: the columns are not {','.join(_COLUMNS)}; build it again")
    return [RejectedRow(*line) for line in lines]
