"""``rejected.csv``, in one home: what was left out of a build, at which stage, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError
from visnet_aug.files import write_file

Stage = Literal["read", "mask"]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    r"""One line of ``rejected.csv``; the fields are the columns, in order.

    Attributes:
        path: Relative to the dataset's root, with ``/``; bytes that are no UTF-8 as ``\udcff``.
        split: The split whose folder holds it.
        stage: ``read``: the file is unusable and not in the output. ``mask``: the training image
            has no usable person mask and therefore no copies.
        reason: A short fixed name; of stage ``read``, out of
            `visnet_aug.datasets.images.REASONS`.
        detail: One line for a person.
    """

    path: str
    split: str
    stage: Stage
    reason: str
    detail: str


_COLUMNS = [field.name for field in fields(RejectedRow)]


def rejected_images(dataset: Dataset) -> list[RejectedRow]:
    """Return the lines of stage ``read``: what a dataset's reader rejected, in its order."""
    return [
        RejectedRow(
            image.path.relative_to(dataset.root).as_posix(),
            image.split,
            "read",
            image.reason,
            image.detail,
        )
        for image in dataset.rejected
    ]


def write_rejected(path: Path, rows: Iterable[RejectedRow]) -> None:
    """Write ``rejected.csv``: whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(map(astuple, rows))
    write_file(path, text.getvalue().encode(errors="backslashreplace"), durable=True)


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
    if header != _COLUMNS:
        raise DatasetError(f"{path}: the columns are not {','.join(_COLUMNS)}; build it again")
    return [_parse(cells, f"{path}: entry {index}") for index, cells in enumerate(lines, 1)]


def _parse(cells: list[str], where: str) -> RejectedRow:
    if len(cells) != len(_COLUMNS):
        raise DatasetError(f"{where}: {len(cells)} cells instead of {len(_COLUMNS)}")
    path, split, name, reason, detail = cells
    for stage in get_args(Stage):
        if name == stage:
            return RejectedRow(path, split, stage, reason, detail)
    raise DatasetError(f"{where}: {name!r} is no stage; known are {', '.join(get_args(Stage))}")
