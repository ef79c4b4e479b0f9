"""Figures that tell good masks from bad ones, and the model on top of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from visnet_aug.masks.quality import FEATURES, QualityModel, find_rival, mask_features

BOX = (0.25, 0.1, 0.75, 0.9)
IMAGE = np.full((128, 64, 3), 60, np.uint8)
IMAGE[13:115, 16:48] = 180


def logits(box: tuple[float, float, float, float] = BOX, height: float = 8.0) -> np.ndarray:
    """A rectangle of a person, as certain as ``height``."""
    values = np.full((64, 32), -height, np.float32)
    x0, y0, x1, y1 = box
    values[round(y0 * 64) : round(y1 * 64), round(x0 * 32) : round(x1 * 32)] = height
    return values


def measure(
    maps: list[np.ndarray],
    boxes: list[tuple[float, float, float, float]],
    scores: list[float],
    chosen: int = 0,
) -> dict[str, float]:
    refined = cv2.resize(1 / (1 + np.exp(-maps[chosen])), (64, 128))
    arrays = np.array(boxes, np.float32), np.array(scores, np.float32)
    rival = find_rival(*arrays, chosen)
    features = mask_features(
        lambda index: maps[index], *arrays, chosen, rival, IMAGE, np.asarray(refined, np.float32)
    )
    return dict(zip(FEATURES, features.tolist(), strict=True))


class TestFeatures:
    def test_of_a_certain_mask(self) -> None:
        found = measure([logits(), logits()], [BOX, BOX], [0.9, 0.8])
        assert found["confidence"] == pytest.approx(0.9)
        assert found["expected_iou"] == pytest.approx(1, abs=0.01)
        assert found["stability"] == pytest.approx(1)
        assert found["agreement"] == found["least_agreement"] == pytest.approx(1)
        assert found["box_fit"] > 0.95
        assert found["rival"] == found["rival_rank"] == found["rival_overlap"] == 0
        assert found["moved"] > 0.95
        assert found["contrast"] > 0.3

    def test_doubt_lowers_what_is_expected(self) -> None:
        sure, unsure = (measure([logits(height=h)], [BOX], [0.9]) for h in (8.0, 0.5))
        assert unsure["expected_iou"] < sure["expected_iou"]
        assert unsure["stability"] < sure["stability"]

    def test_anchors_that_disagree(self) -> None:
        half = (0.25, 0.1, 0.75, 0.5)
        found = measure([logits(), logits(), logits(half)], [BOX] * 3, [0.9, 0.8, 0.7])
        assert found["least_agreement"] == pytest.approx(0.5, abs=0.05)
        assert found["agreement"] == pytest.approx(0.75, abs=0.05)

    def test_somebody_else(self) -> None:
        beside = (0.7, 0.1, 1.0, 0.9)
        found = measure([logits(), logits(beside)], [BOX, beside], [0.9, 0.6])
        assert found["rival"] == pytest.approx(0.6)
        assert 0 < found["rival_rank"] < 0.3
        assert 0 < found["rival_overlap"] < 0.2

    def test_a_box_that_does_not_fit(self) -> None:
        found = measure([logits((0.25, 0.1, 0.75, 0.5))], [BOX], [0.9])
        assert found["box_fit"] == pytest.approx(0.5, abs=0.05)

    def test_of_nothing_are_finite(self) -> None:
        found = measure([np.full((64, 32), -30, np.float32)], [BOX], [0.0])
        assert np.isfinite(list(found.values())).all()

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    def test_do_not_depend_on_the_candidates_order(self, order: tuple[int, ...]) -> None:
        beside = (0.7, 0.1, 1.0, 0.9)
        maps, boxes = [logits(), logits(height=2), logits(beside)], [BOX, BOX, beside]
        scores = [0.9, 0.7, 0.5]
        straight = measure(maps, boxes, scores)
        turned = measure(
            [maps[i] for i in order],
            [boxes[i] for i in order],
            [scores[i] for i in order],
            order.index(0),
        )
        assert turned == pytest.approx(straight)


class TestModel:
    @pytest.fixture
    def model(self) -> QualityModel:
        rng = np.random.default_rng(0)
        features = len(FEATURES)
        shapes = [(features,), (features,), (features + 1, 5), (6,)]
        mean, scale, hidden, output = (rng.uniform(0.1, 1, s).astype(np.float32) for s in shapes)
        return QualityModel(mean, scale, hidden, output)

    def test_gives_a_share(self, model: QualityModel) -> None:
        rows = np.random.default_rng(1).normal(0, 100, (50, len(FEATURES))).astype(np.float32)
        expected = model(rows)
        assert expected.shape == (50,)
        assert ((expected >= 0) & (expected <= 1)).all()

    def test_comes_back_from_its_arrays(self, model: QualityModel) -> None:
        rows = np.random.default_rng(1).normal(0, 1, (5, len(FEATURES))).astype(np.float32)
        assert np.array_equal(QualityModel.from_arrays(model.as_arrays())(rows), model(rows))

    def test_refuses_arrays_that_do_not_fit(self, model: QualityModel) -> None:
        arrays = model.as_arrays()
        with pytest.raises(ValueError, match="quality model of shapes"):
            QualityModel.from_arrays({**arrays, "mean": arrays["mean"][:-1]})
