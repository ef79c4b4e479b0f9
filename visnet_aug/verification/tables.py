"""Reads a finished build's tables, and notes what has changed since the build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from visnet_aug.builder.folder import (
    BUILD,
    MANIFEST,
    PARQUET,
    RECIPE,
    REJECTED,
    check_finished,
    read_build_json,
)
from visnet_aug.builder.identity import identify_masks
from visnet_aug.builder.rows import mask_of, stem_of
from visnet_aug.builder.tables import parquet_agrees
from visnet_aug.datasets.rejected import RejectedRow, read_rejected
from visnet_aug.errors import OutputError, RecipeError
from visnet_aug.files import sha256_of
from visnet_aug.manifest import PROBE_SPLITS, ManifestRow, read_manifest
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.store import TABLE, MaskEntry, MaskStore, mask_name
from visnet_aug.recipe import Recipe, load_recipe
from visnet_aug.verification.verdict import Problem

ProductName: TypeAlias = Literal["build", "probe"]

_PARTS = {
    "identity": dict, "images": int, "splits": dict, "families": dict, "sha256": dict,
    "shards": dict,
}  # fmt: skip
"""The parts of ``build.json`` that are used, with their types."""

_ROUNDING = 1e-6
"""How far tables are off the numbers that masks were judged by."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a finished build.

    Attributes:
        root: The output folder.
        rows: The manifest.
        product: What was built.
        report: ``build.json``; ``None`` if it is damaged.
        recipe: What was asked for; ``None`` if it is damaged.
        entries: Verdicts on masks, by `mask_name`, of all images in ``masks.csv``.
        rejected: Unusable files and images without a mask; ``None`` if the table is damaged.
        problems: What is wrong with the tables themselves.
    """

    root: Path
    rows: Sequence[ManifestRow]
    product: ProductName
    report: Mapping[str, Any] | None
    recipe: Recipe | None
    entries: Mapping[str, MaskEntry]
    rejected: Sequence[RejectedRow] | None
    problems: Sequence[Problem]

    @property
    def masked(self) -> set[str]:
        """Names of the images that the mask stage looked at."""
        rows = self.rows if self.product == "probe" else self.training
        left_out = (row for row in self.rejected or () if row.stage == "mask")
        return {mask_of(row) for row in rows} | {
            mask_name(row.split, stem_of(row.path)) for row in left_out
        }

    @property
    def shards(self) -> Mapping[str, str]:
        """Checksums of the shards, by path, as far as they are known."""
        shards: Mapping[str, str] = self.report["shards"] if self.report else {}
        return shards

    @property
    def training(self) -> list[ManifestRow]:
        """Rows of train and val."""
        return [row for row in self.rows if row.split in ("train", "val")]

    @property
    def published(self) -> bool:
        """Whether copies are kept without their sources."""
        if self.recipe is not None:
            return self.product == "build" and self.recipe.composition == "published"
        return not any(row.kind == "original" for row in self.training)


def read_tables(root: Path) -> Tables:
    """Read all tables; a damaged one is a problem, or an error if nothing works without it.

    Raises:
        OutputError: The folder holds no finished build, or one of another version's format; or a
            table cannot be read at all.
        ManifestError: The manifest is damaged.
    """
    check_finished(root)
    rows = read_manifest(root / MANIFEST)
    problems: list[Problem] = []
    report = _read_report(root, problems)
    changed = set(_changed(root, report or {}, problems))
    store = MaskStore(root)
    if lines := store.damaged["torn line"]:
        problems.append(Problem("tables", f"{TABLE}: {lines:,} damaged line{'s' * (lines != 1)}"))
    tables = Tables(
        root=root,
        rows=rows,
        product=_product(report, rows),
        report=report,
        recipe=_read_recipe(root, changed, problems),
        entries=store.entries,
        rejected=_read_rejected(root, changed, problems),
        problems=problems,
    )
    problems.extend(_mask_problems(tables))
    problems.extend(_rating_problems(tables))
    problems.extend(_parquet_problems(root))
    return tables


def _read_report(root: Path, problems: list[Problem]) -> Mapping[str, Any] | None:
    try:
        report = read_build_json(root)
        damaged = [name for name, kind in _PARTS.items() if not isinstance(report[name], kind)]
        if damaged:
            raise ValueError(f"unusable {damaged[0]}")
    except OSError as error:
        problems.append(Problem("tables", f"{BUILD}: cannot be read ({error.strerror})"))
    except (ValueError, TypeError, KeyError) as error:
        problems.append(Problem("tables", f"{BUILD}: damaged ({type(error).__name__}: {error})"))
    else:
        return report
    return None


def _changed(root: Path, report: Mapping[str, Any], problems: list[Problem]) -> Iterator[str]:
    """Yield the names of tables that differ from ``build.json``, and note them."""
    for name, digest in report.get("sha256", {}).items():
        try:
            data = (root / name).read_bytes()
        except OSError as error:
            problems.append(Problem("tables", f"{name}: cannot be read ({error.strerror})"))
            yield name
            continue
        if sha256_of(data) != digest:
            problems.append(Problem("tables", f"{name}: changed since it was built"))
            yield name


def _product(report: Mapping[str, Any] | None, rows: Sequence[ManifestRow]) -> ProductName:
    """Tell what was built, from the rows if ``build.json`` does not say so."""
    command = (report or {"identity": {}})["identity"].get("command")
    if command == "probe" or any(row.split in PROBE_SPLITS for row in rows):
        return "probe"
    return "build"


def _read_recipe(root: Path, changed: set[str], problems: list[Problem]) -> Recipe | None:
    try:
        return load_recipe(root / RECIPE)
    except RecipeError as error:
        if RECIPE not in changed:
            problems.append(Problem("tables", str(error)))
        return None


def _read_rejected(
    root: Path, changed: set[str], problems: list[Problem]
) -> list[RejectedRow] | None:
    try:
        return read_rejected(root / REJECTED)
    except OutputError as error:
        if REJECTED not in changed:
            problems.append(Problem("tables", str(error)))
        return None


def _parquet_problems(root: Path) -> Iterator[Problem]:
    """Compare ``manifest.parquet``, if there is one, with the manifest."""
    if (root / PARQUET).exists() and not parquet_agrees(root):
        what = f"differs from {MANIFEST}; build --parquet writes it again"
        yield Problem("tables", f"{PARQUET}: {what}")


def _mask_problems(tables: Tables) -> Iterator[Problem]:
    """Compare the verdicts on masks with those that the build was made with."""
    names = tables.masked
    missing = sorted(names.difference(tables.entries))
    for name in missing:
        yield Problem("mask", f"{name}: no line in {TABLE}")
    used = (tables.report or {"identity": {}})["identity"].get("masks")
    if missing or used is None or tables.rejected is None:
        return
    entries = {name: tables.entries[name] for name in names}
    if identify_masks(MaskSummary(entries, 0, len(entries), 0, {}))["masks"] != used:
        yield Problem("mask", f"{TABLE}: verdicts or masks are not those that were used")


def _rating_problems(tables: Tables) -> Iterator[Problem]:
    """Compare what rows say of masks with ``masks.csv``, and predicted qualities with the limit."""
    for row in tables.rows:
        entry = tables.entries.get(mask_of(row))
        if row.mask is None or entry is None:
            continue
        known = (entry.area, entry.confidence, entry.mask_quality)
        if (row.mask_area, row.mask_confidence, row.mask_quality) != known:
            what = "area, confidence and quality of its mask"
            yield Problem("mask", f"{row.path}: {what} are not those in {TABLE}")
    entries = {name: e for name in tables.masked if (e := tables.entries.get(name))}
    found = {name: entry for name, entry in entries.items() if entry.computed and entry.area}
    rated = {name: e.mask_quality for name, e in found.items() if e.mask_quality is not None}
    if rated and len(rated) < len(found):  # one network predicts all of them, or none
        missing = len(found) - len(rated)
        yield Problem("mask", f"{TABLE}: {missing:,} of {len(found):,} masks have no quality")
    if tables.recipe is None:
        return
    limit = tables.recipe.masks.quality
    for name, quality in sorted(rated.items()):
        if found[name].accepted and quality < limit - _ROUNDING:
            yield Problem("mask", f"{name}: accepted with a quality of {quality}, below {limit}")
