"""The segmenter on drawn crops: quality, determinism, odd sizes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from visnet_aug.datasets.drawn import DrawnSample, draw_sample
from visnet_aug.masks.person import PersonMask
from visnet_aug.masks.segmenter import BATCH, Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


@pytest.fixture(scope="module")
def drawn() -> list[DrawnSample]:
    rng = np.random.default_rng(5)
    return [draw_sample(pid, 1 + pid % 6, rng, seed=99) for pid in range(1, 61)]


def iou(found: PersonMask, truth: np.ndarray) -> float:
    if found.mask is None or not found.accepted:
        return 0.0
    return float((found.mask & truth).sum() / (found.mask | truth).sum())


def test_finds_drawn_people(segmenter: Segmenter, drawn: list[DrawnSample]) -> None:
    masks = segmenter.segment([sample.image for sample in drawn])
    assert np.mean([mask.accepted for mask in masks]) >= 0.9
    overlaps = [iou(m, s.mask) for m, s in zip(masks, drawn, strict=True) if m.accepted]
    assert np.mean(overlaps) >= 0.75


def test_everyone_is_more_than_the_person_of_the_crop(
    segmenter: Segmenter, drawn: list[DrawnSample]
) -> None:
    pairs = list(pairwise(drawn[:21]))
    images = [np.hstack([one.image, other.image[:, 8:44]]) for one, other in pairs]
    truths = [np.hstack([one.mask, other.mask[:, 8:44]]) for one, other in pairs]
    alone = segmenter.segment(images)
    everyone = segmenter.segment_everyone(images)
    gained = [
        (both & truth).sum() / (both | truth).sum() - iou(replace(one, reason=None), truth)
        for both, one, truth in zip(everyone, alone, truths, strict=True)
    ]
    assert np.mean(gained) > 0.15
    assert min(gained) > -0.05
    assert segmenter.segment_everyone([]) == []


def test_a_mask_does_not_depend_on_its_neighbours(
    segmenter: Segmenter, drawn: list[DrawnSample]
) -> None:
    """To the bit: alone, in another order, across a batch's border."""
    images = [sample.image for sample in drawn] * 2
    together = segmenter.segment(images)
    assert len(images) > BATCH
    backwards = segmenter.segment(images[::-1])[::-1]
    for i in (0, 7, BATCH - 1, BATCH, len(images) - 1):
        (alone,) = segmenter.segment([images[i]])
        for other in (alone, backwards[i]):
            assert other.confidence == together[i].confidence
            np.testing.assert_array_equal(other.mask, together[i].mask)  # also of None


@pytest.mark.parametrize("shape", [(128, 64), (256, 128), (301, 97), (40, 20), (1, 1), (3, 200)])
def test_any_size_of_crop(
    segmenter: Segmenter, drawn: list[DrawnSample], shape: tuple[int, int]
) -> None:
    image = cv2.resize(drawn[0].image, shape[::-1])
    (found,) = segmenter.segment([image])
    assert found.mask is None or found.mask.shape == shape


def test_masks_scale_with_the_crop(segmenter: Segmenter, drawn: list[DrawnSample]) -> None:
    """The same picture enlarged gives the same outline, enlarged, without a shift."""
    small = segmenter.segment([s.image for s in drawn[:20]])
    big = segmenter.segment([cv2.resize(s.image, (128, 256)) for s in drawn[:20]])
    overlaps = []
    for one, other in zip(small, big, strict=True):
        if one.mask is not None and other.mask is not None:
            enlarged = np.repeat(np.repeat(one.mask, 2, 0), 2, 1)
            overlaps.append((enlarged & other.mask).sum() / (enlarged | other.mask).sum())
    assert np.mean(overlaps) >= 0.93


@pytest.mark.parametrize("value", [0, 127, 255])
def test_nobody_in_a_plain_image(segmenter: Segmenter, value: int) -> None:
    (found,) = segmenter.segment([np.full((128, 64, 3), value, np.uint8)])
    assert not found.accepted


def test_no_images(segmenter: Segmenter) -> None:
    assert segmenter.segment([]) == []


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([np.zeros((8, 4), np.uint8)], ValueError, r"images\[0\] 8×4 is grey"),
        ([np.zeros((8, 4, 3))], ValueError, r"images\[0\] 8×4×3 is float64"),
        ([np.zeros((8, 4, 4), np.uint8)], ValueError, r"images\[0\] 8×4×4 has four channels"),
        ([np.zeros((0, 4, 3), np.uint8)], ValueError, r"images\[0\] 0×4×3 is empty"),
        (["a.jpg"], TypeError, r"images\[0\] is a path \(a.jpg\), not an array"),
        ("a.jpg", TypeError, r"takes a list of images: pass \[image\] for a single one"),
        (np.zeros((8, 4, 3), np.uint8), TypeError, r"takes a list of images"),
    ],
)
def test_other_images_are_refused(
    segmenter: Segmenter, images: list[np.ndarray], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        segmenter.segment(images)


def test_a_batch_is_a_list_of_images(segmenter: Segmenter, drawn: list[DrawnSample]) -> None:
    images = [sample.image for sample in drawn[:3]]
    listed, stacked = segmenter.segment(images), segmenter.segment(list(np.stack(images)))
    assert [found.confidence for found in listed] == [found.confidence for found in stacked]


def test_importing_the_segmenter_imports_no_network() -> None:
    code = (
        "import sys, visnet_aug; visnet_aug.Segmenter;"
        "sys.exit(bool({'torch', 'ultralytics'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
