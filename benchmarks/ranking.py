"""How fast rankings are evaluated, against peers, in one run.

    python -m benchmarks.ranking [--torchreid torchreid-0.2.5]

Labels and distances drawn at Market-1501's size: 3,368 queries of 750 identities, 19,732 gallery
images, a third of them distractors. The peers are an argsort per query, written from the protocol,
and torchreid's Python evaluator where its unpacked sources are given (``pip download --no-deps
torchreid``; the package itself asks for much more to be installed). The queries are cut into blocks
on which all take turns, so that a busy machine slows all of them; their results must agree.
"""

from __future__ import annotations

import importlib.util
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np
import numpy.typing as npt

from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.ranking import score_queries

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

QUERIES, MATCHES, GALLERY = 3_368, 13_115, 19_732
IDENTITIES, CAMERAS = 750, 6
WIDTH = 2_048
"""Numbers in an embedding."""

BLOCKS = 8

Evaluator = Callable[..., float]


@click.command()
@click.option("--torchreid", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(torchreid: Path | None) -> None:
    """Print seconds for all queries, and how many times faster ours is."""
    rng = np.random.default_rng(0)
    query_pids = rng.integers(1, IDENTITIES + 1, QUERIES)
    gallery_pids = np.zeros(GALLERY, np.int64)
    gallery_pids[:MATCHES] = rng.integers(1, IDENTITIES + 1, MATCHES)
    query_camids, gallery_camids = (rng.integers(1, CAMERAS + 1, n) for n in (QUERIES, GALLERY))
    query, gallery = (draw_embeddings(rng, pids) for pids in (query_pids, gallery_pids))
    lazy = EuclideanDistances(query, gallery)

    evaluators: dict[str, Evaluator] = {"ours": ours, "argsort per query": argsort_per_query}
    if torchreid is not None:
        evaluators["torchreid Python"] = load_torchreid(torchreid)
    times: dict[str, list[float]] = {name: [] for name in [*evaluators, "distances"]}
    for rows in np.array_split(np.arange(QUERIES), BLOCKS):
        start = time.perf_counter()
        distances = lazy[rows[0] : rows[-1] + 1]
        times["distances"].append(time.perf_counter() - start)
        labels = (query_pids[rows], gallery_pids, query_camids[rows], gallery_camids)
        results = []
        for name, evaluate in evaluators.items():
            start = time.perf_counter()
            results.append(evaluate(distances, *labels))
            times[name].append(time.perf_counter() - start)
        # torchreid leaves ties to an unstable sort: 1e-5. With a stable one it agrees exactly.
        assert np.ptp(results) < 1e-4, dict(zip(evaluators, results, strict=True))

    print(f"machine   {platform.machine()}, NumPy {np.__version__}")
    print(f"ranking   {QUERIES:,} × {GALLERY:,}, float32; mAP of the last block {results[0]:.6f}")
    for name, spent in times.items():
        ratios = [peer / own for peer, own in zip(spent, times["ours"], strict=True)]
        print(f"  {name:18s} {sum(spent):8.3f} s  {statistics.median(ratios):7.1f} × ours")


def draw_embeddings(rng: np.random.Generator, pids: Integers) -> Floats:
    """Return float32 unit-norm embeddings that tell identities apart about half the time."""
    centres = np.random.default_rng(1).standard_normal((IDENTITIES + 1, WIDTH), np.float32)
    centres[0] = 0  # distractors have nothing in common
    embeddings: Floats = rng.standard_normal((len(pids), WIDTH), np.float32) + 0.25 * centres[pids]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


def ours(distances: Floats, *labels: Integers) -> float:
    """Return the mean average precision by `score_queries`."""
    return float(np.nanmean(score_queries(distances, *labels).average_precision))


def argsort_per_query(
    distances: Floats,
    query_pids: Integers,
    gallery_pids: Integers,
    query_camids: Integers,
    gallery_camids: Integers,
) -> float:
    """Return the mean average precision by the protocol, word for word in NumPy."""
    precisions = []
    for row, pid, camid in zip(distances, query_pids, query_camids, strict=True):
        order = np.argsort(row, kind="stable")
        pids, camids = gallery_pids[order], gallery_camids[order]
        hits = (pids == pid)[(pids != -1) & ~((pids == pid) & (camids == camid))]
        ranks = np.flatnonzero(hits) + 1
        if ranks.size:
            precisions.append(np.mean(np.arange(1, ranks.size + 1) / ranks))
    return float(np.mean(precisions))


def load_torchreid(folder: Path) -> Evaluator:
    """Return torchreid's evaluator out of its one file, without importing the package."""
    (path,) = folder.rglob("metrics/rank.py")
    spec = importlib.util.spec_from_file_location("torchreid_rank", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that its Cython version is missing
        spec.loader.exec_module(module)

    def evaluate(distances: Floats, *labels: Integers) -> float:
        _, mean_precision = module.evaluate_rank(distances, *labels, use_cython=False)
        return float(mean_precision)

    return evaluate


if __name__ == "__main__":
    main()
