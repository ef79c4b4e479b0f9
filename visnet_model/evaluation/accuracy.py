"""The accuracy of a network on a manifest: embed query and gallery, and rank.

The trainer calls `evaluate_network` every few epochs, ``visnet-eval`` once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from visnet_aug.errors import DatasetError
from visnet_aug.manifest import JUNK_PID
from visnet_aug.progress import Stage, silent
from visnet_model.data.images import ImageSource
from visnet_model.data.table import ImageTable
from visnet_model.evaluation.distances import Distances, EuclideanDistances
from visnet_model.evaluation.embedding import (
    BATCH_SIZE,
    Embeddings,
    check_unit_norm,
    embed_images,
)
from visnet_model.evaluation.ranking import RANKS, Ranking, evaluate_distances
from visnet_model.evaluation.rerank import rerank
from visnet_model.precision import Precision

CURVE = range(1, max(RANKS) + 1)
"""Ranks at which the CMC curve is computed: all that a plot shows, including `RANKS`."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """How a network is evaluated.

    Attributes:
        batch_size: Number of images embedded at once; it only changes results by rounding.
        flip: Whether to average each embedding with that of the mirrored image.
        precision: What the network computes in.
        rerank: Whether to rank by k-reciprocal neighbours, too.
    """

    batch_size: int = BATCH_SIZE
    flip: bool = False
    precision: Precision = "fp32"
    rerank: bool = False


DEFAULT_OPTIONS = EvaluationOptions()


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedTable:
    """A table of images with their embeddings.

    Attributes:
        table: N images without junk.
        embeddings: float32 N×D of unit norm.
    """

    table: ImageTable
    embeddings: Embeddings


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How well a network finds the identities of the queries in the gallery.

    Attributes:
        query: The queries.
        gallery: The gallery without junk.
        junk: Number of junk images in the gallery; they never count and were not embedded.
        ranking: The accuracy by Euclidean distance, single query: the paper's protocol.
        reranked: The accuracy after re-ranking, or ``None`` if it was not asked for.
    """

    query: EmbeddedTable
    gallery: EmbeddedTable
    junk: int
    ranking: Ranking
    reranked: Ranking | None


def evaluate_network(
    network: nn.Module,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
    options: EvaluationOptions = DEFAULT_OPTIONS,
    *,
    device: torch.device | str = "cpu",
    stage: Stage = silent,
) -> Evaluation:
    """Embed the query and gallery of a manifest, and rank.

    Args:
        network: On ``device``; it is left in the mode that it was in.
        tables: The images of a manifest by split; only ``query`` and ``gallery`` are used.
        images: The same images, by the same splits and in the same order.
        options: How to evaluate.
        device: The network's device.
        stage: Shows the progress.

    Raises:
        DatasetError: There is no query or no gallery, or no query has a match.
        TrainingError: An embedding does not have unit norm.
        DeviceMemoryError: The device does not have enough memory for a batch.
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
    """Refuse a manifest that a network cannot be evaluated on.

    Raises:
        DatasetError: It has no query images, or only junk in its gallery.
    """
    missing = [
        split
        for split in ("query", "gallery")
        if split not in tables or np.all(tables[split].pids == JUNK_PID)
    ]
    if missing:
        where = next((str(table.root) for table in tables.values()), "this manifest")
        raise DatasetError(
            f"{where}: no images of split {' and '.join(missing)}, which the evaluation needs; "
            "build the set from a source that has both"
        )


@dataclass(frozen=True, slots=True)
class Embedder:
    """A network with the options to embed tables with it.

    Attributes:
        network: On ``device``.
        options: How to embed.
        device: The network's device.
        stage: Shows the progress.
    """

    network: nn.Module
    options: EvaluationOptions
    device: torch.device
    stage: Stage

    def __call__(self, table: ImageTable, images: ImageSource, name: str) -> EmbeddedTable:
        """Embed the images of a table, except junk.

        Args:
            table: The images.
            images: The same images in the same order.
            name: Name of the images in the progress report.

        Raises:
            TrainingError: An embedding does not have unit norm.
            DeviceMemoryError: The device does not have enough memory for a batch.
        """
        chosen = np.flatnonzero(table.pids != JUNK_PID)
        with self.stage(f"embed {name}") as advance:
            embeddings = embed_images(
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
        check_unit_norm(embeddings, kept.paths)
        return EmbeddedTable(kept, embeddings)


def rank_tables(
    query: EmbeddedTable, gallery: EmbeddedTable, distances: Distances | None = None
) -> Ranking:
    """Evaluate the ranking of embedded images.

    Args:
        query: The queries.
        gallery: The gallery.
        distances: Q×G; the Euclidean distances of the embeddings by default.

    Returns:
        The accuracy, with the CMC at every rank of `CURVE`.

    Raises:
        DatasetError: No query has a match.
    """
    if distances is None:
        distances = EuclideanDistances(query.embeddings, gallery.embeddings)
    try:
        return evaluate_distances(
            distances,
            query.table.pids,
            gallery.table.pids,
            query.table.camids,
            gallery.table.camids,
            CURVE,
        )
    except ValueError as error:
        raise DatasetError(
            f"{query.table.root}: {error}; check that query and gallery are of one dataset"
        ) from error


def _rerank(query: EmbeddedTable, gallery: EmbeddedTable, stage: Stage) -> Ranking:
    both = np.concatenate([query.embeddings, gallery.embeddings])
    with stage("re-rank") as advance:
        distances = rerank(EuclideanDistances(both, both), len(query.embeddings))
        advance(len(distances), len(distances))
    return rank_tables(query, gallery, distances)
