"""``rejected.csv``, in one home: what was left out of a build, at which stage, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final, Literal, cast, get_args

from visnet_aug.datasets.record import Dataset, Split
from visnet_aug.errors import OutputError
from visnet_aug.files import cannot

Stage = Literal["read", "mask"]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    r"""One line of ``rejected.csv``; the fields are the columns, in order.

    Attributes:
        path: With ``/``. Of stage ``read``, relative to the dataset's root, bytes that are no UTF-8
            as ``\udcff``; of stage ``mask``, relative to the output, where it is if it was kept.
        split: The split that it belongs to.
        stage: ``read``: the file is unusable and not in the output. ``mask``: the image has
            no usable person mask and therefore no copies.
        reason: A short fixed name; of stage ``read``, out of
            `visnet_aug.datasets.images.REASONS`.
        detail: One line for a person.
    """

    path: str
    split: Split
    stage: Stage
    reason: str
    detail: str


COLUMNS: Final = tuple(field.name for field in fields(RejectedRow))
"""Names of the columns, in order."""

_CHOICES: Final = {"split": get_args(Split), "stage": get_args(Stage)}
_REMEDY: Final = "build the set again"


def rejected_images(dataset: Dataset) -> list[RejectedRow]:
    """Return the lines of stage ``read``: what a dataset's reader rejected, in its order."""
    return [
        RejectedRow(dataset.origin(image), image.split, "read", image.reason, image.detail)
        for image in dataset.rejected
    ]


def rejected_csv(rows: Iterable[RejectedRow]) -> bytes:
    """Return the bytes of a ``rejected.csv``; what of a file's name is no text is escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(astuple, rows))
    return text.getvalue().encode(errors="backslashreplace")


def read_rejected(path: Path) -> list[RejectedRow]:
    """Read and check a ``rejected.csv``.

    Raises:
        OutputError: The file cannot be read, or is none; the message names row (the header is row
            1) and column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise cannot("read", path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path}: damaged ({error}); {_REMEDY}") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise OutputError(f"{path}: row 1: the columns are not {','.join(COLUMNS)}; {_REMEDY}")
    return [_parse(cells, f"{path}: row {number}") for number, cells in enumerate(lines[1:], 2)]


def _parse(cells: list[str], where: str) -> RejectedRow:
    if len(cells) != len(COLUMNS):
        raise OutputError(f"{where}: {len(cells)} cells instead of {len(COLUMNS)}; {_REMEDY}")
    for column, cell in zip(COLUMNS, cells, strict=True):
        if cell not in _CHOICES.get(column, (cell,)):
            wanted = f"one of {', '.join(_CHOICES[column])}"
        elif not cell and column != "detail":
            wanted = "a text"
        else:
            continue
        raise OutputError(f"{where}, column {column}: {cell!r} is not {wanted}; {_REMEDY}")
    path, split, stage, reason, detail = cells
    return RejectedRow(path, cast(Split, split), cast(Stage, stage), reason, detail)
