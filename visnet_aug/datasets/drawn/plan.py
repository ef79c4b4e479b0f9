"""Which crops a drawn dataset holds: exact counts, identities, cameras, file names; no pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np

from visnet_aug.datasets.layout import FOLDERS
from visnet_aug.datasets.record import Split
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

CAMERAS: Final = 6

_SEQUENCES: Final = (6, 3, 3, 6, 3, 4)
"""Sequences of each camera in Market-1501."""

_FRAMES: Final = 110_000
_FEWEST_VIEWS: Final = 2
_TRAIN_VIEWS: Final = 4
"""Cameras that see an identity: at least, and on average in training."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many images and identities a dataset holds.

    Attributes:
        train_identities: Identities of the training split.
        train: Training images.
        test_identities: Identities of the queries, none of them in training.
        query: Query images: one for each camera that sees an identity.
        gallery: Gallery images of those identities.
        distractors: Gallery images of nobody asked for.
        junk: Gallery images that evaluation ignores.
        doubled: Training images whose names end in ``.jpg.jpg``.
    """

    train_identities: int
    train: int
    test_identities: int
    query: int
    gallery: int
    distractors: int
    junk: int
    doubled: int


MARKET1501: Final = Counts(751, 12_936, 750, 3_368, 13_115, 2_798, 3_819, 11)
"""The counts of Market-1501 as its authors ship it."""


def demo_counts(identities: int) -> Counts:
    """Return the counts of a small complete dataset, in proportions much like the real one's.

    Args:
        identities: All of them, at least 4; half train, half test.
    """
    test = identities // 2
    train = identities - test
    return Counts(
        train_identities=train,
        train=12 * train,
        test_identities=test,
        query=3 * test,
        gallery=10 * test,
        distractors=2 * test,
        junk=2 * test,
        doubled=3,
    )


@dataclass(frozen=True, slots=True)
class PlannedCrop:
    """One image to draw.

    Attributes:
        split: Its split.
        name: Its file name.
        pid: Identity; 0 a distractor, -1 junk.
        camid: Camera.
        track: Seed of the walk through the camera's view that this crop is from.
        moment: Seed of the crop itself.
    """

    split: Split
    name: str
    pid: int
    camid: int
    track: tuple[int, ...]
    moment: tuple[int, ...]


def plan_crops(counts: Counts, seed: int) -> tuple[PlannedCrop, ...]:
    """Return every image of a dataset, sorted by split and name; the same for the same seed.

    Every query has gallery images of its identity in other cameras, as the protocol asks.
    """
    rng = np.random.default_rng((seed, 4))
    pids = 1 + rng.permutation(counts.train_identities + counts.test_identities)
    train, test = np.split(pids, [counts.train_identities])
    planner = _Planner(seed, rng)
    cells = _cells(train, _TRAIN_VIEWS * counts.train_identities, rng)
    crops = list(planner.crops("train", _spread(cells, counts.train, rng)))
    crops = _double_suffixes(crops, counts.doubled)
    cells = _cells(test, counts.query, rng)
    crops += planner.crops("query", cells)
    crops += planner.crops("gallery", _spread(cells, counts.gallery, rng))
    for pid, number in ((DISTRACTOR_PID, counts.distractors), (JUNK_PID, counts.junk)):
        anywhere = rng.integers(1, CAMERAS + 1, number).tolist()
        crops += planner.crops("gallery", [(pid, camid) for camid in anywhere])
    order = {split: place for place, split in enumerate(FOLDERS)}
    return tuple(sorted(crops, key=lambda crop: (order[crop.split], crop.name)))


Cell = tuple[int, int]
"""An identity and a camera that sees it."""


def _cells(pids: np.ndarray, total: int, rng: np.random.Generator) -> list[Cell]:
    """Return ``total`` distinct cells, each identity in two to six cameras."""
    seen = [list(rng.permutation(CAMERAS) + 1) for _ in pids]
    more = [place for place in range(len(pids)) for _ in range(CAMERAS - _FEWEST_VIEWS)]
    chosen = rng.permutation(more)[: total - _FEWEST_VIEWS * len(pids)]
    views = _FEWEST_VIEWS + np.bincount(chosen, minlength=len(pids))
    return [
        (int(pid), int(camid))
        for pid, cameras, number in zip(pids, seen, views, strict=True)
        for camid in cameras[:number]
    ]


def _spread(cells: list[Cell], total: int, rng: np.random.Generator) -> list[Cell]:
    """Return ``total`` cells: each once, the rest unevenly, as people linger here and there."""
    weights = rng.gamma(2.0, 1.0, len(cells))
    extra = rng.multinomial(total - len(cells), weights / weights.sum())
    return [cell for cell, number in zip(cells, 1 + extra, strict=True) for _ in range(number)]


def _double_suffixes(crops: list[PlannedCrop], number: int) -> list[PlannedCrop]:
    """Rename the last images to ``.jpg.jpg``, as some of one identity's are in the real set."""
    return [
        PlannedCrop(crop.split, crop.name + ".jpg", crop.pid, crop.camid, crop.track, crop.moment)
        if place >= len(crops) - number
        else crop
        for place, crop in enumerate(crops)
    ]


class _Planner:
    """Gives every crop a name and seeds that no other has."""

    def __init__(self, seed: int, rng: np.random.Generator) -> None:
        self._seed = seed
        self._rng = rng
        self._number = count()
        self._taken: set[str] = set()
        self._starts: dict[Cell, tuple[int, int]] = {}

    def crops(self, split: Split, cells: list[Cell]) -> Iterator[PlannedCrop]:
        """Plan one crop for each cell given."""
        for pid, camid in cells:
            number = next(self._number)
            sequence, frame = self._when(pid, camid)
            stem = self._stem(pid, camid, sequence, frame)
            walk = (pid, camid) if pid > 0 else (0, number)
            yield PlannedCrop(
                split, stem + ".jpg", pid, camid, (self._seed, 5, *walk), (self._seed, 6, number)
            )

    def _when(self, pid: int, camid: int) -> tuple[int, int]:
        """Return sequence and frame: near each other for one identity in one camera."""
        if pid <= 0:
            return self._start(camid)
        start = self._starts.setdefault((pid, camid), self._start(camid))
        return start[0], start[1] + 25 * int(self._rng.integers(0, 40))

    def _start(self, camid: int) -> tuple[int, int]:
        sequence = int(self._rng.integers(1, _SEQUENCES[camid - 1] + 1))
        return sequence, int(self._rng.integers(1, _FRAMES))

    def _stem(self, pid: int, camid: int, sequence: int, frame: int) -> str:
        who = "-1" if pid == JUNK_PID else f"{pid:04d}"
        box = int(self._rng.integers(0, 5))
        while True:
            stem = f"{who}_c{camid}s{sequence}_{frame:06d}_{box:02d}"
            if stem not in self._taken:
                self._taken.add(stem)
                return stem
            box += 1
