"""The segmenter on drawn and real crops: quality, determinism, odd sizes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.person import PersonMask
from visnet_aug.masks.segmenter import BATCH, Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    return [draw_sample(pid, 1 + pid % 6, rng, seed=99) for pid in range(1, 61)]


def iou(found: PersonMask, truth: np.ndarray) -> float:
    if found.mask is None or not found.accepted:
        return 0.0
    return float((found.mask & truth).sum() / (found.mask | truth).sum())


def test_finds_drawn_people(segmenter: Segmenter, drawn):
    masks = segmenter.segment([sample.image for sample in drawn])
    assert np.mean([mask.accepted for mask in masks]) >= 0.9
    overlaps = [iou(m, s.mask) for m, s in zip(masks, drawn, strict=True) if m.accepted]
    assert np.mean(overlaps) >= 0.75


def test_reaches_its_promise_on_held_out_identities(
    segmenter: Segmenter, real_data: Callable[[str], Path]
):
    """The bar: mean IoU 0.88 and 98 % found, on identities never trained on."""
    images, truths = _held_out(real_data("person-masks.zip"))
    masks = segmenter.segment(images)
    overlaps = np.array([iou(m, t) for m, t in zip(masks, truths, strict=True)])
    assert np.mean(overlaps > 0) >= 0.98
    assert overlaps[overlaps > 0].mean() >= 0.88


def _held_out(path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Every tenth identity in sorted order, as the training leaves them out."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))
        judged = set(sorted({Path(n).name.split("_")[0] for n in names})[::10])
        chosen = [n for n in names if Path(n).name.split("_")[0] in judged]
        images = [_read(archive, n, cv2.IMREAD_COLOR)[..., ::-1] for n in chosen]
        masks = [n.replace("/images/", "/masks/").replace(".jpg", ".png") for n in chosen]
        return images, [_read(archive, n, cv2.IMREAD_GRAYSCALE) > 127 for n in masks]


def _read(archive: zipfile.ZipFile, name: str, flag: int) -> np.ndarray:
    data = np.frombuffer(io.BytesIO(archive.read(name)).getvalue(), np.uint8)
    return np.asarray(cv2.imdecode(data, flag))


def test_a_mask_does_not_depend_on_its_neighbours(segmenter: Segmenter, drawn):
    """To the bit: alone, in another order, across a batch's border."""
    images = [sample.image for sample in drawn] * 2
    together = segmenter.segment(images)
    assert len(images) > BATCH
    backwards = segmenter.segment(images[::-1])[::-1]
    for i in (0, 7, BATCH - 1, BATCH, len(images) - 1):
        (alone,) = segmenter.segment([images[i]])
        for other in (alone, backwards[i]):
            assert other.confidence == together[i].confidence
            assert np.array_equal(other.mask, together[i].mask)


@pytest.mark.parametrize("shape", [(128, 64), (256, 128), (301, 97), (40, 20), (1, 1), (3, 200)])
def test_any_size_of_crop(segmenter: Segmenter, drawn, shape: tuple[int, int]):
    image = cv2.resize(drawn[0].image, shape[::-1])
    (found,) = segmenter.segment([image])
    assert found.mask is None or found.mask.shape == shape


def test_masks_scale_with_the_crop(segmenter: Segmenter, drawn):
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
def test_nobody_in_a_plain_image(segmenter: Segmenter, value: int):
    (found,) = segmenter.segment([np.full((128, 64, 3), value, np.uint8)])
    assert not found.accepted


def test_no_images(segmenter: Segmenter):
    assert segmenter.segment([]) == []
