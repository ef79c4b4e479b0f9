"""A probe of plain colours, whose rankings are obvious, and manifests that are not probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from visnet_aug.errors import DatasetError
from visnet_aug.progress import silent
from visnet_model.data.images import MemoryImages
from visnet_model.data.table import ImageTable, read_tables
from visnet_model.evaluation.accuracy import (
    Embedder,
    EvaluationOptions,
    evaluate_network,
)
from visnet_model.evaluation.probe import (
    Accuracy,
    BackgroundSensitivity,
    check_probe,
    evaluate_probe,
)


def probe_of(network: nn.Module, tables: dict[str, ImageTable]) -> BackgroundSensitivity:
    images = {split: MemoryImages.load(table, 64, 32) for split, table in tables.items()}
    evaluation = evaluate_network(network, tables, images)
    embedder = Embedder(network, EvaluationOptions(), torch.device("cpu"), silent)
    return evaluate_probe(embedder, evaluation, tables, images)


def test_ranks_each_version_as_one_sees_it(colours_probe: Path, sees_colours: nn.Module) -> None:
    probe = probe_of(sees_colours, read_tables(colours_probe))
    blur, noise = probe.versions
    assert (blur.family, noise.family) == ("blur", "noise")
    # blur rewrote nothing that shows
    assert probe.untouched == blur.queries == blur.both == Accuracy(5 / 6, 2 / 3)
    # noise: red query 1 turned green, and is found behind the green and the blue image
    assert noise.queries.mAP == pytest.approx((1 / 3 + 1 + 1 / 2) / 3)
    assert noise.queries.rank1 == pytest.approx(1 / 3)
    # its match in the gallery did, too, and the distractor is not blue any more
    assert noise.both == Accuracy(1, 1)


def test_counts_what_is_untouched_throughout(colours_probe: Path, sees_colours: nn.Module) -> None:
    probe = probe_of(sees_colours, read_tables(colours_probe))
    assert (probe.kept_query, probe.query) == (1, 3)
    assert (probe.kept_gallery, probe.gallery) == (3, 5)


def test_means_over_families_and_losses(colours_probe: Path, sees_colours: nn.Module) -> None:
    probe = probe_of(sees_colours, read_tables(colours_probe))
    blur, noise = probe.versions
    assert probe.mean.queries.mAP == pytest.approx((blur.queries.mAP + noise.queries.mAP) / 2)
    assert probe.mean.both.rank1 == pytest.approx((2 / 3 + 1) / 2)
    assert noise.both.lost(probe.untouched).mAP == pytest.approx(5 / 6 - 1)
    assert noise.queries.lost(probe.untouched).rank1 == pytest.approx(1 / 3)


def test_the_order_of_rows_does_not_matter(colours_probe: Path, sees_colours: nn.Module) -> None:
    tables = read_tables(colours_probe)
    rng = np.random.default_rng(0)
    shuffled = {s: table.take(rng.permutation(len(table))) for s, table in tables.items()}
    assert probe_of(sees_colours, shuffled) == probe_of(sees_colours, tables)


def test_refuses_an_ordinary_manifest(colours: Path) -> None:
    with pytest.raises(DatasetError, match="probe-query and probe-gallery: not a probe; make one"):
        check_probe(read_tables(colours))


@pytest.mark.parametrize("split", ["probe-query", "probe-gallery"])
@pytest.mark.parametrize(
    "change", [lambda rows: rows[:-1], lambda rows: [*rows[:-1], rows[-2]]], ids=["less", "twice"]
)
def test_refuses_an_incomplete_probe(
    split: str, change: Callable[[list[int]], list[int]], colours_probe: Path
) -> None:
    tables = read_tables(colours_probe)
    rows = change(list(range(len(tables[split]))))
    tables[split] = tables[split].take(rows)
    with pytest.raises(DatasetError, match="does not have one version of each rewritten"):
        check_probe(tables)


def test_refuses_versions_of_unknown_images(colours_probe: Path, sees_colours: nn.Module) -> None:
    tables = read_tables(colours_probe)
    table = tables["probe-gallery"]
    tables["probe-gallery"] = replace(table, sources=table.sources + 1000)
    with pytest.raises(
        DatasetError, match="is a version of an image that the manifest does not hold"
    ):
        probe_of(sees_colours, tables)
