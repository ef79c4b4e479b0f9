"""Everything beside a built set's images: manifest, recipe, card, descriptions, checksums, times.

No table contains a time, a host or a number of processes: the same build gives the same bytes. How
long a build took is in ``report/timings.json``, which is not part of the set.

``metadata.csv`` in each image folder is for Hugging Face's ``datasets``, which wants it there,
under this name, with ``file_name`` first, and guesses each column's type from its cells. So no cell
is empty, and a column that some image has no value for (sequence and frame, in layouts without
them) is left out everywhere.

``manifest.parquet`` is made from ``manifest.csv`` alone, so that it can be added to a finished
build at any time and compared with the manifest. Polars reads and writes it: Ultralytics, which
finds people, depends on Polars anyway.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError

import visnet_aug
from visnet_aug.builder.description import croissant, dataset_card
from visnet_aug.builder.folder import (
    BUILD,
    CARD,
    CROISSANT,
    FORMAT,
    MANIFEST,
    METADATA,
    PARQUET,
    RECIPE,
    REJECTED,
    REPORT_FOLDER,
    TIMINGS,
)
from visnet_aug.builder.identity import other_versions
from visnet_aug.builder.journal import FOLDER as STATE_FOLDER
from visnet_aug.builder.packing import shard_tables
from visnet_aug.builder.rows import RECORD_COLUMNS, BuiltSet, image_record
from visnet_aug.datasets.record import Dataset
from visnet_aug.datasets.rejected import RejectedRow, rejected_csv, rejected_images
from visnet_aug.errors import OutputError
from visnet_aug.files import (
    cannot,
    make_folder,
    replace_file,
    sha256_of,
    sha256_of_file,
    write_file,
)
from visnet_aug.manifest import COLUMNS, ManifestRow, write_manifest
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.store import mask_name
from visnet_aug.processes import default_workers
from visnet_aug.recipe import dump_recipe
from visnet_aug.shards import shard_of

if TYPE_CHECKING:
    import polars as pl


class Timings(BaseModel):
    """What the last run of a build did, and how long that took.

    Attributes:
        manifest: SHA-256 of the manifest that it wrote, which tells whose times these are.
        version: Of this package.
        engine: What did the work.
        machine: System and processors of the machine that the build was started on.
        seconds: By stage, in order.
        masks: Masks that were computed; the others were stored.
        made: Images that were written.
        found: Images that an earlier, interrupted run had written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    manifest: str
    version: str
    engine: str
    machine: str
    seconds: dict[str, NonNegativeFloat]
    masks: NonNegativeInt
    made: NonNegativeInt
    found: NonNegativeInt

    @property
    def total(self) -> float:
        """Seconds of all stages together."""
        return sum(self.seconds.values())


def write_tables(out: Path, built: BuiltSet) -> None:
    """Write every table of a built set, the manifest last.

    Raises:
        OutputError: A file cannot be written.
    """
    staged = out / STATE_FOLDER / MANIFEST
    write_manifest(staged, built.rows)
    columns = metadata_columns(built.rows)
    tables = metadata_files(built.rows, columns)
    checksums = {MANIFEST: sha256_of_file(staged), **_checksums(tables)}
    others = {
        RECIPE: dump_recipe(built.recipe).encode(),
        REJECTED: rejected_csv(_rejected(built.dataset, built.masks)),
        CARD: dataset_card(built).encode(),
        CROISSANT: croissant(built, columns, checksums).encode(),
        **shard_tables(built.rows),
    }
    report = _build_json(built, checksums | _checksums(others))
    others[BUILD] = f"{json.dumps(report, indent=2)}\n".encode()
    for name, data in (tables | others).items():
        write_file(out / name, data, durable=True)
    try:
        staged.replace(out / MANIFEST)
    except OSError as error:
        raise cannot("written", out / MANIFEST, error) from error


def _rejected(dataset: Dataset, masks: MaskSummary) -> Iterator[RejectedRow]:
    """Yield what was left out: unusable files, then images without a usable mask.

    The latter have their paths in the output, and their source's path where it differs.
    """
    yield from rejected_images(dataset)
    for record in dataset.records:
        entry = masks.entries.get(mask_name(record.split, record.stem))
        if entry is not None and not entry.accepted:
            path = f"{dataset.folders[record.split]}/{record.name}"
            detail = f"area {entry.area:.3f}, confidence {entry.confidence:.3f}"
            if entry.mask_quality is not None:
                detail += f", quality {entry.mask_quality:.3f}"
            if (origin := dataset.origin(record)) != path:
                detail += f", from {origin}"
            yield RejectedRow(path, record.split, "mask", entry.reason, detail)


def _build_json(built: BuiltSet, checksums: Mapping[str, str]) -> dict[str, Any]:
    summary = built.summary
    return {
        "format": FORMAT,
        "identity": built.identity,
        "other_versions": other_versions(),
        "arithmetic": built.arithmetic,
        "images": summary.total,
        "splits": {split: asdict(counts) for split, counts in summary.splits.items()},
        "families": summary.families,
        "masks": {
            "accepted": len(built.masks.accepted),
            "rejected": dict(built.masks.rejected),
            "edited": built.masks.edited,
        },
        "rejected_images": dict(Counter(image.reason for image in built.dataset.rejected)),
        "sha256": dict(sorted(checksums.items())),
        "shards": built.shards,
    }


def _checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256_of(data) for name, data in files.items()}


def metadata_columns(rows: Iterable[ManifestRow]) -> tuple[str, ...]:
    """Return the columns of ``metadata.csv``: those that every image of the set has a value for."""
    rows = list(rows)
    missing = {
        name for name in ("sequence", "frame") if any(getattr(row, name) is None for row in rows)
    }
    return tuple(name for name in RECORD_COLUMNS if name not in missing)


def metadata_files(rows: Sequence[ManifestRow], columns: Sequence[str]) -> dict[str, bytes]:
    """Return ``metadata.csv`` of each image folder, by path; images in shards need none."""
    folders: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        if shard_of(row.path) is None:
            folders[row.path.rpartition("/")[0]].append(row)
    return {f"{folder}/{METADATA}": _metadata(of, columns) for folder, of in folders.items()}


def _metadata(rows: Sequence[ManifestRow], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for record in map(image_record, rows):
        writer.writerow([record[name] for name in columns])
    return text.getvalue().encode()


def write_parquet(root: Path) -> None:
    """Write ``manifest.parquet`` beside the manifest of a finished build.

    Raises:
        OutputError: It cannot be written.
    """
    table = _read_csv(root)
    replace_file(root / PARQUET, table.write_parquet, durable=True)


def parquet_agrees(root: Path) -> bool:
    """Tell whether ``manifest.parquet`` has the same rows as the sound manifest beside it."""
    import polars as pl

    try:
        there = pl.read_parquet(root / PARQUET)
    except (pl.exceptions.PolarsError, OSError):
        return False
    return there.equals(_read_csv(root))


def _read_csv(root: Path) -> pl.DataFrame:
    """Read a sound manifest; empty cells are nulls."""
    import polars as pl

    return pl.read_csv(root / MANIFEST, schema=_schema())


def _schema() -> dict[str, type[pl.DataType]]:
    """Return the columns' types, from the rows' fields; ``params`` is JSON text."""
    import polars as pl

    types: dict[object, type[pl.DataType]] = {
        int: pl.Int64, int | None: pl.Int64, float | None: pl.Float64,
    }  # fmt: skip
    hints = get_type_hints(ManifestRow)
    schema = {name: types.get(hints[name], pl.String) for name in COLUMNS}
    return {**schema, "seed": pl.UInt64}


def write_timings(
    out: Path, seconds: Mapping[str, float], engine: str, *, masks: int, made: int, found: int
) -> None:
    """Write the times of a finished build, replacing those of an earlier one; see `Timings`.

    Raises:
        OutputError: They cannot be written.
    """
    timings = Timings(
        manifest=sha256_of_file(out / MANIFEST),
        version=visnet_aug.__version__,
        engine=engine,
        machine=f"{platform.system()} {platform.machine()}, {default_workers()} processors",
        seconds={name: round(value, 3) for name, value in seconds.items()},
        masks=masks,
        made=made,
        found=found,
    )
    make_folder(out / REPORT_FOLDER)
    write_file(out / REPORT_FOLDER / TIMINGS, f"{timings.model_dump_json(indent=2)}\n".encode())


def read_timings(out: Path) -> Timings | None:
    """Read how long the build in a folder took.

    Returns:
        ``None`` if there is no such file.

    Raises:
        OutputError: The file is damaged, or belongs to another build.
    """
    path = out / REPORT_FOLDER / TIMINGS
    try:
        timings = Timings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot("read", path, error) from error
    except ValidationError as error:
        raise OutputError(
            f"{path}: damaged; delete it (only a new build writes it again)"
        ) from error
    if timings.manifest != sha256_of_file(out / MANIFEST):
        raise OutputError(
            f"{path}: belongs to another build than the one in this folder; delete it"
        )
    return timings
