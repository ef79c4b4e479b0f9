"""Take a few images so that they come from many identities and cameras."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar


class _Origin(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def camid(self) -> int: ...
    @property
    def path(self) -> object: ...


_Item = TypeVar("_Item", bound=_Origin)


def spread_sample(items: Iterable[_Item], count: int, seed: int) -> list[_Item]:
    """Choose items one by one, each of the identity, then the camera, chosen least so far.

    Args:
        items: In any order; their paths tell them apart.
        count: How many to take, or all if there are fewer.
        seed: Decides among equals, together with the path.

    Returns:
        The chosen items. A larger count adds to those of a smaller one.
    """
    left = sorted(items, key=lambda item: _lot(seed, str(item.path)))
    identities: Counter[int] = Counter()
    cameras: Counter[int] = Counter()
    chosen: list[_Item] = []
    while left and len(chosen) < count:
        index = min(
            range(len(left)), key=lambda i: (identities[left[i].pid], cameras[left[i].camid])
        )
        item = left.pop(index)
        identities[item.pid] += 1
        cameras[item.camid] += 1
        chosen.append(item)
    return chosen


def _lot(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogateescape")).digest()
