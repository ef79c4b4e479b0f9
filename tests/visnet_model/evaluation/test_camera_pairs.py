"""Each pair of cameras against an evaluation of its own queries and gallery images."""

import numpy as np
import pytest

from visnet_model.evaluation.camera_pairs import evaluate_camera_pairs
from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.ranking import evaluate_distances


def test_each_pair_equals_an_evaluation_of_it_alone() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = 60, 200
    distances = rng.integers(0, 30, (queries, gallery)).astype(np.float32)
    query_pids, gallery_pids = rng.integers(1, 12, queries), rng.integers(-1, 9, gallery)
    query_camids, gallery_camids = rng.integers(1, 5, queries), rng.integers(2, 6, gallery)
    pairs = evaluate_camera_pairs(distances, query_pids, gallery_pids, query_camids, gallery_camids)
    expected = [(a, b) for a in range(1, 5) for b in range(2, 6) if a != b]
    assert [(pair.query_camid, pair.gallery_camid) for pair in pairs] == expected
    for pair in pairs:
        rows = np.flatnonzero(query_camids == pair.query_camid)
        columns = np.flatnonzero(gallery_camids == pair.gallery_camid)
        alone = evaluate_distances(
            distances[np.ix_(rows, columns)],
            query_pids[rows],
            gallery_pids[columns],
            query_camids[rows],
            gallery_camids[columns],
        )
        assert (pair.mAP, pair.rank1, pair.queries) == pytest.approx(
            (alone.mAP, alone.cmc[1], alone.queries)
        )


def test_reads_embeddings_too() -> None:
    embeddings = np.eye(4, dtype=np.float32)
    pairs = evaluate_camera_pairs(
        EuclideanDistances(embeddings, embeddings), [1, 2, 3, 4], [1, 2, 3, 4], [1] * 4, [2] * 4
    )
    assert [(pair.mAP, pair.rank1, pair.queries) for pair in pairs] == [(1.0, 1.0, 4)]


def test_a_pair_without_a_match_is_not_listed() -> None:
    assert evaluate_camera_pairs(np.zeros((1, 2)), [1], [1, 2], [1], [1, 2]) == ()


def test_refuses_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="expected one of each per image"):
        evaluate_camera_pairs(np.zeros((1, 2)), [1], [1], [1], [2, 2])
