"""Take a few of many so that they come from many identities and cameras, the same ones always."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar


class _Origin(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def camid(self) -> int: ...
    @property
    def path(self) -> str: ...


_Item = TypeVar("_Item", bound=_Origin)


def spread_sample(items: Iterable[_Item], count: int) -> list[_Item]:
    """Choose items in rounds: one of each identity, then another of each, from another camera.

    Args:
        items: In any order; their paths tell them apart.
        count: How many to take, or all if there are fewer.

    Returns:
        The chosen items. A larger count adds to those of a smaller one.
    """
    identities: dict[int, list[_Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: _lot(item.path)):
        identities[item.pid].append(item)
    ranked = [
        (round_, _lot(item.path), item)
        for of_identity in identities.values()
        for round_, item in enumerate(_alternate_cameras(of_identity))
    ]
    return [item for _, _, item in sorted(ranked, key=lambda ranks: ranks[:2])[:count]]


def stratified_sample(
    items: Sequence[_Item], count: int, key: Callable[[_Item], float]
) -> list[_Item]:
    """Choose items from the lowest to the highest: one out of each of as many equal parts.

    Args:
        items: In any order; their paths tell them apart.
        count: How many to take, or all if there are fewer.
        key: What they are ordered by.

    Returns:
        The chosen items in order, of each identity as few as the parts allow.
    """
    ordered = sorted(items, key=lambda item: (key(item), _lot(item.path)))
    parts = min(count, len(ordered))
    used: Counter[int] = Counter()
    chosen = []
    for part in range(parts):
        first, end = part * len(ordered) // parts, (part + 1) * len(ordered) // parts
        item = min(ordered[first:end], key=lambda item: (used[item.pid], _lot(item.path)))
        used[item.pid] += 1
        chosen.append(item)
    return chosen


def _alternate_cameras(items: Sequence[_Item]) -> list[_Item]:
    """Order one identity's items so that each camera comes once before one comes again."""
    seen: Counter[int] = Counter()
    ranked = []
    for place, item in enumerate(items):
        ranked.append((seen[item.camid], place, item))
        seen[item.camid] += 1
    return [item for _, _, item in sorted(ranked, key=lambda ranks: ranks[:2])]


def _lot(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
