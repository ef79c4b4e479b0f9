"""Batched augmentation against torchvision v2, one image at a time with the same parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from visnet_model.data import augment
from visnet_model.data.augment import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SATURATION,
    Draws,
    apply,
    draw,
    normalise,
)
from visnet_model.data.settings import AugmentationSettings

torch.set_num_threads(1)

SIZES = [(32, 16), (37, 19), (16, 31)]
STEPS = {
    BRIGHTNESS: F.adjust_brightness,
    CONTRAST: F.adjust_contrast,
    SATURATION: F.adjust_saturation,
    HUE: F.adjust_hue,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "strong": {"brightness": 1.0, "contrast": 0.9, "saturation": 2.0, "hue": 0.5, "padding": 3},
    "none": dict.fromkeys(
        ("padding", "flip", "brightness", "contrast", "saturation", "hue", "erasing"), 0
    ),
}


def pictures(count: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Smooth colours, greys and corners of the colour cube, to cover all hues and no hue."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, *size), np.uint8)
    images[::4] = images[::4] // 128 * 255
    images[1::4, 1:] = images[1::4, :1]
    images[2::4, :, : size[0] // 2] = images[2::4, :, :1, :1]
    return torch.from_numpy(images)


def reference(image: Tensor, draws: Draws, index: int, padding: int) -> Tensor:
    """A reference that applies torchvision's functions to one image, in floating point."""
    size = list(image.shape[1:])
    padded = F.pad(image, [padding], padding_mode="edge")
    image = F.crop(padded, int(draws.top[index]), int(draws.left[index]), *size)
    if draws.flip[index]:
        image = F.horizontal_flip(image)
    image = F.to_dtype(image, torch.float32, scale=True)
    for step in draws.order[index].tolist():
        image = STEPS[step](image, float(draws.factors[index, step]))
    image = F.normalize(image, list(IMAGENET_MEAN), list(IMAGENET_STD))
    top, left, height, width = draws.erased[index].tolist()
    noise = np.random.default_rng(draws.noise[index]).standard_normal(
        (3, height, width), np.float32
    )
    erased: Tensor = F.erase(image, top, left, height, width, torch.from_numpy(noise))
    return erased


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_batch_is_what_torchvision_makes_of_each_image(name: str, size: tuple[int, int]) -> None:
    chosen = AugmentationSettings(**SETTINGS[name])
    images = pictures(24, size)
    draws = draw(chosen, size, 24, np.random.default_rng(3))
    result = apply(images, draws, chosen)
    expected = torch.stack(
        [reference(image, draws, index, chosen.padding) for index, image in enumerate(images)]
    )
    # A 255th is 0.017 after normalisation; this is a hundredth of that.
    torch.testing.assert_close(result, expected, rtol=0, atol=2e-4)
    assert result.is_contiguous(memory_format=torch.channels_last)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([BRIGHTNESS, CONTRAST, SATURATION, HUE]))
def test_each_colour_step_alone_is_torchvisions(seed: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    images = pictures(8, (16, 8), seed).float() / 255
    draws = draw(AugmentationSettings(**SETTINGS["strong"]), (16, 8), 8, rng)
    only = np.where(np.arange(4) == step, draws.factors, np.array([1, 1, 1, 0], np.float32))
    result = images.clone()
    augment.jitter(result, Draws(**{**vars(draws), "factors": only}))
    expected = torch.stack(
        [
            STEPS[step](image, float(factor))
            for image, factor in zip(images, only[:, step], strict=True)
        ]
    )
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_no_augmentation_is_the_test_transform() -> None:
    chosen = AugmentationSettings(**SETTINGS["none"])
    images = pictures(5, (32, 16))
    draws = draw(chosen, (32, 16), 5, np.random.default_rng(0))
    torch.testing.assert_close(apply(images, draws, chosen), normalise(images), rtol=0, atol=1e-6)


def test_the_test_transform_is_torchvisions() -> None:
    images = pictures(5, (32, 16))
    expected = F.normalize(
        F.to_dtype(images, torch.float32, scale=True), list(IMAGENET_MEAN), list(IMAGENET_STD)
    )
    result = normalise(images)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", SIZES)
def test_an_images_result_does_not_depend_on_the_batch_around_it(size: tuple[int, int]) -> None:
    chosen = AugmentationSettings()
    images = pictures(24, size)
    before = images.clone()
    draws = draw(chosen, size, 24, np.random.default_rng(3))
    whole = apply(images, draws, chosen)
    assert images.equal(before)
    for start, end in ((0, 6), (6, 7), (7, 24)):
        part = slice(start, end)
        assert apply(images[part], draws.part(part), chosen).equal(whole[part])


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = AugmentationSettings()
    images = pictures(24, (37, 19))
    draws = draw(chosen, (37, 19), 24, np.random.default_rng(3))
    whole = apply(images, draws, chosen)
    monkeypatch.setattr(augment, "_CACHED", 5 * 37 * 19)
    assert apply(images, draws, chosen).equal(whole)


COUNT = 20_000
SIZE = (64, 32)


@pytest.fixture(scope="module")
def many() -> Draws:
    return draw(AugmentationSettings(), SIZE, COUNT, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("step", "low", "high"),
    [
        (BRIGHTNESS, 0.8, 1.2),
        (CONTRAST, 0.85, 1.15),
        (SATURATION, 0.85, 1.15),
        (HUE, -0.1, 0.1),
    ],
)
def test_colour_factors_are_uniform_in_their_ranges(
    many: Draws, step: int, low: float, high: float
) -> None:
    factors = many.factors[:, step]
    assert low <= factors.min() < factors.max() <= high
    tenths = np.histogram(factors, 10, (low, high))[0]
    assert abs(tenths / (COUNT / 10) - 1).max() < 0.1


def test_a_factor_is_never_negative() -> None:
    draws = draw(AugmentationSettings(**SETTINGS["strong"]), SIZE, 2000, np.random.default_rng(1))
    assert draws.factors[:, :HUE].min() >= 0
    assert draws.factors[:, SATURATION].max() > 2.9


def test_orders_of_colour_steps_are_all_as_likely(many: Draws) -> None:
    orders, counts = np.unique(many.order, axis=0, return_counts=True)
    assert len(orders) == 24
    assert abs(counts / (COUNT / 24) - 1).max() < 0.15


def test_windows_are_uniform_and_half_are_mirrored(many: Draws) -> None:
    for offsets in (many.top, many.left):
        counts = np.bincount(offsets)
        assert len(counts) == 21
        assert abs(counts / (COUNT / 21) - 1).max() < 0.15
    assert abs(many.flip.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(many.top, many.left)[0, 1]) < 0.03


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (20, 20)])
def test_rectangles_are_distributed_like_torchvisions(size: tuple[int, int]) -> None:
    chosen = AugmentationSettings(erasing=1)
    ours = draw(chosen, size, COUNT, np.random.default_rng(2)).erased
    theirs_transform = v2.RandomErasing(1, chosen.erasing_area, chosen.erasing_aspect, "random")
    picture = torch.zeros(3, *size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made: list[dict[str, Any]] = [
            theirs_transform.make_params([picture]) for _ in range(COUNT // 4)
        ]
    theirs = np.array(
        [[one[key] for key in "ijhw"] if one["v"] is not None else [0] * 4 for one in made]
    )
    assert (ours[:, 0] + ours[:, 2] <= size[0]).all()
    assert (ours[:, 1] + ours[:, 3] <= size[1]).all()
    for column in range(4):
        largest = size[column % 2]
        shares = [
            np.histogram(one[:, column], 8, (0, largest))[0] / len(one) for one in (ours, theirs)
        ]
        assert abs(shares[0] - shares[1]).max() < 4 * math.sqrt(0.25 / len(theirs))


def test_half_of_the_images_are_erased_by_two_to_forty_percent(many: Draws) -> None:
    height, width = many.erased[:, 2], many.erased[:, 3]
    erased = height > 0
    assert abs(erased.mean() - 0.5) < 0.02
    area = (height * width)[erased] / math.prod(SIZE)
    assert 0.01 < area.min() < 0.03
    assert 0.37 < area.max() < 0.42


def test_noise_is_standard_normal_and_each_images_own() -> None:
    chosen = AugmentationSettings(erasing=1)
    draws = draw(chosen, SIZE, 64, np.random.default_rng(0))
    images = torch.full((64, 3, *SIZE), 1000.0)
    augment.erase(images, draws)
    noise = images[images != 1000]
    area = int((draws.erased[:, 2] * draws.erased[:, 3]).sum())
    assert noise.numel() == 3 * area
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    assert len(np.unique(noise.numpy())) > 0.99 * noise.numel()


def test_draws_follow_from_the_generator(many: Draws) -> None:
    one, same, other = (
        draw(AugmentationSettings(), SIZE, 50, np.random.default_rng(seed)) for seed in (8, 8, 9)
    )
    assert all((vars(one)[name] == vars(same)[name]).all() for name in vars(one))
    assert not any((vars(one)[name] == vars(other)[name]).all() for name in vars(one))
