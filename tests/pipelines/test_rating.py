"""The regression that predicts how good a mask is, and the figures it is judged by."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.segmenter import rating, training
from pipelines.segmenter.composites import Sources
from visnet_aug.masks.quality import FEATURES
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings


def ratings(count: int = 400) -> rating.Ratings:
    """Masks whose IoU follows from two features."""
    rng = np.random.default_rng(0)
    features = rng.uniform(0, 1, (count, len(FEATURES))).astype(np.float32)
    iou = np.clip(0.5 + 0.4 * features[:, 1] - 0.3 * features[:, 3] ** 2, 0, 1)
    return rating.Ratings(features, iou.astype(np.float32))


class TestFit:
    def test_predicts_the_iou(self) -> None:
        data = ratings()
        train = rating.Ratings(data.features[:300], data.iou[:300])
        expected = rating.fit(train, seed=0)(data.features[300:])
        assert np.abs(expected - data.iou[300:]).mean() < 0.03

    def test_depends_on_the_seed_alone(self) -> None:
        one, other = (rating.fit(ratings(50), seed=3) for _ in range(2))
        assert np.array_equal(one.output, other.output)


class TestRate:
    def test_measures_every_accepted_mask(self, tiny: dict[str, Any], sources: Sources) -> None:
        torch.manual_seed(0)
        lenient = MaskSettings(
            confidence=0,
            quality=0,
            max_rival=1,
            min_area=0,
            max_area=1,
            min_height=0,
            max_border=1,
            threshold=0.01,
        )
        network = training.build_network(tiny)
        segmenter = Segmenter.for_network(network, (64, 32), lenient)
        measured = rating.rate_samples(segmenter, sources, 10, seed=0)
        images = [image for image, _ in islice(rating.samples(sources, 0), 10)]
        accepted = sum(found.accepted for found in segmenter.segment(images))
        assert measured.features.shape == (accepted, len(FEATURES))
        assert np.isfinite(measured.features).all()
        assert ((measured.iou >= 0) & (measured.iou <= 1)).all()

    def test_samples_are_known_everywhere(self, sources: Sources) -> None:
        for image, mask in islice(rating.samples(sources, 1), 20):
            assert image.shape[:2] == mask.shape


@pytest.mark.parametrize(
    ("quality", "bad", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [True, True, False, False], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [True, True, False, False], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [True, True, False, False], 0.5),
        ([0.1, 0.6, 0.5, 0.9], [True, True, False, False], 0.75),
    ],
)
def test_auroc(quality: list[float], bad: list[bool], area: float) -> None:
    assert rating.auroc(np.array(quality, np.float32), np.array(bad)) == pytest.approx(area)


def test_auroc_of_one_kind_is_unknown() -> None:
    assert np.isnan(rating.auroc(np.ones(3, np.float32), np.zeros(3, np.bool_)))
