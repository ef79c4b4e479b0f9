"""Re-ranking against loops and sets written from the paper."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_model.evaluation import distances as distances_module
from visnet_model.evaluation import rerank as rerank_module
from visnet_model.evaluation.distances import Array, EuclideanDistances
from visnet_model.evaluation.ranking import evaluate_distances
from visnet_model.evaluation.rerank import rerank


def slow_rerank(d: Array, queries: int, k1: int, k2: int, weight: float) -> list[list[float]]:
    """The module's six steps, one image at a time."""
    images = range(len(d))

    def nearest(p: int, k: int) -> list[int]:
        others = sorted((g for g in images if g != p), key=lambda g: (d[p][g], g))
        return [p, *others[:k]]

    def reciprocal(p: int, k: int) -> set[int]:
        return {g for g in nearest(p, k) if p in nearest(g, k)}

    encoding = []
    for p in images:
        members = reciprocal(p, k1)
        expanded = set(members)
        for q in members:
            half = reciprocal(q, math.ceil(k1 / 2))
            if 3 * len(members & half) >= 2 * len(half):
                expanded |= half
        encoding.append([math.exp(-d[p][g]) if g in expanded else 0.0 for g in images])
    averaged = [
        [sum(encoding[n][g] for n in near) / len(near) for g in images]
        for near in (nearest(p, k2 - 1) for p in images)
    ]
    return [
        [
            weight * d[q][g]
            + (1 - weight)
            * (
                1
                - sum(map(min, averaged[q], averaged[g])) / sum(map(max, averaged[q], averaged[g]))
            )
            for g in range(queries, len(d))
        ]
        for q in range(queries)
    ]


def unit(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    embeddings: Array = rng.standard_normal(shape)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


def clustered(rng: np.random.Generator, people: int, each: int, noise: float) -> Array:
    centres = np.repeat(unit(rng, (people, 16)), each, axis=0)
    embeddings: Array = centres + noise * rng.standard_normal(centres.shape)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 22),
    st.integers(1, 8),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([2, 4, 1000]),
)
@settings(deadline=None, max_examples=60)
def test_equals_loops_over_sets(
    seed: int, images: int, k1: int, k2: int, weight: float, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few levels: nearly everything ties, and duplicates tie with the image itself. Asymmetric on
    # purpose: rows must never be read as columns.
    d = rng.integers(0, levels + 1, (images, images)) / levels
    np.fill_diagonal(d, 0)
    queries = int(rng.integers(1, images))
    ours = rerank(d, queries, k1, k2, weight)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, np.array(slow_rerank(d, queries, k1, k2, weight)), atol=1e-6)


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_equals_loops_on_people(noise: float) -> None:
    rng = np.random.default_rng(3)
    embeddings = clustered(rng, 6, 8, noise)[rng.permutation(48)]
    d = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
    ours = rerank(d, 12, k1=7, k2=3)
    np.testing.assert_allclose(ours, np.array(slow_rerank(d, 12, 7, 3, 0.3)), atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = clustered(np.random.default_rng(4), 5, 8, 0.4)
    whole = rerank(EuclideanDistances(embeddings, embeddings), 11)
    monkeypatch.setattr(distances_module, "BLOCK_BYTES", 4 * len(embeddings) * 3)
    monkeypatch.setattr(rerank_module, "EXPANSION_BLOCK", 7)
    pieces = rerank(EuclideanDistances(embeddings, embeddings), 11)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


def test_a_weight_of_one_gives_the_distances_back() -> None:
    rng = np.random.default_rng(5)
    d = rng.random((9, 9), np.float32)
    np.testing.assert_array_equal(rerank(d, 4, weight=1), d[:4, 4:])


def test_helps_on_people_who_hang_together() -> None:
    rng = np.random.default_rng(6)
    pids = np.repeat(np.arange(30), 10)
    embeddings = clustered(rng, 30, 10, 0.2)
    shuffle = rng.permutation(len(pids))
    pids, embeddings = pids[shuffle], embeddings[shuffle]
    d = EuclideanDistances(embeddings, embeddings)
    labels = (pids[:60], pids[60:], np.zeros(60, int), np.ones(240, int))
    before = evaluate_distances(d[:60][:, 60:], *labels).mAP
    after = evaluate_distances(rerank(d, 60, k1=10, k2=4), *labels).mAP
    assert before < 0.9  # else there is nothing to gain
    assert after > before + 0.03


@pytest.mark.parametrize(
    ("shape", "queries", "options", "message"),
    [
        ((3, 4), 1, {}, "expected N×N"),
        ((4, 4), 0, {}, "0 queries among 4 images"),
        ((4, 4), 4, {}, "4 queries among 4 images"),
        ((4, 4), 2, {"k1": 0}, "k1 and k2 must be at least 1"),
        ((4, 4), 2, {"k2": 0}, "k1 and k2 must be at least 1"),
        ((4, 4), 2, {"weight": 1.1}, "the weight 0 to 1"),
        ((4, 4), 2, {"weight": math.nan}, "the weight 0 to 1"),
    ],
)
def test_refuses(
    shape: tuple[int, int], queries: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rerank(np.zeros(shape), queries, **options)


def test_refuses_nan() -> None:
    d = np.zeros((4, 4))
    d[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"distances\[2, 1\] is nan"):
        rerank(d, 2)
