"""What the bundled segmenter promises, on people whom its training never saw."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.segmenter.judging import compare, cropped, without_colour
from pipelines.segmenter.sources import MaskedImages, read_masked, split_photos
from visnet_aug.masks.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter("builtin", "cpu")


@pytest.fixture(scope="module")
def held_out(
    real_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> MaskedImages:
    """Every tenth street photo."""
    folder = tmp_path_factory.mktemp("photos")
    with zipfile.ZipFile(real_data("street-photos.zip")) as archive:
        archive.extractall(folder)
    (images,) = folder.rglob("images")
    return split_photos(read_masked(images.parent))[1]


@pytest.mark.parametrize(
    ("margin", "size", "bar"),
    [(0.03, (128, 64), 0.89), (0.15, (128, 64), 0.87), (0.03, None, 0.89)],
    ids=["tight", "loose", "own-resolution"],
)
def test_outlines_agree_with_exact_masks(
    segmenter: Segmenter,
    held_out: MaskedImages,
    margin: float,
    size: tuple[int, int] | None,
    bar: float,
) -> None:
    verdict = compare(segmenter, cropped(held_out, margin, size))
    assert verdict.iou >= bar
    assert verdict.rejected <= 0.05
    assert verdict.bad <= 0.005


def test_colour_is_not_needed(segmenter: Segmenter, held_out: MaskedImages) -> None:
    colour = cropped(held_out, 0.03)
    grey = compare(segmenter, without_colour(colour)).iou
    assert grey >= compare(segmenter, colour).iou - 0.035
