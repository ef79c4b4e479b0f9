"""Distances for rankings: rows of a matrix, or computed when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

BLOCK_BYTES = 8 * 2**20
"""Size of a block of distances. Larger blocks do not fit in the cache and are no faster; with 2,048
numbers per embedding, 8 MiB hold enough queries for the matrix product to run at full speed."""

NORM_TOLERANCE = 1e-2
"""Maximum difference of an embedding's norm from 1; half-precision embeddings are off by 1e-3."""


@runtime_checkable
class Distances(Protocol):
    """Distances of queries (rows) to gallery images (columns): an array, or an object like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of queries and number of gallery images."""

    def __getitem__(self, rows: slice, /) -> Array:
        """Return the distances of consecutive queries to all gallery images."""


class EuclideanDistances:
    """Euclidean distances of unit-norm embeddings, computed row by row when asked for.

    ``|q - g| = sqrt(2 - 2 q·g)`` in float32, or in float64 if an embedding is float64. It replaces
    the distance matrix in this package, so that the whole matrix never exists.
    """

    def __init__(self, query: Array, gallery: Array) -> None:
        """Check the embeddings, and convert half precision to float32.

        Args:
            query: Q×D embeddings of norm 1.
            gallery: G×D embeddings of norm 1.

        Raises:
            ValueError: Query and gallery have different D, or the norm of an embedding is not 1.
        """
        dtype = np.result_type(query.dtype, gallery.dtype, np.float32)
        self._query = _unit_embeddings("query", query, dtype)
        self._gallery = _unit_embeddings("gallery", gallery, dtype)
        if query.shape[1] != gallery.shape[1]:
            raise ValueError(
                f"query embeddings have {query.shape[1]} numbers each, "
                f"gallery embeddings {gallery.shape[1]}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and number of gallery images."""
        return len(self._query), len(self._gallery)

    def __getitem__(self, rows: slice, /) -> Array:
        """Return the distances of consecutive queries to all gallery images."""
        product = self._query[rows] @ self._gallery.T
        product *= -2
        product += 2
        np.maximum(
            product, 0, out=product
        )  # rounding can make the distance of equal images negative
        distances: Array = np.sqrt(product, out=product)
        return distances


def blocks(distances: Distances) -> Iterator[tuple[int, Array]]:
    """Yield a few rows at a time as new arrays, which the caller may change.

    Half precision becomes float32 (the same values, and much faster to sort); integers become
    float32 or float64, whichever holds them.

    Args:
        distances: Q×G.

    Yields:
        Index of the first query, and the distances: C-contiguous, at most `BLOCK_BYTES` (one row if
        a row is larger).

    Raises:
        ValueError: A distance is NaN or infinite.
    """
    queries, gallery = distances.shape
    step = max(1, BLOCK_BYTES // (4 * max(1, gallery)))
    for start in range(0, queries, step):
        rows = distances[start : start + step]
        block = np.array(rows, np.result_type(rows.dtype, np.float32), order="C")
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            raise ValueError(
                f"distances[{start + row}, {column}] is {block[row, column]}: "
                "rankings need finite distances"
            )
        yield start, block


def _unit_embeddings(name: str, embeddings: Array, dtype: np.dtype[Any]) -> Array:
    """Return embeddings in a dtype; refuse norms other than 1, including NaN and infinity."""
    if embeddings.ndim != 2:
        raise ValueError(f"{name} embeddings: expected N×D, got {embeddings.shape}")
    wide: Array = embeddings.astype(dtype, copy=False)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
    if wrong.size:
        raise ValueError(
            f"{name} embedding {wrong[0]} has norm {norms[wrong[0]]:.4g}: "
            "divide each embedding by its norm first"
        )
    return wide
