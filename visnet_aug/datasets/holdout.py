"""Query and gallery from a set that has none: by identity, drawn by a seed.

Whole identities become test identities, so that no one is in both training and test. The choice
depends on the seed and the names alone: adding a person changes little of it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from visnet_aug.datasets.record import UNKNOWN_CAMID, Dataset, ImageRecord
from visnet_aug.errors import DatasetError, RecipeError, printable


@dataclass(frozen=True, slots=True)
class Holdout:
    """How query and gallery are drawn.

    Attributes:
        share: Share of all identities that become test identities, between 0 and 1; ``None`` where
            the set has a gallery already.
        queries: Query images of each test identity, from as many cameras as there are; the rest is
            gallery.
        seed: Decides which.

    Raises:
        RecipeError: A value cannot be used.
    """

    share: float | None = None
    queries: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be used."""
        if self.share is not None and not 0 < self.share < 1:
            raise RecipeError(f"--split-test {self.share:g}: give a share between 0 and 1")
        if self.queries < 1:
            raise RecipeError(f"--split-query {self.queries}: give a whole number from 1")


def hold_out(dataset: Dataset, holdout: Holdout) -> Dataset:
    """Draw query and gallery.

    An identity can be a test identity if it has images of two cameras or, where cameras are
    unknown, two images: otherwise its queries have no right answer.

    Returns:
        The dataset with these images in other splits, and a note of what was drawn; its records
        sorted as before.

    Raises:
        DatasetError: The set has queries already, or too few identities that can be found again.
    """
    _check_splits(dataset, holdout)
    pool = "train" if holdout.share is not None else "gallery"
    people: defaultdict[int, list[ImageRecord]] = defaultdict(list)
    for record in dataset.records:
        if record.split == pool and record.pid > 0:
            people[record.pid].append(record)
    chosen = _choose(people, holdout, dataset)
    queries = {
        (record.split, record.name)
        for pid in chosen
        for record in _draw_queries(people[pid], holdout)
    }
    records = []
    for record in dataset.records:
        if (record.split, record.name) in queries:
            record = replace(record, split="query")
        elif record.split == pool and record.pid in chosen:
            record = replace(record, split="gallery")
        records.append(record)
    order = {"train": 0, "query": 1, "gallery": 2}
    records.sort(key=lambda record: (order[record.split], record.name))
    note = (
        f"{len(chosen):,} of {len(people):,} identities drawn for test, with "
        f"{len(queries):,} queries (seed {holdout.seed})"
    )
    return replace(dataset, records=tuple(records), notes=(*dataset.notes, note))


def _check_splits(dataset: Dataset, holdout: Holdout) -> None:
    present = {record.split for record in dataset.records}
    if "query" in present:
        problem = "has queries already; leave out --split-test and --split-query"
    elif "gallery" in present and holdout.share is not None:
        problem = "has a gallery already; give --split-query N alone, to draw queries from it"
    elif "gallery" not in present and holdout.share is None:
        problem = "has training images alone; give --split-test SHARE, too, of identities"
    else:
        return
    raise DatasetError(f"{printable(dataset.root)}: {problem}")


def _choose(
    people: dict[int, list[ImageRecord]], holdout: Holdout, dataset: Dataset
) -> frozenset[int]:
    """Choose the test identities."""
    able = [pid for pid, records in people.items() if _can_be_found(records)]
    if holdout.share is None:
        count = len(able)
    else:
        count = max(1, round(Fraction(holdout.share) * len(people)))
    if not able or count > len(able) or (holdout.share is not None and count >= len(people)):
        raise DatasetError(
            f"{dataset.root}: {count:,} of {len(people):,} identities would be for test, and "
            f"{len(able):,} of them have images of two cameras (or two images, where cameras are "
            "unknown); give a smaller --split-test"
        )
    ranked = sorted(able, key=lambda pid: _draw(holdout.seed, people[pid][0].identity or str(pid)))
    return frozenset(ranked[:count])


def _can_be_found(records: Sequence[ImageRecord]) -> bool:
    cameras = {record.camid for record in records}
    return len(records) > 1 and (len(cameras) > 1 or UNKNOWN_CAMID in cameras)


def _draw_queries(records: Iterable[ImageRecord], holdout: Holdout) -> list[ImageRecord]:
    """Draw queries of one identity, camera by camera, so that each has another image to find."""
    drawn = sorted(records, key=lambda record: _draw(holdout.seed, record.split, record.name))
    ranks: defaultdict[int, int] = defaultdict(int)
    turns = []
    for record in drawn:
        turns.append((ranks[record.camid], record.camid))
        ranks[record.camid] += 1
    in_turn = [record for _, record in sorted(zip(turns, drawn, strict=True), key=lambda p: p[0])]
    queries: list[ImageRecord] = []
    for record in in_turn:
        if len(queries) == holdout.queries:
            break
        rest = [other for other in drawn if other not in queries and other is not record]
        if all(_has_answer(query, rest) for query in (*queries, record)):
            queries.append(record)
    return queries


def _has_answer(query: ImageRecord, gallery: Iterable[ImageRecord]) -> bool:
    return any(
        other.camid != query.camid or UNKNOWN_CAMID in (other.camid, query.camid)
        for other in gallery
    )


def _draw(seed: int, *parts: str) -> bytes:
    return hashlib.sha256("\0".join((str(seed), *parts)).encode(errors="replace")).digest()
