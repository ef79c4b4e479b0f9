"""Rankings against a reference that spells the protocol out, and against torchreid's numbers."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.manifest import JUNK_PID
from visnet_model.evaluation import distances as distances_module
from visnet_model.evaluation.distances import Array, EuclideanDistances
from visnet_model.evaluation.ranking import (
    evaluate_distances,
    evaluate_ranking,
    rank1_by_chance,
    score_queries,
)

RANKS = (1, 2, 5, 10, 20)


def slow_scores(
    distances: Sequence[Sequence[float]],
    query_pids: Sequence[int],
    gallery_pids: Sequence[int],
    query_camids: Sequence[int],
    gallery_camids: Sequence[int],
) -> list[tuple[float, int, float]]:
    """The protocol: average precision, rank of the first match and inverse penalty per query."""
    scores = []
    for row, pid, camid in zip(distances, query_pids, query_camids, strict=True):
        order = sorted(range(len(row)), key=lambda image: (row[image], image))
        hits = []
        for image in order:
            junk = gallery_pids[image] == -1
            same_camera = gallery_pids[image] == pid and gallery_camids[image] == camid
            if not junk and not same_camera:
                hits.append(gallery_pids[image] == pid)
        ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
        if ranks:
            precision = sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks)
            scores.append((precision, ranks[0], len(ranks) / ranks[-1]))
        else:
            scores.append((math.nan, 0, math.nan))
    return scores


def four(labels: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
    query_pids, gallery_pids, query_camids, gallery_camids = labels
    return query_pids, gallery_pids, query_camids, gallery_camids


def assert_equals_reference(distances: Array, labels: Sequence[Array]) -> None:
    expected = slow_scores(distances.tolist(), *(column.tolist() for column in labels))
    ours = score_queries(distances, *labels)
    got = list(zip(ours.average_precision, ours.first_match, ours.inverse_penalty, strict=True))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    valid = np.array([score for score in expected if score[1]])
    if not len(valid):
        with pytest.raises(ValueError, match="nothing to evaluate"):
            evaluate_distances(distances, *labels)
        return
    result = evaluate_distances(distances, *four(labels), ranks=RANKS)
    assert (result.queries, result.left_out) == (len(valid), len(expected) - len(valid))
    assert result.mAP == pytest.approx(valid[:, 0].mean(), rel=1e-12)
    assert result.mINP == pytest.approx(valid[:, 2].mean(), rel=1e-12)
    assert result.cmc == {k: pytest.approx(np.mean(valid[:, 1] <= k)) for k in RANKS}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, tuple[Array, ...]]:
    """Small sets with every oddity: few distances and labels, junk, distractors, one camera."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    queries, gallery = draw(st.integers(0, 8)), draw(st.integers(0, 40))
    people, cameras = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    levels = draw(st.sampled_from([1, 2, 3, 10, 10**6]))
    dtype = draw(st.sampled_from([np.float64, np.float32, np.float16, np.int32]))
    distances = rng.integers(-1, levels, (queries, gallery)).astype(np.float64)
    if dtype is not np.int32:
        distances /= levels
    return (
        distances.astype(dtype),
        (
            rng.integers(-1, people, queries),
            rng.integers(-1, people, gallery),
            rng.integers(0, cameras, queries),
            rng.integers(0, cameras, gallery),
        ),
    )


@given(cases(), st.sampled_from([1, 200, 8 * 2**20]))
@settings(deadline=None, max_examples=300)
def test_equals_the_reference(case: tuple[Array, tuple[Array, ...]], block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances_module, "BLOCK_BYTES", block_bytes)
        assert_equals_reference(*case)


@pytest.mark.parametrize(
    ("gallery_pids", "gallery_camids", "first", "average", "inverse"),
    [
        # One query, pid 7 camera 1; distances rise with the index.
        ([7], [2], 1, 1, 1),
        ([7, 7], [1, 2], 1, 1, 1),  # same camera dropped
        ([-1, 7], [2, 2], 1, 1, 1),  # junk dropped
        ([0, 7], [2, 2], 2, 1 / 2, 1 / 2),  # a distractor stays
        ([0, 7], [1, 2], 2, 1 / 2, 1 / 2),  # in the query's own camera too
        ([7, 3, 7], [2, 2, 3], 1, (1 + 2 / 3) / 2, 2 / 3),
        ([7, 3], [1, 2], 0, None, None),  # nothing left to find
        ([3, 3], [1, 2], 0, None, None),
        ([], [], 0, None, None),
    ],
)
def test_the_protocol(
    gallery_pids: list[int],
    gallery_camids: list[int],
    first: int,
    average: float | None,
    inverse: float | None,
) -> None:
    distances = np.arange(len(gallery_pids), dtype=np.float32)[None]
    scores = score_queries(distances, [7], gallery_pids, [1], gallery_camids)
    assert scores.first_match[0] == first
    assert scores.average_precision[0] == pytest.approx(average or math.nan, nan_ok=True)
    assert scores.inverse_penalty[0] == pytest.approx(inverse or math.nan, nan_ok=True)


@pytest.mark.parametrize(("match_at", "rank"), [(0, 1), (1, 2), (4, 5)])
def test_equals_rank_by_gallery_index(match_at: int, rank: int) -> None:
    pids = np.full(5, 3)
    pids[match_at] = 7
    scores = score_queries(np.zeros((1, 5)), [7], pids, [1], np.full(5, 2))
    assert scores.first_match[0] == rank


def test_dropped_images_do_not_count_in_a_tie() -> None:
    # Before the match, at its distance: junk, its own camera's image, and one wrong person.
    scores = score_queries(np.zeros((1, 4)), [7], [-1, 7, 3, 7], [1], [2, 1, 2, 2])
    assert scores.first_match[0] == 2


def test_a_junk_query_is_left_out() -> None:
    result = evaluate_distances(np.zeros((2, 2)), [-1, 7], [-1, 7], [1, 1], [2, 2])
    assert (result.queries, result.left_out) == (1, 1)


def test_leaves_its_arguments_alone() -> None:
    distances = np.random.default_rng(0).random((3, 5), np.float32)
    copy = distances.copy()
    evaluate_distances(distances, [1, 1, 2], [1, 1, 2, -1, 0], [1, 1, 1], [1, 2, 2, 2, 2])
    np.testing.assert_array_equal(distances, copy)


def test_reads_any_memory_layout() -> None:
    rng = np.random.default_rng(1)
    distances = rng.random((6, 30), np.float32)
    labels = (rng.integers(0, 3, 6), rng.integers(0, 3, 30), np.zeros(6, int), np.ones(30, int))
    plain = evaluate_distances(distances, *labels)
    assert evaluate_distances(np.asfortranarray(distances), *labels) == plain
    assert evaluate_distances(np.repeat(distances, 2, axis=1)[:, ::2], *labels) == plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distances": np.array([[0, np.nan], [0, 0]])}, r"distances\[0, 1\] is nan"),
        ({"distances": np.array([[0, 0], [np.inf, 0]])}, r"distances\[1, 0\] is inf"),
        ({"distances": np.array([[0, 0], [0, -np.inf]], np.float16)}, r"\[1, 1\] is -inf"),
        ({"distances": np.zeros(4)}, "expected queries × gallery"),
        ({"query_pids": [1]}, "query_pids: expected 2 labels"),
        ({"gallery_pids": [1, 2, 3]}, "gallery_pids: expected 2 labels"),
        ({"query_camids": [[1, 1]]}, "query_camids: expected 2 labels"),
        ({"gallery_camids": [1.0, 2.0]}, "gallery_camids: expected integers"),
        ({"query_pids": ["a", "b"]}, "query_pids: expected integers"),
        ({"gallery_pids": [3, 4]}, "none of 2 queries has a gallery image"),
        ({"ranks": (5, 0)}, "ranks count from 1, got 0"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "distances": np.zeros((2, 2)),
        "query_pids": [1, 2],
        "gallery_pids": [1, 2],
        "query_camids": [1, 1],
        "gallery_camids": [2, 2],
    }
    with pytest.raises(ValueError, match=message):
        evaluate_distances(**arguments | change)


def test_a_non_finite_distance_is_refused_even_where_it_would_be_dropped() -> None:
    with pytest.raises(ValueError, match="is nan"):
        evaluate_distances(np.array([[np.nan, 0]]), [7], [-1, 7], [1], [2, 2])


def unit(embeddings: Array) -> Array:
    unit_norm: Array = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit_norm


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_embeddings_rank_as_their_distances(
    dtype: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    query, gallery = (unit(rng.standard_normal((n, 8))).astype(dtype) for n in (20, 90))
    labels = [rng.integers(low, high, n) for low, high in ((0, 5), (0, 3)) for n in (20, 90)]
    whole = np.linalg.norm(query.astype(np.float64)[:, None] - gallery.astype(np.float64), axis=2)
    monkeypatch.setattr(distances_module, "BLOCK_BYTES", 4 * 90 * 3)
    distances = EuclideanDistances(query, gallery)
    tolerance = 2e-3 if dtype == np.float16 else 1e-6  # of the norms, not of the product
    np.testing.assert_allclose(distances[3:9], whole[3:9], atol=tolerance)
    ours, reference = (evaluate_distances(each, *labels) for each in (distances, whole))
    assert ours.mAP == pytest.approx(reference.mAP, abs=1e-2 if dtype == np.float16 else 1e-9)
    assert ours.queries == reference.queries


def test_an_image_is_at_no_distance_from_itself() -> None:
    embeddings = unit(np.random.default_rng(3).standard_normal((50, 64))).astype(np.float32)
    own = np.diag(EuclideanDistances(embeddings, embeddings)[0:50])
    assert np.isfinite(own).all()
    assert own.max() < 1e-3


@pytest.mark.parametrize(
    ("query", "gallery", "message"),
    [
        (np.ones((2, 4)), np.eye(4), "query embedding 0 has norm 2"),
        (np.eye(4), np.diag([1, 1, np.nan, 1]), "gallery embedding 2 has norm nan"),
        (np.eye(4), np.eye(3), "query embeddings have 4 numbers each, gallery embeddings 3"),
        (np.ones(4), np.eye(4), "query embeddings: expected N×D"),
    ],
)
def test_refuses_embeddings(query: Array, gallery: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EuclideanDistances(query, gallery)


@pytest.fixture(scope="module")
def market_labels(real_data: Callable[[str], Path]) -> list[Array]:
    """Labels of the real query and gallery."""
    with np.load(real_data("market1501-labels.npz")) as stored:
        return [
            stored[column].astype(np.int64)
            for column in ("query_pids", "gallery_pids", "query_camids", "gallery_camids")
        ]


@pytest.mark.parametrize(
    ("signal", "mean_precision", "cmc"),
    [
        (0, 0.001572179, {1: 0.0014846, 5: 0.0056413, 10: 0.0106888}),
        (0.5, 0.472475679, {1: 0.8289786, 5: 0.9539786, 10: 0.9753563}),
    ],
)
def test_equals_torchreid(
    signal: float, mean_precision: float, cmc: dict[int, float], market_labels: list[Array]
) -> None:
    """The numbers are those of torchreid's own evaluator (in Python), given these distances."""
    query_pids, gallery_pids = market_labels[:2]
    rng = np.random.default_rng(0)
    query: Array = rng.standard_normal((len(query_pids), 256))
    gallery: Array = rng.standard_normal((len(gallery_pids), 256))
    if signal:
        identities = np.unique(np.concatenate([query_pids, gallery_pids]))
        centres = rng.standard_normal((len(identities), 256))
        query += signal * centres[np.searchsorted(identities, query_pids)]
        gallery += signal * centres[np.searchsorted(identities, gallery_pids)]
    query, gallery = (unit(side).astype(np.float32) for side in (query, gallery))
    result = evaluate_distances(1 - query @ gallery.T, *four(market_labels), ranks=cmc)
    assert result.mAP == pytest.approx(mean_precision, abs=1e-6)
    assert result.cmc == pytest.approx(cmc, abs=1e-6)
    distances = EuclideanDistances(query, gallery)
    embedded = evaluate_distances(distances, *four(market_labels), ranks=cmc)
    assert embedded.mAP == pytest.approx(mean_precision, abs=1e-6)
    assert embedded.cmc == pytest.approx(cmc, abs=1e-6)


def any_embeddings() -> dict[str, Array]:
    rng = np.random.default_rng(7)
    return {
        "query_embeddings": rng.standard_normal((12, 8)),
        "query_pids": rng.integers(1, 5, 12),
        "query_camids": rng.integers(0, 3, 12),
        "gallery_embeddings": rng.standard_normal((60, 8)),
        "gallery_pids": rng.integers(-1, 5, 60),
        "gallery_camids": rng.integers(0, 3, 60),
    }


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_embeddings_of_any_length_rank_by_cosine(dtype: type[np.floating], scale: float) -> None:
    arguments = any_embeddings()
    lengths = np.random.default_rng(8).uniform(0.5, 2, (60, 1)) * scale
    query, gallery = arguments["query_embeddings"], arguments["gallery_embeddings"]
    arguments["query_embeddings"] = (query * scale).astype(dtype)
    arguments["gallery_embeddings"] = (gallery * lengths).astype(dtype)
    cosine = 1 - unit(query) @ unit(gallery).T
    expected = evaluate_distances(
        cosine,
        arguments["query_pids"],
        arguments["gallery_pids"],
        arguments["query_camids"],
        arguments["gallery_camids"],
    )
    assert evaluate_ranking(**arguments) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_embeddings": np.ones(12)}, r"query embeddings: expected N×D real numbers"),
        ({"query_embeddings": np.full((12, 8), "a")}, r"query embeddings: expected N×D real"),
        ({"gallery_embeddings": np.zeros((60, 8))}, "gallery embedding 0 is zero or not finite"),
        ({"gallery_embeddings": np.full((60, 8), np.inf)}, "gallery embedding 0 is zero or not"),
        ({"query_embeddings": np.full((12, 8), np.nan)}, "query embedding 0 is zero or not"),
        ({"query_embeddings": np.ones((12, 7))}, "query embeddings have 7 numbers each"),
        ({"query_pids": np.ones(5, int)}, "query_pids: expected 12 labels"),
        ({"ranks": (0,)}, "ranks count from 1"),
    ],
)
def test_refuses_what_cannot_be_ranked(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = any_embeddings()
    with pytest.raises(ValueError, match=message):
        evaluate_ranking(**arguments | change)


def test_reads_what_converts_to_an_array() -> None:
    labels = ([7, 8], [7, 8], [1, 1], [2, 2])
    near = [[0.1, 0.2], [0.2, 0.1]]
    plain = evaluate_distances(np.array(near), *labels)
    assert evaluate_distances(near, *labels) == plain
    assert evaluate_distances(torch.tensor(near), *labels) == plain


def test_chance_is_what_random_orders_have_on_average() -> None:
    rng = np.random.default_rng(0)
    query_pids, gallery_pids = np.array([1, 2, 9]), np.array([1, 1, 1, 2, 2, 0, 0, JUNK_PID])
    query_camids, gallery_camids = np.array([1, 2, 1]), np.array([1, 2, 3, 1, 2, 1, 2, 3])
    labels = query_pids, gallery_pids, query_camids, gallery_camids
    # The first keeps 2 matches in 6, the second 1 in 6, the third has none.
    assert rank1_by_chance(*labels) == pytest.approx((2 / 6 + 1 / 6) / 2)
    found = [evaluate_distances(rng.random((3, 8)), *labels).cmc[1] for _ in range(2000)]
    assert np.mean(found) == pytest.approx(rank1_by_chance(*labels), abs=0.03)


def test_without_a_match_there_is_no_chance() -> None:
    assert np.isnan(rank1_by_chance([1], [2], [1], [1]))
