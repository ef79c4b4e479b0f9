"""Verifies a finished build: tables, claims, files, images. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from visnet_aug.builder.rows import mask_of
from visnet_aug.errors import DatasetError
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.processes import default_workers, spread
from visnet_aug.progress import Advance, Stage, silent
from visnet_aug.verification.claims import check_claims
from visnet_aug.verification.duplicates import near_pairs
from visnet_aug.verification.files import find_changed_shards, find_strays
from visnet_aug.verification.images import (
    Findings,
    ListedImage,
    Loss,
    SourceGroup,
    check_images,
    psnr,
)
from visnet_aug.verification.tables import Tables, read_tables
from visnet_aug.verification.verdict import Fidelity, Resemblance, Verdict

_CHUNK: Final = 64
"""Sources per message to a worker: 20 ms of work or more."""

_NEAREST: Final = 3
"""Near-duplicates that are named for each pair of splits."""


def verify(
    folder: str | Path,
    *,
    source: str | Path | None = None,
    quick: bool = False,
    workers: int | None = None,
    stage: Stage | None = None,
) -> Verdict:
    """Check that a finished build or probe is what its tables say.

    It starts processes, unless ``workers`` is 1: a script that calls it needs
    ``if __name__ == "__main__":``.

    Args:
        folder: The output folder of a build.
        source: The source dataset, for sets without their originals (the published composition),
            so that people can be compared with their sources.
        quick: Compare checksums, but decode nothing.
        workers: Number of processes; ``None`` for one per processor.
        stage: Reports progress, such as `visnet_aug.progress.stage`; silent by default.

    Returns:
        What is wrong, and what was measured; ``.sound`` if nothing is wrong.

    Raises:
        OutputError: The folder holds no finished build, or a table cannot be read.
        ManifestError: The manifest is damaged.
        DatasetError: ``source`` is no folder.
        WorkerError: A worker process died.

    Examples:
        >>> from visnet_aug import verify
        >>> verify("aug", workers=1).sound
        True
    """
    root, source = Path(folder), Path(source) if source is not None else None
    if source is not None and not source.is_dir():
        raise DatasetError(f"{source}: no such folder; give the source dataset's")
    stage = stage or silent
    with stage("read tables") as advance:
        tables = read_tables(root)
        problems = [*tables.problems, *check_claims(tables)]
        problems += find_strays(root, tables.rows, tables.entries)
        problems += find_changed_shards(root, tables.shards)
        advance(len(tables.rows), len(tables.rows))
    with stage("check images") as advance:
        groups = _group(tables, source)
        found = _check_all(groups, root, quick, workers or default_workers(), advance)
    with stage("compare") as advance:
        resemblances = _resemblances(tables.rows, found.hashes)
        advance(len(found.hashes), len(found.hashes))
    return Verdict(
        root=root,
        product=tables.product,
        images=len(tables.rows),
        quick=quick,
        problems=problems + sorted(found.problems, key=lambda problem: problem.text),
        fidelity=_fidelity(tables, found.losses),
        uncompared=found.uncompared,
        resemblances=resemblances,
    )


def _group(tables: Tables, source: Path | None) -> list[SourceGroup]:
    """Group rows by the source image that they show."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(tables.rows):
        groups[row.source].append(number)
    return [_source_group(tables, numbers, source) for numbers in groups.values()]


def _source_group(tables: Tables, numbers: Sequence[int], source: Path | None) -> SourceGroup:
    rows = [tables.rows[number] for number in numbers]
    kept = any(row.kind == "original" for row in rows)
    images = tuple(
        ListedImage(
            row=number,
            path=row.path,
            sha256=row.sha256,
            size=(row.width, row.height),
            augmented=row.kind == "augmented",
            hashed=row.kind == "original" or not kept,
        )
        for number, row in zip(numbers, rows, strict=True)
    )
    mask = next((row.mask for row in rows if row.mask is not None), None)
    entry = tables.entries.get(mask_of(rows[0]))
    own = mask is not None and entry is not None and mask == f"{MASK_FOLDER}/{entry.stem}.png"
    outside = source if not kept else None
    return SourceGroup(
        images=images,
        mask=mask,
        mask_sha256=entry.mask_sha256 if own and entry is not None else None,
        mask_edited=own and entry is not None and entry.edited,
        source=outside / rows[0].source if outside is not None else None,
        source_sha256=entry.image_sha256 if entry is not None else None,
    )


def _check_all(
    groups: Sequence[SourceGroup], root: Path, quick: bool, workers: int, advance: Advance
) -> Findings:
    """Check all images, in ``workers`` processes."""
    total = sum(len(group.images) for group in groups)
    chunks = [groups[start : start + _CHUNK] for start in range(0, len(groups), _CHUNK)]
    found = Findings()
    work = partial(check_images, root=root, quick=quick)
    for part in spread(work, chunks, workers, preload=check_images.__module__):
        found.add(part)
        advance(found.images, total)
    return found


def _fidelity(tables: Tables, losses: Sequence[Loss]) -> list[Fidelity]:
    """Sum up comparisons by the format of the files."""
    by_form: Mapping[str, list[Loss]] = defaultdict(list)
    for loss in losses:
        by_form[loss.form].append(loss)
    encoding = tables.recipe.encoding if tables.recipe is not None else "unknown"
    return [
        _summed(f"{encoding} ({form})", of_form, tables.rows)
        for form, of_form in sorted(by_form.items())
    ]


def _summed(encoding: str, losses: Sequence[Loss], rows: Sequence[ManifestRow]) -> Fidelity:
    worst = min(losses, key=lambda loss: (loss.psnr, loss.row))
    return Fidelity(
        encoding=encoding,
        copies=len(losses),
        exact=sum(not loss.squared for loss in losses),
        psnr=psnr(sum(loss.squared for loss in losses), sum(loss.values for loss in losses)),
        lowest=worst.psnr,
        worst=rows[worst.row].path,
    )


def _resemblances(
    rows: Sequence[ManifestRow], hashes: Sequence[tuple[int, int]]
) -> list[Resemblance]:
    """Compare each split's images with every other's."""
    by_split: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, value in sorted(hashes):
        by_split[rows[number].split].append((number, value))
    return [
        _resemblance(rows, first, second, by_split) for first, second in combinations(by_split, 2)
    ]


def _resemblance(
    rows: Sequence[ManifestRow],
    first: str,
    second: str,
    by_split: Mapping[str, Sequence[tuple[int, int]]],
) -> Resemblance:
    left, right = by_split[first], by_split[second]
    i, j, bits = near_pairs(
        np.array([value for _, value in left], np.uint64),
        np.array([value for _, value in right], np.uint64),
    )
    pairs = [
        (rows[left[a][0]], rows[right[b][0]], int(differing))
        for a, b, differing in zip(i.tolist(), j.tolist(), bits.tolist(), strict=True)
    ]
    pairs = [pair for pair in pairs if pair[0].source != pair[1].source]
    sources = {rows[number].source for number, _ in left}
    named = [(a, b, n) for a, b, n in pairs if a.pid > 0 and b.pid > 0]
    different = [pair for pair in named if pair[0].pid != pair[1].pid]
    return Resemblance(
        splits=(first, second),
        pairs=len(pairs),
        same_camera=sum(a.pid == b.pid and a.camid == b.camid for a, b, _ in named),
        other_identity=len(different),
        nobody=len(pairs) - len(named),
        shared_sources=len(sources & {rows[number].source for number, _ in right}),
        nearest=tuple((a.path, b.path, n) for a, b, n in (different or pairs)[:_NEAREST]),
    )
