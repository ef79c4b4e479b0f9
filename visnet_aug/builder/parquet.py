"""``manifest.parquet``: the manifest once more, for tools that like their columns typed.

Made from ``manifest.csv`` alone, so that a finished build gets one at any time and anybody can
tell whether one beside a manifest says the same. Polars does both: Ultralytics, which finds
people, brings it along.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from visnet_aug.builder.output import MANIFEST, PARQUET
from visnet_aug.files import replace_file
from visnet_aug.manifest import COLUMNS, ManifestRow

if TYPE_CHECKING:
    import polars as pl


def write_parquet(root: Path) -> None:
    """Write ``manifest.parquet`` beside the manifest of a finished build.

    Raises:
        OutputError: It cannot be written.
    """
    table = _read_csv(root)
    replace_file(root / PARQUET, table.write_parquet, durable=True)


def is_true(root: Path) -> bool:
    """Tell whether ``manifest.parquet`` says what the sound manifest beside it says."""
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
    """Return the columns' types, which follow from the rows' fields; ``params`` is JSON text."""
    import polars as pl

    types: dict[object, type[pl.DataType]] = {
        int: pl.Int64, int | None: pl.Int64, float | None: pl.Float64,
    }  # fmt: skip
    hints = get_type_hints(ManifestRow)
    schema = {name: types.get(hints[name], pl.String) for name in COLUMNS}
    return {**schema, "seed": pl.UInt64}
