"""The evaluation of plain colours, whose ranking is obvious, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from visnet_aug.errors import DatasetError
from visnet_model.data.images import MemoryImages
from visnet_model.data.table import ImageTable, read_tables
from visnet_model.errors import TrainingError
from visnet_model.evaluation.accuracy import CURVE, EvaluationOptions, evaluate_network
from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.ranking import evaluate_distances
from visnet_model.evaluation.rerank import rerank


def load(manifest: Path) -> tuple[dict[str, ImageTable], dict[str, MemoryImages]]:
    tables = read_tables(manifest)
    return tables, {split: MemoryImages.load(table, 64, 32) for split, table in tables.items()}


def test_ranks_colours_as_one_sees_them(colours: Path, sees_colours: nn.Module) -> None:
    result = evaluate_network(sees_colours, *load(colours))
    assert result.ranking.mAP == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert result.ranking.cmc[1] == pytest.approx(2 / 3)
    assert result.ranking.cmc[2] == 1
    assert tuple(result.ranking.cmc) == tuple(CURVE)
    assert (result.ranking.queries, result.ranking.left_out) == (3, 0)
    assert result.reranked is None


def test_does_not_embed_junk(colours: Path, sees_colours: nn.Module) -> None:
    tables, images = load(colours)
    result = evaluate_network(sees_colours, tables, images)
    assert result.junk == 1
    assert len(result.gallery.table) == len(result.gallery.embeddings) == 5
    names = result.gallery.table.paths.tolist()
    assert names == [path for path in tables["gallery"].paths.tolist() if "-1" not in path]


def test_reranks_when_asked(colours: Path, sees_colours: nn.Module) -> None:
    result = evaluate_network(sees_colours, *load(colours), EvaluationOptions(rerank=True))
    query, gallery = result.query, result.gallery
    both = np.concatenate([query.embeddings, gallery.embeddings])
    expected = evaluate_distances(
        rerank(EuclideanDistances(both, both), 3),
        query.table.pids,
        gallery.table.pids,
        query.table.camids,
        gallery.table.camids,
        CURVE,
    )
    assert result.reranked == expected
    assert result.ranking.mAP == pytest.approx(5 / 6)


def test_names_its_stages(colours: Path, sees_colours: nn.Module) -> None:
    reported: list[tuple[str, int, int]] = []

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: reported.append((name, done, total))

    evaluate_network(sees_colours, *load(colours), EvaluationOptions(rerank=True), stage=stage)
    assert reported == [
        ("embed query", 3, 3),
        ("embed gallery", 5, 5),
        ("rank", 3, 3),
        ("re-rank", 3, 3),
    ]


@pytest.mark.parametrize("split", ["query", "gallery"])
def test_refuses_a_manifest_without_a_side(
    split: str, write_colours: Callable[..., Path], tmp_path: Path, sees_colours: nn.Module
) -> None:
    with pytest.raises(DatasetError, match=f"no images of split {split}, which evaluation needs"):
        evaluate_network(sees_colours, *load(write_colours(tmp_path, without=split)))


def test_refuses_a_gallery_of_junk(colours: Path, sees_colours: nn.Module) -> None:
    tables, images = load(colours)
    junk = replace(tables["gallery"], pids=np.full(6, -1))
    with pytest.raises(DatasetError, match="no images of split gallery"):
        evaluate_network(sees_colours, {**tables, "gallery": junk}, images)


def test_refuses_queries_without_any_match(colours: Path, sees_colours: nn.Module) -> None:
    tables, images = load(colours)
    strangers = replace(tables["query"], pids=tables["query"].pids + 100)
    with pytest.raises(DatasetError, match=r"none of 3 queries has .* are of one dataset"):
        evaluate_network(sees_colours, {**tables, "query": strangers}, images)


class Diverged(nn.Module):
    """Gives the same for every image, and no unit vector."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 3), self.value)


@pytest.mark.parametrize(("value", "norm"), [(float("nan"), "nan"), (0.0, "0")])
def test_refuses_embeddings_that_are_no_unit_vectors(
    value: float, norm: str, colours: Path
) -> None:
    with pytest.raises(TrainingError, match=f"query/1_c1.png: its embedding has norm {norm} "):
        evaluate_network(Diverged(value), *load(colours))
