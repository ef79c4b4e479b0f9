"""The conductor: embeds query and gallery, ranks them, and keeps what reports need.

The trainer calls `evaluate_network` every few epochs, and ``visnet-eval`` once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from visnet_aug.manifest import JUNK_PID
from visnet_aug.progress import Advance, Stage
from visnet_model.data.images import ImageSource
from visnet_model.data.table import ImageTable
from visnet_model.errors import DataError, TrainingError
from visnet_model.evaluation.distances import NORM_TOLERANCE, Distances, EuclideanDistances
from visnet_model.evaluation.embed import BATCH_SIZE, Embeddings, embed
from visnet_model.evaluation.ranking import RANKS, Ranking, evaluate_ranking
from visnet_model.evaluation.rerank import rerank
from visnet_model.precision import Precision

CURVE = range(1, max(RANKS) + 1)
"""Where the CMC curve is computed: everywhere a plot shows it, `RANKS` included."""


@contextmanager
def silent(name: str) -> Iterator[Advance]:
    """Show no progress."""
    yield lambda done, total: None


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """How a network is evaluated.

    Attributes:
        batch_size: Images embedded at once; does not change the numbers beyond rounding.
        flip: Whether an embedding is the mean with the mirrored image's.
        precision: What the network computes in.
        rerank: Whether to rank by k-reciprocal neighbours, too.
    """

    batch_size: int = BATCH_SIZE
    flip: bool = False
    precision: Precision = "fp32"
    rerank: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Images with their embeddings.

    Attributes:
        table: N images, none of them junk.
        embeddings: float32 N×D of unit norm.
    """

    table: ImageTable
    embeddings: Embeddings


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How well a network finds the queries' identities in the gallery.

    Attributes:
        query: The queries.
        gallery: The gallery without junk.
        junk: Number of junk images, which were not embedded because they never count.
        ranking: By Euclidean distance, single query: the paper's protocol.
        reranked: By k-reciprocal neighbours, if it was asked for.
    """

    query: Embedded
    gallery: Embedded
    junk: int
    ranking: Ranking
    reranked: Ranking | None


def evaluate_network(
    network: nn.Module,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
    options: EvaluationOptions = EvaluationOptions(),
    *,
    device: torch.device | str = "cpu",
    stage: Stage = silent,
) -> Evaluation:
    """Embed a manifest's query and gallery, and rank.

    Args:
        network: On ``device``; its mode is put back afterwards.
        tables: A manifest's images by split; only ``query`` and ``gallery`` are looked at.
        images: The same images, by the same splits and in the same order.
        options: How.
        device: Where the network is.
        stage: Shows the progress.

    Raises:
        DataError: There is no query or no gallery, or no query has a match.
        TrainingError: An embedding is not of unit norm: NaN, infinite or zero.
        ModelError: The device's memory does not hold a batch.
    """
    check_splits(tables)
    embedder = Embedder(network, options, torch.device(device), stage)
    query = embedder(tables["query"], images["query"], "query")
    gallery = embedder(tables["gallery"], images["gallery"], "gallery")
    with stage("rank") as advance:
        ranking = rank_tables(query, gallery)
        advance(len(query.table), len(query.table))
    return Evaluation(
        query=query,
        gallery=gallery,
        junk=len(tables["gallery"]) - len(gallery.table),
        ranking=ranking,
        reranked=_rerank(query, gallery, stage) if options.rerank else None,
    )


def check_splits(tables: Mapping[str, ImageTable]) -> None:
    """Refuse a manifest that cannot be evaluated on.

    Raises:
        DataError: It has no query, or nothing but junk in its gallery.
    """
    missing = [
        split
        for split in ("query", "gallery")
        if split not in tables or np.all(tables[split].pids == JUNK_PID)
    ]
    if missing:
        where = next((str(table.root) for table in tables.values()), "this manifest")
        raise DataError(
            f"{where}: no images of split {' and '.join(missing)}, which evaluation needs; "
            "build the set from a source that has both"
        )


@dataclass(frozen=True, slots=True)
class Embedder:
    """A network with all that says how to embed with it.

    Attributes:
        network: On ``device``.
        options: How.
        device: Where.
        stage: Shows the progress.
    """

    network: nn.Module
    options: EvaluationOptions
    device: torch.device
    stage: Stage

    def __call__(self, table: ImageTable, images: ImageSource, name: str) -> Embedded:
        """Embed a table's images but for junk.

        Args:
            table: The images.
            images: The same images in the same order.
            name: What the progress calls them.

        Raises:
            TrainingError: An embedding is not of unit norm: NaN, infinite or zero.
            ModelError: The device's memory does not hold a batch.
        """
        chosen = np.flatnonzero(table.pids != JUNK_PID)
        with self.stage(f"embed {name}") as advance:
            embeddings = embed(
                self.network,
                images,
                device=self.device,
                indices=chosen,
                batch_size=self.options.batch_size,
                flip=self.options.flip,
                precision=self.options.precision,
                progress=advance,
            )
        kept = table.take(chosen)
        norms = np.linalg.norm(embeddings, axis=1)
        broken = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
        if broken.size:
            raise TrainingError(
                f"{kept.name(int(broken[0]))}: its embedding has norm {norms[broken[0]]:.4g} "
                f"instead of 1, like {broken.size:,} of {len(kept):,}: the network's training "
                "diverged; take an earlier checkpoint"
            )
        return Embedded(kept, embeddings)


def rank_tables(query: Embedded, gallery: Embedded, distances: Distances | None = None) -> Ranking:
    """Rank embedded images.

    Args:
        query: The queries.
        gallery: The gallery.
        distances: Q×G, if not those of the embeddings.

    Returns:
        With its CMC curve at every rank of `CURVE`.

    Raises:
        DataError: No query has a match.
    """
    if distances is None:
        distances = EuclideanDistances(query.embeddings, gallery.embeddings)
    try:
        return evaluate_ranking(
            distances,
            query.table.pids,
            gallery.table.pids,
            query.table.camids,
            gallery.table.camids,
            CURVE,
        )
    except ValueError as error:
        raise DataError(
            f"{query.table.root}: {error}; check that query and gallery are of one dataset"
        ) from error


def _rerank(query: Embedded, gallery: Embedded, stage: Stage) -> Ranking:
    everyone = np.concatenate([query.embeddings, gallery.embeddings])
    with stage("re-rank") as advance:
        distances = rerank(EuclideanDistances(everyone, everyone), len(query.embeddings))
        advance(len(distances), len(distances))
    return rank_tables(query, gallery, distances)
