"""Charts are pictures of the right size with something on them, whatever the numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

from visnet_model.evaluation.accuracy import CURVE
from visnet_model.evaluation.plots import BLUE, ORANGE, draw_cmc, draw_probe
from visnet_model.evaluation.probe import Accuracy, BackgroundSensitivity, Version
from visnet_model.evaluation.ranking import Ranking


def ranking(first: float) -> Ranking:
    return Ranking(first / 2, {rank: 1 - (1 - first) / rank for rank in CURVE}, 0.1, 10, 0)


def count(path: Path, colour: str) -> int:
    """Count pixels of a colour."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return int((pixels == ImageColor.getrgb(colour)).all(axis=-1).sum())


@pytest.mark.parametrize("first", [0.0, 0.05, 0.87, 1.0])
def test_cmc_at_any_accuracy(first: float, tmp_path: Path) -> None:
    gallery = SimpleNamespace(table=range(40))
    evaluation: Any = SimpleNamespace(ranking=ranking(first), reranked=None, gallery=gallery)
    draw_cmc(evaluation, tmp_path / "cmc.png")
    assert Image.open(tmp_path / "cmc.png").size == (1050, 660)
    assert count(tmp_path / "cmc.png", BLUE) > 1000
    assert count(tmp_path / "cmc.png", ORANGE) == 0
    evaluation.reranked = ranking(first)
    draw_cmc(evaluation, tmp_path / "cmc.png")
    assert count(tmp_path / "cmc.png", ORANGE) > 500


@pytest.mark.parametrize("families", [1, 8])
@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0])
def test_probe_with_any_number_of_families(families: int, scale: float, tmp_path: Path) -> None:
    versions = tuple(
        Version(f"family {n}", Accuracy(scale / (1 + n), scale), Accuracy(scale, scale / (1 + n)))
        for n in range(families)
    )
    path = tmp_path / "probe.png"
    draw_probe(BackgroundSensitivity(Accuracy(scale, scale), versions, 10, 100, 0, 0), path)
    width, height = Image.open(path).size
    assert width == 1575
    assert height == pytest.approx(150 * (1.5 + 0.62 * (families + 1)), abs=2)
    assert (count(path, BLUE) > 10_000 and count(path, ORANGE) > 10_000) is (scale > 0)
