"""The outline follows the image's own edges, and stays where there are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from visnet_aug.masks.refine import refine


def scene(
    shape: tuple[int, int], person: tuple[int, ...], ground: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose middle half, left to right, is the person; with its mask."""
    width = shape[1]
    mask = np.zeros(shape, np.bool_)
    mask[:, width // 4 : 3 * width // 4] = True
    image = np.where(mask[..., None], person, ground).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask


def blurred(shape: tuple[int, int], offset: int = 1) -> np.ndarray:
    """The middle half on a coarse grid, uncertain at its edges and shifted sideways."""
    columns = np.arange(shape[1]) + 0.5 - offset
    distance = shape[1] / 4 - np.abs(columns - shape[1] / 2)
    return np.broadcast_to(1 / (1 + np.exp(-1.5 * distance)), shape).astype(np.float32)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("shape", [(128, 64), (500, 250), (40, 20)])
@pytest.mark.parametrize(
    ("person", "ground"), [((200, 30, 30), (40, 90, 160)), ((60, 60, 60), (150, 150, 150))]
)
def test_moves_the_outline_to_the_edge(
    shape: tuple[int, int], person: tuple[int, ...], ground: tuple[int, ...]
) -> None:
    image, truth = scene(shape, person, ground)
    coarse = blurred((64, 32))
    plain = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    refined = refine(coarse, image)
    assert refined.shape == shape
    assert refined.dtype == np.float32
    lost = 1 - iou(plain, truth)
    assert lost > 0.05
    assert 1 - iou(refined > 0.5, truth) < 0.75 * lost


def test_leaves_the_outline_where_there_is_no_edge() -> None:
    image = np.full((128, 64, 3), 90, np.uint8)
    coarse = blurred((64, 32))
    assert iou(refine(coarse, image) > 0.5, blurred((128, 64), 2) > 0.5) > 0.94


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_adds_nothing_to_what_is_certain(value: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (128, 64, 3), np.uint8)
    refined = refine(np.full((64, 32), value, np.float32), image)
    assert np.allclose(refined, value, atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_is_finite_and_within_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (128, 64, 3), np.uint8)
    image[:, :30] = image[:, :30, :1]  # grey, where equations are nearly singular
    image[:50] = 255
    refined = refine(rng.uniform(0, 1, (64, 32)).astype(np.float32), image)
    assert np.isfinite(refined).all()
    assert refined.min() >= 0
    assert refined.max() <= 1
