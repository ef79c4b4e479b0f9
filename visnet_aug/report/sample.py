"""Takes a few of many images, from many identities and cameras, and always the same ones."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from visnet_aug.manifest import ManifestRow


def spread_sample(rows: Iterable[ManifestRow], count: int) -> list[ManifestRow]:
    """Choose rows in rounds: one of each identity, then another of each, from another camera.

    Args:
        rows: In any order; their paths tell them apart.
        count: How many to take, or all if there are fewer.

    Returns:
        The chosen rows. A larger count adds to those of a smaller one.
    """
    identities: dict[int, list[ManifestRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: _lot(row.path)):
        identities[row.pid].append(row)
    ranked = [
        (round_, _lot(row.path), row)
        for of_identity in identities.values()
        for round_, row in enumerate(_alternate_cameras(of_identity))
    ]
    return [row for _, _, row in sorted(ranked, key=lambda ranks: ranks[:2])[:count]]


def stratified_sample(
    rows: Sequence[ManifestRow], count: int, key: Callable[[ManifestRow], float]
) -> list[ManifestRow]:
    """Choose rows from the lowest to the highest: one out of each of as many equal parts.

    Args:
        rows: In any order; their paths tell them apart.
        count: How many to take, or all if there are fewer.
        key: What they are ordered by.

    Returns:
        The chosen rows in order, of each identity as few as the parts allow.
    """
    ordered = sorted(rows, key=lambda row: (key(row), _lot(row.path)))
    parts = min(count, len(ordered))
    used: Counter[int] = Counter()
    chosen = []
    for part in range(parts):
        first, end = part * len(ordered) // parts, (part + 1) * len(ordered) // parts
        row = min(ordered[first:end], key=lambda row: (used[row.pid], _lot(row.path)))
        used[row.pid] += 1
        chosen.append(row)
    return chosen


def _alternate_cameras(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """Order one identity's rows so that each camera comes once before one comes again."""
    seen: Counter[int] = Counter()
    ranked = []
    for place, row in enumerate(rows):
        ranked.append((seen[row.camid], place, row))
        seen[row.camid] += 1
    return [row for _, _, row in sorted(ranked, key=lambda ranks: ranks[:2])]


def _lot(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
