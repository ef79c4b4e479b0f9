"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), from the paper.

Two images of one person tend to be among each other's nearest neighbours, and to share others. The
re-ranked distance mixes the given distance with a Jaccard distance of such neighbourhoods:

1. ``N(p, k)``: ``p`` itself and its ``k`` nearest neighbours among all queries and gallery images.
2. ``R(p, k)``: the members of ``N(p, k)`` whose own ``N`` contains ``p`` (section 3.2).
3. ``R*(p, k1)``: ``R(p, k1)``, and every ``R(q, k1/2)`` of its members ``q`` of which at least
   two thirds lie in ``R(p, k1)`` (section 3.2).
4. ``V(p, g) = exp(-d(p, g))`` on ``R*(p, k1)``, else 0 (section 3.3).
5. Local query expansion: each ``V(p)`` becomes the mean over ``p`` and its ``k2 - 1`` nearest
   neighbours (section 3.4).
6. ``d_J = 1 - Σ min(V_p, V_g) / Σ max(V_p, V_g)`` (section 3.3), and
   ``d* = (1 - λ) d_J + λ d`` (section 3.5).

The paper leaves open whether an image is one of its own neighbours; here it is. ``k1/2`` is rounded
up, and of equally distant images the one with the lower index is nearer.

Re-ranking uses the other queries of the test set, so its results are not comparable with those of
single queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visnet_model.evaluation.distances import Array, Distances, blocks

Indices = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

EXPANSION_BLOCK = 512
"""Images whose neighbours' neighbours are compared at once: about 3 MB of booleans at k1 = 20."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sparse:
    """A sparse N×N matrix, row by row, with ascending columns in each row (CSR).

    Attributes:
        starts: N + 1 offsets of the rows in ``columns`` and ``values``.
        columns: Column of each non-zero.
        values: The non-zeros.
    """

    starts: Indices
    columns: Indices
    values: Weights

    def rows(self) -> Indices:
        """Return the row of each non-zero."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def entries(self, rows: Indices) -> Indices:
        """Return the positions of the non-zeros of some rows, row by row."""
        starts = self.starts[rows]
        counts = self.starts[rows + 1] - starts
        shifts = np.repeat(starts - (np.cumsum(counts) - counts), counts)
        places: Indices = np.arange(len(shifts)) + shifts
        return places


def rerank(
    distances: Distances, queries: int, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> npt.NDArray[np.float32]:
    """Re-rank a gallery for all queries by their k-reciprocal neighbours.

    Args:
        distances: N×N between all images, first the queries, then the gallery; for example
            ``EuclideanDistances(both, both)``, which is computed about twice but never stored. They
            should be of order 1, like those of unit-norm embeddings: steps 4 and 6 compare them
            with 1.
        queries: Number of queries among the images.
        k1: Number of neighbours in step 3; at most N - 1 are used.
        k2: Number of images averaged in step 5, including the image itself; 1 skips step 5.
        weight: ``λ``, the weight of the given distance, 0 to 1; 1 returns it unchanged.

    Returns:
        float32 Q×G distances, for `ranking.evaluate_distances`.

    Raises:
        ValueError: The matrix is not square, an argument is out of its range, or a distance is NaN
            or infinite.
    """
    images = distances.shape[0]
    if distances.shape != (images, images):
        raise ValueError(f"distances: expected N×N, queries and gallery, got {distances.shape}")
    if not 0 < queries < images:
        raise ValueError(
            f"{queries} queries among {images} images: expected queries and gallery images"
        )
    if not (k1 >= 1 and k2 >= 1 and 0 <= weight <= 1):
        raise ValueError(
            f"k1 and k2 must be at least 1, the weight 0 to 1: got {k1}, {k2}, {weight}"
        )
    neighbours = _nearest(distances, max(k1, k2 - 1))
    encoding = _encode(distances, _expanded_reciprocal(neighbours, k1))
    if k2 > 1:
        encoding = _average_neighbours(encoding, neighbours[:, :k2])
    mixed = np.empty((queries, images - queries), np.float32)
    for start, block in blocks(_Corner(distances, queries)):
        mixed[start : start + len(block)] = weight * block
    mixed += (1 - weight) * _jaccard(encoding, queries)
    return mixed


def _nearest(distances: Distances, k: int) -> Indices:
    """Return N×(k + 1): each image itself, then its ``k`` nearest neighbours in order."""
    images = distances.shape[0]
    k = min(k, images - 1)
    nearest = np.empty((images, k + 1), np.int64)
    for start, block in blocks(distances):
        for image, row in enumerate(block, start):
            row[image] = -np.inf  # itself first, before duplicates at distance 0
            farthest = np.partition(row, k)[k]
            candidates = np.flatnonzero(row <= farthest)
            order = np.argsort(row[candidates], kind="stable")[: k + 1]
            nearest[image] = candidates[order]
    return nearest


def _reciprocal(neighbours: Indices) -> npt.NDArray[np.bool_]:
    """Return which neighbours have the image among their own (step 2), as N×(k + 1) booleans."""
    found = np.empty(neighbours.shape, np.bool_)
    for rank in range(neighbours.shape[1]):
        theirs = neighbours[neighbours[:, rank]]
        found[:, rank] = (theirs == np.arange(len(neighbours))[:, None]).any(axis=1)
    return found


def _expanded_reciprocal(neighbours: Indices, k1: int) -> tuple[Indices, Indices]:
    """Return ``R*`` (step 3) as pairs of image and member, sorted by both."""
    near, nearer = neighbours[:, : k1 + 1], neighbours[:, : (k1 + 1) // 2 + 1]
    member, half_member = _reciprocal(near), _reciprocal(nearer)
    images = len(neighbours)
    keys = [np.arange(images)[:, None].repeat(near.shape[1], 1)[member] * images + near[member]]
    for start in range(0, images, EXPANSION_BLOCK):
        chosen = slice(start, start + EXPANSION_BLOCK)
        # B×K: members of R(p, k1), -1 for non-members; B×K×H: R(q, k1/2) of each of them
        own = np.where(member[chosen], near[chosen], -1)
        candidates = nearer[near[chosen]]
        counted = half_member[near[chosen]]
        shared = np.zeros(candidates.shape, np.bool_)
        for rank in range(own.shape[1]):
            shared |= candidates == own[:, rank, None, None]
        overlap = np.count_nonzero(shared & counted, axis=2)
        joins = member[chosen] & (3 * overlap >= 2 * np.count_nonzero(counted, axis=2))
        joining = joins[:, :, None] & counted
        keys.append((np.nonzero(joining)[0] + start) * images + candidates[joining])
    unique = np.unique(np.concatenate(keys))
    return unique // images, unique % images


def _encode(distances: Distances, members: tuple[Indices, Indices]) -> _Sparse:
    """Weight the members of each ``R*`` by their distance (step 4)."""
    rows, columns = members
    starts = np.searchsorted(rows, np.arange(distances.shape[0] + 1))
    values = np.empty(len(rows))
    for start, block in blocks(distances):
        chosen = slice(starts[start], starts[start + len(block)])
        values[chosen] = np.exp(-block[rows[chosen] - start, columns[chosen]].astype(np.float64))
    return _Sparse(starts, columns, values)


def _average_neighbours(encoding: _Sparse, neighbours: Indices) -> _Sparse:
    """Replace each row by the mean over its neighbours' rows (step 5)."""
    images, k2 = neighbours.shape
    entries = encoding.entries(neighbours.ravel())
    counts = np.diff(encoding.starts)[neighbours].sum(axis=1)
    keys = np.repeat(np.arange(images), counts) * images + encoding.columns[entries]
    unique, inverse = np.unique(keys, return_inverse=True)
    values = np.bincount(inverse, encoding.values[entries], len(unique)) / k2
    starts = np.searchsorted(unique, np.arange(images + 1) * images)
    return _Sparse(starts, unique % images, values)


def _transpose(encoding: _Sparse) -> _Sparse:
    """Return the transposed matrix: for each neighbour, the images that have it."""
    order = np.argsort(encoding.columns, kind="stable")
    starts = np.searchsorted(encoding.columns[order], np.arange(len(encoding.starts)))
    return _Sparse(starts, encoding.rows()[order], encoding.values[order])


def _jaccard(encoding: _Sparse, queries: int) -> npt.NDArray[np.float32]:
    """Return Q×G Jaccard distances (step 6).

    The smaller of two weights is 0 unless both rows have the column, so only images that share a
    column with the query are visited. ``Σ max`` is the sum of both rows minus ``Σ min``.
    """
    images = len(encoding.starts) - 1
    sums = np.bincount(encoding.rows(), encoding.values, images)
    owners = _transpose(encoding)
    result = np.empty((queries, images - queries), np.float32)
    for query in range(queries):
        mine = slice(encoding.starts[query], encoding.starts[query + 1])
        columns = encoding.columns[mine]
        entries = owners.entries(columns)
        own = np.repeat(encoding.values[mine], np.diff(owners.starts)[columns])
        smaller = np.minimum(own, owners.values[entries])
        shared = np.bincount(owners.columns[entries], smaller, images)[queries:]
        result[query] = 1 - shared / (sums[query] + sums[queries:] - shared)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Corner:
    """The distances of queries to the gallery, taken from those between all images."""

    distances: Distances
    queries: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and number of gallery images."""
        return self.queries, self.distances.shape[0] - self.queries

    def __getitem__(self, rows: slice, /) -> Array:
        """Return the distances of consecutive queries to the gallery images."""
        start, stop, _ = rows.indices(self.queries)
        corner: Array = self.distances[start:stop][:, self.queries :]
        return corner
