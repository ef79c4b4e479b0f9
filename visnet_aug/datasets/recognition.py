"""Which layout a folder has: by name, or by its folders, lists and names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from visnet_aug.datasets.cuhk03np import CUHK03NP
from visnet_aug.datasets.dukemtmcreid import DUKEMTMCREID
from visnet_aug.datasets.layout import Layout, Recognisable, folders_near
from visnet_aug.datasets.market1501 import MARKET1501
from visnet_aug.datasets.msmt17 import MSMT17
from visnet_aug.datasets.pattern import Pattern, compile_pattern
from visnet_aug.datasets.table import Table, find_table
from visnet_aug.datasets.veri776 import VERI776
from visnet_aug.errors import DatasetError, RecipeError

RECOGNISABLE: Final[tuple[Recognisable, ...]] = (
    MARKET1501,
    DUKEMTMCREID,
    MSMT17,
    CUHK03NP,
    VERI776,
)
"""Layouts that can be recognised."""


def find_layout(
    root: Path, name: str, table: str | None = None, pattern: str | None = None
) -> Layout:
    """Return the layout with a name.

    Args:
        root: The folder.
        name: Of the layout: not ``auto``, for which `recognise` is there.
        table: CSV file of the layout ``table``.
        pattern: Regular expression of the layout ``pattern``.

    Raises:
        DatasetError: There is no such layout, or the table is missing.
        RecipeError: The pattern cannot be used, or there is neither table nor pattern.
    """
    if name == "table" and table:
        return Table(find_table(table, root))
    if name == "pattern" and pattern:
        compile_pattern(pattern)
        return Pattern(pattern)
    if name in ("table", "pattern"):
        raise RecipeError(
            f"--layout {name} needs --{name} {'FILE' if name == 'table' else 'REGEX'}"
        )
    for layout in RECOGNISABLE:
        if layout.name == name:
            return layout
    known = ", ".join(("auto", *(layout.name for layout in RECOGNISABLE), "table", "pattern"))
    raise DatasetError(f"{name}: unknown layout; known are {known}")


def recognise(root: Path) -> tuple[Recognisable, str]:
    """Recognise the layout of a folder.

    Returns:
        The layout, and what it was recognised by.

    Raises:
        DatasetError: It has no known layout, or possibly several; the message says what was looked
            for.
    """
    found = _recognised(root)
    if len(found) == 1:
        return found[0]
    if found:
        may_be = " and like ".join(f"{layout.name} ({why})" for layout, why in found)
        names = " or ".join(layout.name for layout, _ in found)
        raise DatasetError(f"{root}: looks like {may_be}; choose one with --layout {names}")
    for folder in folders_near(root):
        if near := _recognised(folder):
            raise DatasetError(
                f"{root}: no known layout in it; did you mean {folder} ({near[0][0].name})?"
            )
    wanted = "; ".join(f"{layout.name}: {layout.signs}" for layout in RECOGNISABLE)
    raise DatasetError(
        f"{root}: no known layout in it. Looked for {wanted}. Read anything else with "
        "--table FILE (CSV with path,pid,camid,split) or --pattern REGEX"
    )


def _recognised(root: Path) -> list[tuple[Recognisable, str]]:
    return [(layout, why) for layout in RECOGNISABLE if (why := layout.recognise(root))]
