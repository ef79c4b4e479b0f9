"""The accuracy of person re-identification: mAP, CMC and mINP of one ranking per query.

The protocol is Market-1501's, single query (Zheng et al., ICCV 2015):

- Gallery images with the query's identity and camera are dropped for that query: to find the next
  frame of the same walk is not re-identification.
- Junk (pid -1: not a person, or a bad bounding box) is dropped for every query.
- Distractors (pid 0) stay in the gallery: they are people whom no query looks for.
- Queries without a match are excluded from all means, and counted.

Of equally distant images, the one with the lower gallery index ranks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visnet_aug.manifest import JUNK_PID
from visnet_model.evaluation.distances import Array, Distances, EuclideanDistances, blocks

RANKS = (1, 5, 10, 20)
"""Ranks at which the paper reports the CMC."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Accuracy over all queries that have a match; rates are 0 to 1.

    Attributes:
        mAP: Mean average precision.
        cmc: From a rank to the fraction of queries whose first match has that rank or a better one.
        mINP: Mean inverse negative penalty (Ye et al., "Deep learning for person re-identification:
            a survey and outlook", TPAMI 2022): the number of a query's matches divided by the rank
            of the last one.
        queries: Number of queries that have a match.
        left_out: Number of queries without a match, which do not count.

    Examples:
        >>> from visnet_model import evaluate_distances
        >>> ranking = evaluate_distances([[0.1, 0.2]], [7], [8, 7], [1], [2, 2])
        >>> ranking.mAP, ranking.cmc[1], ranking.cmc[5]
        (0.5, 0.0, 1.0)
    """

    mAP: float  # noqa: N815  the field's own spelling
    cmc: Mapping[int, float]
    mINP: float  # noqa: N815
    queries: int
    left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class QueryScores:
    """The scores of each query; arrays of length Q.

    Attributes:
        average_precision: float64; NaN for a query without a match.
        first_match: int64, the rank of the first match, from 1; 0 for a query without a match.
        inverse_penalty: float64; NaN for a query without a match.
    """

    average_precision: npt.NDArray[np.float64]
    first_match: npt.NDArray[np.int64]
    inverse_penalty: npt.NDArray[np.float64]

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Bool Q, whether a query has a match."""
        return self.first_match > 0


def evaluate_ranking(
    query_embeddings: npt.ArrayLike,
    query_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_embeddings: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
    *,
    ranks: Iterable[int] = RANKS,
) -> Ranking:
    """Evaluate embeddings of any network by Market-1501's protocol, single query.

    Gallery images are ranked by cosine similarity: embeddings are scaled to unit norm, and compared
    by Euclidean distance. To rank by any other distance, use `evaluate_distances`. The distance
    matrix is computed in blocks and never held as a whole.

    Args:
        query_embeddings: Q×D, real numbers.
        query_pids: Q identities, integers.
        query_camids: Q cameras, integers.
        gallery_embeddings: G×D, real numbers.
        gallery_pids: G identities, integers: -1 for junk, 0 for distractors.
        gallery_camids: G cameras, integers.
        ranks: Ranks at which to compute the CMC, from 1; a rank beyond the gallery is its end.

    Returns:
        The means over the queries that have a match.

    Raises:
        ValueError: Shapes do not fit together, an embedding is zero or not finite, labels are not
            integers, a rank is below 1, or no query has a match.

    Examples:
        >>> import numpy as np
        >>> from visnet_model import evaluate_ranking
        >>> ranking = evaluate_ranking(
        ...     query_embeddings=np.array([[3.0, 0.1], [0.0, 2.0]]),
        ...     query_pids=[7, 8],
        ...     query_camids=[1, 1],
        ...     gallery_embeddings=np.array([[1.0, 0.0], [1.0, 1.0], [0.1, 1.0]]),
        ...     gallery_pids=[7, 8, 0],
        ...     gallery_camids=[2, 2, 2],
        ... )
        >>> ranking.mAP, ranking.cmc[1], ranking.cmc[5], ranking.queries
        (0.75, 0.5, 1.0, 2)
    """
    query = _unit_norm("query", query_embeddings)
    gallery = _unit_norm("gallery", gallery_embeddings)
    return evaluate_distances(
        EuclideanDistances(query, gallery),
        query_pids,
        gallery_pids,
        query_camids,
        gallery_camids,
        ranks,
    )


def evaluate_distances(
    distances: Distances | npt.ArrayLike,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
    ranks: Iterable[int] = RANKS,
) -> Ranking:
    """Evaluate the rankings of given distances by Market-1501's protocol, single query.

    The memory needed besides the arguments is a few times `distances.BLOCK_BYTES`.

    Args:
        distances: Q×G, small for similar images: an array of real numbers, or an object with a
            ``shape`` that returns rows for slices.
        query_pids: Q identities, integers.
        gallery_pids: G identities, integers: -1 for junk, 0 for distractors.
        query_camids: Q cameras, integers.
        gallery_camids: G cameras, integers.
        ranks: Ranks at which to compute the CMC, from 1; a rank beyond the gallery is its end.

    Returns:
        The means over the queries that have a match.

    Raises:
        ValueError: Shapes do not fit together, labels are not integers, a distance is NaN or
            infinite, a rank is below 1, or no query has a match.

    Examples:
        >>> import numpy as np
        >>> from visnet_model import evaluate_distances
        >>> distances = np.array([[0.2, 0.9], [0.8, 0.1]])  # 2 queries, 2 gallery images
        >>> evaluate_distances(distances, [7, 8], [7, 8], [1, 1], [2, 2]).mAP
        1.0
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
    """Return the mean Rank-1 of random rankings, by this module's protocol.

    Args:
        query_pids: Q identities.
        gallery_pids: G identities.
        query_camids: Q cameras.
        gallery_camids: G cameras.

    Returns:
        The mean fraction of matches in the gallery of a query; NaN if no query has a match.
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
    distances: Distances | npt.ArrayLike,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
) -> QueryScores:
    """Score each query separately; `evaluate_distances` returns the means.

    Only the ranks of a query's few matches are needed. So distances are sorted without their
    indices, which is several times faster than an argsort, and those of the matches are looked up.

    Args:
        distances: Q×G, as in `evaluate_distances`.
        query_pids: Q identities.
        gallery_pids: G identities.
        query_camids: Q cameras.
        gallery_camids: G cameras.

    Returns:
        Scores in the order of the queries.

    Raises:
        ValueError: As in `evaluate_distances`, but queries need not have a match.
    """
    if hasattr(distances, "__array__") or not isinstance(distances, Distances):
        distances = np.asarray(distances)
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
        # What is dropped gets infinite distance, so that it ranks last.
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
    """Return labels as int64; refuse a wrong number of labels, and anything but integers."""
    array = np.asarray(labels)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected {count} labels, got shape {array.shape}")
    if count and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: expected integers, got {array.dtype}")
    return array.astype(np.int64)


def _same_identity(
    query_pids: npt.NDArray[np.int64], gallery_pids: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the gallery indices of each query's identity, ascending; none for junk queries."""
    order = np.argsort(gallery_pids, kind="stable")
    pids = gallery_pids[order]
    first = np.searchsorted(pids, query_pids, "left")
    last = np.where(query_pids == JUNK_PID, first, np.searchsorted(pids, query_pids, "right"))
    for begin, end in zip(first, last, strict=True):
        yield order[begin:end]


def _ranks(row: Array, ordered: Array, matches: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the ranks of one query's matches, ascending, from 1.

    A match ranks after all nearer images and, among equally distant ones, after those of lower
    index. Ties are rare in floating point, so they are counted one match at a time; even if every
    match is tied, this takes no longer than a stable argsort of Market-1501's rows.

    Args:
        row: Distances to the gallery, infinite for dropped images.
        ordered: The same, sorted.
        matches: Gallery indices.
    """
    values = row[matches]
    before = np.searchsorted(ordered, values, "left")
    ties = np.searchsorted(ordered, values, "right") - before
    for tied in np.flatnonzero(ties > 1):
        before[tied] += np.count_nonzero(row[: matches[tied]] == values[tied])
    return np.sort(before) + 1


def _unit_norm(name: str, embeddings: npt.ArrayLike) -> Array:
    """Return embeddings as N×D of unit norm, in float32 or float64; refuse those without a norm."""
    array = np.asarray(embeddings)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} embeddings: expected N×D real numbers, got {array.shape} of {array.dtype}"
        )
    wide = array.astype(np.result_type(array.dtype, np.float32))
    # Scaled first by the largest element, or the squares of large and small ones are lost.
    largest = np.abs(wide).max(axis=1, keepdims=True, initial=0)
    broken = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if broken.size:
        raise ValueError(f"{name} embedding {broken[0]} is zero or not finite: it has no direction")
    wide /= largest
    unit: Array = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
