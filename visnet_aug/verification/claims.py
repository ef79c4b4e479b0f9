"""Checks a manifest's rows against what was planned, without reading images.

A build's plan promises more than totals (``builder/plan.py``). These checks are written from the
promises, not from the code that keeps them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from visnet_aug.builder.plan import PUBLISHED_COPIES
from visnet_aug.builder.rows import SOURCE_SPLITS, mask_of, source_stem, stem_of, summarise
from visnet_aug.manifest import ManifestRow
from visnet_aug.shards import shard_of
from visnet_aug.verification.tables import Tables
from visnet_aug.verification.verdict import Problem

_TEST: Final = ("query", "gallery", "probe-query", "probe-gallery")


def check_claims(tables: Tables) -> Iterator[Problem]:
    """Yield what is wrong with the manifest's rows."""
    yield from _counts(tables)
    yield from _leaks(tables.rows)
    yield from _own_files(tables)
    yield from _sources(tables)
    yield from _balance(tables)


def _counts(tables: Tables) -> Iterator[Problem]:
    """Compare counts with those in ``build.json``."""
    if tables.report is None:
        return
    summary = summarise(tables.rows)
    found = {
        "images": summary.total,
        "splits": {split: asdict(counts) for split, counts in summary.splits.items()},
        "families": dict(summary.families),
    }
    planned = {name: tables.report[name] for name in found}
    for what, there, wanted in _differences(found, planned):
        yield Problem("counts", f"{what}: {there} instead of {wanted}")


def _differences(found: Any, planned: Any, what: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(found, Mapping) and isinstance(planned, Mapping):
        for key in sorted({*found, *planned}):
            yield from _differences(found.get(key, 0), planned.get(key, 0), f"{what} {key}".strip())
    elif found != planned:
        yield what, found, planned


def _leaks(rows: Sequence[ManifestRow]) -> Iterator[Problem]:
    """Look for test identities among the training images."""
    tested: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row.split in _TEST and row.pid > 0:
            tested[row.pid].add(row.split)
    trained = Counter(row.pid for row in rows if row.split not in _TEST and row.pid in tested)
    for pid, images in sorted(trained.items()):
        where = " and ".join(sorted(tested[pid], reverse=True))
        yield Problem("leak", f"identity {pid}: {images:,} training images, and in {where}")


def _own_files(tables: Tables) -> Iterator[Problem]:
    """Check that each original has its own file; in Market-1501's layout, at the same path."""
    if tables.recipe is None or tables.recipe.layout == "market1501":
        strangers = [row for row in tables.rows if not _has_its_own_name(row)]
    else:
        originals = [row for row in tables.rows if row.kind == "original"]
        files = Counter(row.source for row in originals)
        strangers = [row for row in originals if files[row.source] > 1]
    for row in strangers:
        kind = "an original" if row.kind == "original" else "a copy"
        yield Problem("source", f"{row.path}: {kind}, but from {row.source}")


def _has_its_own_name(row: ManifestRow) -> bool:
    """Tell whether a row has its source's name in Market-1501's layout; an original, its path."""
    if row.kind == "augmented" or shard_of(row.path):
        return source_stem(row) == stem_of(row.source)
    return row.path == row.source


def _sources(tables: Tables) -> Iterator[Problem]:
    """Find the source of every copy, in the split that it must come from.

    The published composition keeps no sources. There, a source must not be a test image, by path
    or by bytes, and must have an accepted mask among those of the training images.
    """
    originals = {row.source: row for row in tables.rows if row.kind == "original"}
    tested = {row.sha256: row.path for row in tables.rows if row.split in _TEST}
    first: dict[str, ManifestRow] = {}
    for row in tables.rows:
        if row.kind == "original":
            continue
        wanted = SOURCE_SPLITS[row.split]
        source = originals.get(row.source)
        problem = None
        if source is not None and source.split != wanted:
            problem = f"its source {row.source} is in {source.split}"
        elif source is None and not tables.published:
            problem = f"its source {row.source} is not in {wanted}"
        elif source is None:
            source = first.setdefault(row.source, row)
            problem = _unkept_problem(row, tables, tested)
        if problem is None and source is not None and _person(source) != _person(row):
            problem = f"another identity, camera or mask than {source.path}"
        if problem:
            yield Problem("source", f"{row.path}: {problem}")


def _unkept_problem(row: ManifestRow, tables: Tables, tested: Mapping[str, str]) -> str | None:
    """Describe what is wrong with a source that was not kept."""
    entry = tables.entries.get(mask_of(row))
    if entry is None or not entry.accepted:
        return f"its source {row.source} has no accepted mask"
    if entry.image_sha256 in tested:
        return f"its source {row.source} is the same file as {tested[entry.image_sha256]}"
    return None


def _person(row: ManifestRow) -> tuple[int, int, str | None]:
    return row.pid, row.camid, row.mask


def _balance(tables: Tables) -> Iterator[Problem]:
    copies: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in tables.rows:
        if row.kind == "augmented":
            copies[row.source].append(row)
    if tables.recipe is None or not copies:
        return
    if tables.product == "probe":
        yield from _versions(tables, copies, tables.recipe.backgrounds.names())
        return
    maskable = _maskable(tables, copies)
    yield from _numbers(copies)
    yield from _variety(copies, tables.recipe.backgrounds.names())
    families = tables.recipe.backgrounds.families()
    names = tables.recipe.backgrounds.names()
    if len({families[name].weight for name in names}) == 1:
        yield from _families(tables.rows, names)
    if tables.published:
        for source, made in sorted(copies.items()):
            if len(made) != PUBLISHED_COPIES:
                yield Problem("balance", f"{source}: {len(made)} copies, not {PUBLISHED_COPIES}")
    else:
        yield from _shares(maskable, copies, lambda row: row.source, "image")
        yield from _shares(maskable, copies, lambda row: row.pid, "identity")
        yield from _shares(maskable, copies, lambda row: (row.pid, row.camid), "identity, camera")


def _maskable(tables: Tables, copies: Mapping[str, Sequence[ManifestRow]]) -> list[ManifestRow]:
    """Return a row of every image that copies could be made from."""
    if tables.published:
        return [made[0] for made in copies.values()]
    return [row for row in tables.rows if row.kind == "original" and row.mask is not None]


def _numbers(copies: Mapping[str, Sequence[ManifestRow]]) -> Iterator[Problem]:
    for source, made in sorted(copies.items()):
        numbers = sorted(row.copy or 0 for row in made)
        if numbers != list(range(1, len(made) + 1)):
            told = ", ".join(map(str, numbers))
            yield Problem("balance", f"{source}: its copies have the numbers {told}")


def _variety(
    copies: Mapping[str, Sequence[ManifestRow]], names: Collection[str]
) -> Iterator[Problem]:
    """Check that an image's copies use every family before one is repeated."""
    for source, made in sorted(copies.items()):
        counts = Counter(row.family for row in made)
        spread = [counts[name] for name in names]
        if set(counts) - set(names):
            unknown = ", ".join(sorted(str(name) for name in set(counts) - set(names)))
            yield Problem("balance", f"{source}: copies of {unknown}, which are not in the recipe")
        elif max(spread) - min(spread) > 1:
            most = max(names, key=lambda name: counts[name])
            yield Problem("balance", f"{source}: {counts[most]} of {len(made)} copies are {most}")


def _families(rows: Sequence[ManifestRow], names: Collection[str]) -> Iterator[Problem]:
    """Check that families of equal weight differ by at most one copy."""
    counts = Counter(row.family for row in rows if row.family)
    ordered = sorted(names, key=lambda name: counts[name])
    fewest, most = ordered[0], ordered[-1]
    if counts[most] - counts[fewest] > 1:
        yield Problem(
            "balance", f"{counts[most]:,} copies of {most}, but {counts[fewest]:,} of {fewest}"
        )


def _shares(
    maskable: Sequence[ManifestRow],
    copies: Mapping[str, Sequence[ManifestRow]],
    group: Callable[[ManifestRow], Hashable],
    what: str,
) -> Iterator[Problem]:
    """Check that every image, identity and camera has its exact share of copies, rounded."""
    total = sum(map(len, copies.values()))
    each, odd = divmod(total, len(maskable) or 1)
    images = Counter(group(row) for row in maskable)
    made = Counter(group(row) for rows in copies.values() for row in rows)
    for name, count in images.items():
        low = each * count + odd * count // len(maskable)
        high = each * count - (-odd * count // len(maskable))
        if not low <= made[name] <= high:
            told = ", ".join(map(str, name)) if isinstance(name, tuple) else name
            share = f"{low:,}" if low == high else f"{low:,} or {high:,}"
            yield Problem("balance", f"{what} {told}: {made[name]:,} copies instead of {share}")


def _versions(
    tables: Tables, copies: Mapping[str, Sequence[ManifestRow]], names: Collection[str]
) -> Iterator[Problem]:
    """Check that a probe has one version per family of every maskable image, and no other."""
    maskable = {row.source for row in _maskable(tables, copies)}
    wanted = dict.fromkeys(names, 1)
    for source in sorted(maskable.union(copies)):
        counts = Counter(row.family for row in copies.get(source, ()))
        if counts != (wanted if source in maskable else {}):
            told = ", ".join(f"{n} × {name}" for name, n in sorted(counts.items())) or "none"
            yield Problem("balance", f"{source}: its versions are {told}")
