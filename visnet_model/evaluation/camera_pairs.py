"""Accuracy for each pair of cameras: which views a model confuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visnet_model.evaluation.distances import Array, Distances
from visnet_model.evaluation.ranking import score_queries


@dataclass(frozen=True, slots=True)
class CameraPair:
    """Accuracy of the queries of one camera in the gallery images of another.

    Attributes:
        query_camid: The queries' camera.
        gallery_camid: The gallery images' camera.
        mAP: Mean average precision.
        rank1: Fraction of queries whose nearest image is a match.
        queries: Number of queries that count.
    """

    query_camid: int
    gallery_camid: int
    mAP: float  # noqa: N815  the field's own spelling
    rank1: float
    queries: int


def evaluate_camera_pairs(
    distances: Distances,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    query_camids: npt.ArrayLike,
    gallery_camids: npt.ArrayLike,
) -> tuple[CameraPair, ...]:
    """Evaluate each query camera with each gallery camera separately, by the protocol of `ranking`.

    Every query ranks the images of one gallery camera at a time, including that camera's
    distractors. So each pair is easier than the whole gallery.

    Args:
        distances: Q×G, as in `ranking.evaluate_distances`.
        query_pids: Q identities.
        gallery_pids: G identities.
        query_camids: Q cameras.
        gallery_camids: G cameras.

    Returns:
        The pairs with at least one query that has a match, sorted by query camera, then gallery
        camera. A camera with itself never has one.

    Raises:
        ValueError: As `ranking.score_queries`.
    """
    query_camids, gallery_camids = np.asarray(query_camids), np.asarray(gallery_camids)
    gallery_pids = np.asarray(gallery_pids)
    if not distances.shape[1:] == gallery_pids.shape == gallery_camids.shape:
        raise ValueError(
            f"gallery of {distances.shape[1:]} distances, {gallery_pids.shape} pids, "
            f"{gallery_camids.shape} camids: expected one of each per image"
        )
    pairs = []
    for gallery_camid in np.unique(gallery_camids):
        columns = np.flatnonzero(gallery_camids == gallery_camid)
        scores = score_queries(
            _Columns(distances, columns),
            query_pids,
            gallery_pids[columns],
            query_camids,
            gallery_camids[columns],
        )
        for query_camid in np.unique(query_camids[scores.valid]):
            chosen = scores.valid & (query_camids == query_camid)
            pairs.append(
                CameraPair(
                    query_camid=int(query_camid),
                    gallery_camid=int(gallery_camid),
                    mAP=float(scores.average_precision[chosen].mean()),
                    rank1=float(np.mean(scores.first_match[chosen] == 1)),
                    queries=int(np.count_nonzero(chosen)),
                )
            )
    return tuple(sorted(pairs, key=lambda pair: (pair.query_camid, pair.gallery_camid)))


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Some columns of distances, copied block by block."""

    distances: Distances
    columns: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and number of columns."""
        return self.distances.shape[0], len(self.columns)

    def __getitem__(self, rows: slice, /) -> Array:
        """Return some rows of the columns."""
        chosen: Array = self.distances[rows][:, self.columns]
        return chosen
