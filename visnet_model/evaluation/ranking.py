"""The evaluation of person re-identification: mAP, CMC and mINP of one ranking per query.

The protocol is Market-1501's, single query (Zheng et al., ICCV 2015):

- Gallery images of the query's identity and camera are dropped for that query: finding the next
  frame of the same walk is no re-identification.
- Junk (pid -1: not a person, or a bad box) is dropped for every query.
- Distractors (pid 0) stay: they are people, of whom no query asks.
- A query without any match left is left out of all means, and counted as left out.

Of equally distant images, the one with the lower gallery index ranks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visnet_aug.manifest import JUNK_PID
from visnet_model.evaluation.distances import Array, Distances, blocks

RANKS = (1, 5, 10, 20)
"""Where the paper reads the CMC curve."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Accuracy over all queries that have a match.

    Attributes:
        mAP: Mean average precision.
        cmc: Rank to the rate of queries whose first match is at that rank or before.
        mINP: Mean inverse negative penalty (Ye et al., TPAMI 2022): matches of a query, divided by
            the rank of its hardest one.
        queries: Number of queries averaged over.
        left_out: Number of queries without a match, averaged over nowhere.
    """

    mAP: float  # noqa: N815  the field's own spelling
    cmc: Mapping[int, float]
    mINP: float  # noqa: N815
    queries: int
    left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class QueryScores:
    """One number per query and measure; arrays of length Q.

    Attributes:
        average_precision: float64; NaN for a query without a match.
        first_match: int64, rank of the first match, from 1; 0 for a query without a match.
        inverse_penalty: float64; NaN for a query without a match.
    """

    average_precision: npt.NDArray[np.float64]
    first_match: npt.NDArray[np.int64]
    inverse_penalty: npt.NDArray[np.float64]

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Which queries have a match."""
        return self.first_match > 0


def evaluate_ranking(
    distances: Distances,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
    ranks: Iterable[int] = RANKS,
) -> Ranking:
    """Evaluate the rankings that distances give, by this module's protocol.

    Memory beside the arguments is a few times `distances.BLOCK_BYTES`.

    Args:
        distances: Q×G, small for alike: an array of real numbers, or `EuclideanDistances`.
        query_pids: Q identities, whole numbers.
        gallery_pids: G identities, whole numbers.
        query_camids: Q cameras, whole numbers.
        gallery_camids: G cameras, whole numbers.
        ranks: Where to read the CMC curve; a rank beyond the gallery is its end.

    Returns:
        Means over the queries that have a match.

    Raises:
        ValueError: Shapes do not fit together, labels are not whole numbers, a distance is NaN or
            infinite, a rank is below 1, or no query has a match.
    """
    ranks = tuple(ranks)
    if any(rank < 1 for rank in ranks):
        raise ValueError(f"ranks count from 1, got {min(ranks)}")
    scores = score_queries(distances, query_pids, gallery_pids, query_camids, gallery_camids)
    valid = scores.valid
    queries = int(np.count_nonzero(valid))
    if not queries:
        raise ValueError(
            f"none of {len(valid)} queries has a gallery image of its identity "
            "from another camera: nothing to evaluate"
        )
    first_match = scores.first_match[valid]
    return Ranking(
        mAP=float(scores.average_precision[valid].mean()),
        cmc={rank: float(np.mean(first_match <= rank)) for rank in ranks},
        mINP=float(scores.inverse_penalty[valid].mean()),
        queries=queries,
        left_out=len(valid) - queries,
    )


def rank1_by_chance(
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
) -> float:
    """Return the Rank-1 that a random order has on average, by this module's protocol.

    Args:
        query_pids: As in `evaluate_ranking`, like the rest.
        gallery_pids: G identities.
        query_camids: Q cameras.
        gallery_camids: G cameras.

    Returns:
        The mean share of matches among what is kept for a query; NaN if no query has a match.
    """
    query_pids, gallery_pids = np.asarray(query_pids), np.asarray(gallery_pids)
    query_camids, gallery_camids = np.asarray(query_camids), np.asarray(gallery_camids)
    images = int(np.count_nonzero(gallery_pids != JUNK_PID))
    shares = []
    for pid, camid in zip(query_pids, query_camids, strict=True):
        same = gallery_pids == pid
        seen = int(np.count_nonzero(same & (gallery_camids == camid)))
        if matches := int(np.count_nonzero(same)) - seen:
            shares.append(matches / (images - seen))
    return float(np.mean(shares)) if shares else float("nan")


def score_queries(
    distances: Distances,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
) -> QueryScores:
    """Score each query by itself: what `evaluate_ranking` averages.

    Only the ranks of a query's matches matter, and they are few. So distances are sorted without
    their indices (several times faster than an argsort), and those of the matches are looked up.

    Args:
        distances: As in `evaluate_ranking`, like the rest.
        query_pids: Q identities.
        gallery_pids: G identities.
        query_camids: Q cameras.
        gallery_camids: G cameras.

    Returns:
        Scores in the order of the queries.

    Raises:
        ValueError: As `evaluate_ranking`, except that queries need not have a match.
    """
    if len(distances.shape) != 2:
        raise ValueError(f"distances: expected queries × gallery, got shape {distances.shape}")
    queries, gallery = distances.shape
    query_pids = _labels("query_pids", query_pids, queries)
    query_camids = _labels("query_camids", query_camids, queries)
    gallery_pids = _labels("gallery_pids", gallery_pids, gallery)
    gallery_camids = _labels("gallery_camids", gallery_camids, gallery)

    average_precision = np.full(queries, np.nan)
    first_match = np.zeros(queries, np.int64)
    inverse_penalty = np.full(queries, np.nan)
    junk = np.flatnonzero(gallery_pids == JUNK_PID)
    alike = list(_same_identity(query_pids, gallery_pids))
    for start, block in blocks(distances):
        # What is dropped goes to infinity, where it stands before nothing.
        block[:, junk] = np.inf
        matches = []
        for row, query in zip(block, range(start, queries), strict=False):
            same_camera = gallery_camids[alike[query]] == query_camids[query]
            row[alike[query][same_camera]] = np.inf
            matches.append(alike[query][~same_camera])
        ordered = np.sort(block, axis=1)
        for offset, found in enumerate(matches):
            if found.size:
                ranks = _ranks(block[offset], ordered[offset], found)
                precision = np.arange(1, len(ranks) + 1) / ranks
                average_precision[start + offset] = precision.mean()
                first_match[start + offset] = ranks[0]
                inverse_penalty[start + offset] = precision[-1]
    return QueryScores(average_precision, first_match, inverse_penalty)


def _labels(name: str, labels: npt.ArrayLike, count: int) -> npt.NDArray[np.int64]:
    """Return labels as int64, refusing a wrong number of them and anything but whole numbers."""
    array = np.asarray(labels)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected {count} labels, got shape {array.shape}")
    if count and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: expected whole numbers, got {array.dtype}")
    return array.astype(np.int64)


def _same_identity(
    query_pids: npt.NDArray[np.int64], gallery_pids: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield each query's gallery images of the same identity, ascending; none for a junk query."""
    order = np.argsort(gallery_pids, kind="stable")
    pids = gallery_pids[order]
    first = np.searchsorted(pids, query_pids, "left")
    last = np.where(query_pids == JUNK_PID, first, np.searchsorted(pids, query_pids, "right"))
    for begin, end in zip(first, last, strict=True):
        yield order[begin:end]


def _ranks(row: Array, ordered: Array, matches: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the ranks of one query's matches, ascending, from 1.

    A match ranks behind all that is nearer and, among equals, behind those of lower index. Ties
    are rare in floating point, so they are counted one match at a time; even with every match
    tied, this takes no longer than a stable argsort of Market-1501's rows would.

    Args:
        row: Distances to the gallery, infinity for what is dropped.
        ordered: The same, sorted.
        matches: Gallery indices.
    """
    values = row[matches]
    before = np.searchsorted(ordered, values, "left")
    ties = np.searchsorted(ordered, values, "right") - before
    for tied in np.flatnonzero(ties > 1):
        before[tied] += np.count_nonzero(row[: matches[tied]] == values[tied])
    return np.sort(before) + 1
