"""Each variant against a slow reference or a fact about its pixels."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import pytest

from visnet_aug.arrays import Image
from visnet_aug.backgrounds._albumentations import A
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.blur import Blur
from visnet_aug.backgrounds.color import ColorShift
from visnet_aug.backgrounds.gradient import Gradient
from visnet_aug.backgrounds.noise import NORMAL, Noise
from visnet_aug.backgrounds.palette import draw_colors
from visnet_aug.backgrounds.pattern import Pattern
from visnet_aug.backgrounds.texture import Texture

SHAPE = (24, 16)
GREY = np.full((128, 64, 3), 128, np.uint8)


def apply(
    family: type[BackgroundTransform], variant: str, image: np.ndarray, **parameters: object
) -> np.ndarray:
    return family().apply_record(image, {"variant": variant, "intensity": 1.0, **parameters})


# Colour


@pytest.mark.parametrize("degrees", [-120, -37.5, 10, 60, 180])
def test_hue_rotates_the_hsv_circle(degrees: float, image: Image) -> None:
    turned = apply(ColorShift, "hue", image, hue_degrees=degrees)
    for before, after in zip(
        image[::9, ::9].reshape(-1, 3), turned[::9, ::9].reshape(-1, 3), strict=True
    ):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255))
        expected = np.array(colorsys.hsv_to_rgb((h + degrees / 360) % 1, s, v)) * 255
        # 8-bit HSV rounds the hue to 2 degrees, which is a thirtieth of the chroma
        assert np.abs(after - expected).max() <= 3 + 255 * s * v / 30


def test_even_an_unchanged_image_is_a_new_one(image: Image) -> None:
    for variant, nothing in (
        ("hue", {"hue_degrees": 0.4}),
        ("brightness", {"brightness_factor": 1}),
    ):
        out = apply(ColorShift, variant, image, **nothing)
        assert np.array_equal(out, image)
        assert not np.shares_memory(out, image)


def test_hue_leaves_greys_alone() -> None:
    assert np.array_equal(apply(ColorShift, "hue", GREY, hue_degrees=90), GREY)


@pytest.mark.parametrize("factor", [0.0, 0.25, 0.5, 2.0, 4.0])
def test_saturation_scales_the_distance_from_grey(factor: float, image: Image) -> None:
    out = apply(ColorShift, "saturation", image, saturation_factor=factor)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(float)
    expected = np.clip(grey + factor * (image - grey), 0, 255)
    assert np.abs(out - expected).max() <= 0.5


@pytest.mark.parametrize("factor", [0.35, 0.75, 1.5])
def test_brightness_scales_levels(factor: float, image: Image) -> None:
    out = apply(ColorShift, "brightness", image, brightness_factor=factor)
    assert np.abs(out - np.clip(image * factor, 0, 255)).max() <= 0.501


def test_colour_variants_are_applied_in_turn(image: Image) -> None:
    parts = {"hue_degrees": 40, "saturation_factor": 2.0, "brightness_factor": 0.5}
    joined = apply(ColorShift, "hue+saturation+brightness", image, **parts)
    for variant in ("hue", "saturation", "brightness"):
        image = apply(ColorShift, variant, image, **parts)
    assert np.array_equal(joined, image)


# Texture


def test_canny_draws_white_edges_on_black_when_opaque(image: Image) -> None:
    out = apply(Texture, "canny", image, threshold_levels=150, opacity=1.0)
    edges = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 75, 150)
    assert (edges > 0).mean() > 0.02
    assert np.array_equal(out, np.repeat(edges[..., None], 3, axis=2))


@pytest.mark.parametrize(("alpha", "strength"), [(0.25, 0.5), (0.7, 0.5), (1.0, 2.0)])
def test_emboss_is_albumentations_own(alpha: float, strength: float, image: Image) -> None:
    out = apply(Texture, "emboss", image, quarter_turns=0, alpha=alpha, strength=strength)
    theirs = A.Emboss(alpha=(alpha, alpha), strength=(strength, strength), p=1)(image=image)[
        "image"
    ]
    assert np.abs(out.astype(int) - theirs).max() <= 2  # the kernel is rounded to 1/256


def test_emboss_turns_with_the_image(image: Image) -> None:
    square = image[:64]
    upright, turned = (
        apply(Texture, "emboss", area, quarter_turns=turns, alpha=0.5, strength=0.5)
        for area, turns in ((square, 0), (np.rot90(square).copy(), 1))
    )
    assert np.array_equal(np.rot90(upright), turned)


# Noise


def test_salt_and_pepper_come_in_equal_shares() -> None:
    out = apply(Noise, "salt_and_pepper", np.tile(GREY, (4, 4, 1)), fraction=0.2, seed=1)[..., 0]
    assert (out == 255).mean() == pytest.approx(0.1, abs=0.005)
    assert (out == 0).mean() == pytest.approx(0.1, abs=0.005)


def test_more_salt_and_pepper_adds_to_less() -> None:
    less, more = (
        apply(Noise, "salt_and_pepper", GREY, fraction=fraction, seed=1) for fraction in (0.1, 0.3)
    )
    assert np.array_equal(more[less != 128], less[less != 128])


@pytest.mark.parametrize("sigma", [2.0, 10.0, 30.0])
def test_gaussian_noise_has_its_sigma_and_no_bias(sigma: float) -> None:
    out = apply(Noise, "gaussian", np.tile(GREY, (4, 4, 1)), sigma_levels=sigma, seed=1).astype(
        float
    )
    assert out.std() == pytest.approx(sigma, rel=0.02, abs=0.05)
    assert out.mean() == pytest.approx(128, abs=sigma / 100)
    channels = out.reshape(-1, 3).T
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.01


def test_the_values_that_stand_for_the_normal_distribution_do() -> None:
    assert NORMAL.mean() == pytest.approx(0, abs=1e-12)
    assert NORMAL.std() == pytest.approx(1)
    assert (NORMAL**4).mean() == pytest.approx(3, abs=0.15)
    for sigmas, share in ((0.5, 0.3829), (1, 0.6827), (2, 0.9545)):
        assert (np.abs(NORMAL) < sigmas).mean() == pytest.approx(share, abs=1 / 128)


def test_another_seed_is_other_noise() -> None:
    for variant, size in (
        ("salt_and_pepper", {"fraction": 0.2}),
        ("gaussian", {"sigma_levels": 9}),
    ):
        first, second = (apply(Noise, variant, GREY, seed=seed, **size) for seed in (1, 2))
        assert not np.array_equal(first, second)


# Blur


@pytest.mark.parametrize(("angle", "axis"), [(0, 1), (90, 0)])
def test_motion_averages_along_its_line(angle: int, axis: int, image: Image) -> None:
    out = apply(Blur, "motion", image, length_pixels=9, angle_degrees=angle)
    pad = [(0, 0)] * 3
    pad[axis] = (4, 4)
    padded = np.pad(image.astype(float), pad, mode="reflect")
    shifted = [np.take(padded, range(i, i + image.shape[axis]), axis=axis) for i in range(9)]
    assert np.abs(out - np.mean(shifted, axis=0)).max() <= 0.51


@pytest.mark.parametrize("angle", [7.5, 45.0, 120.25, 171.0])
@pytest.mark.parametrize("length", [1, 3, 13, 25])
def test_motion_is_albumentations_own(length: int, angle: float, image: Image) -> None:
    out = apply(Blur, "motion", image, length_pixels=length, angle_degrees=angle)
    kernel = A.augmentations.blur.functional.create_motion_kernel(length, angle, 0.0, False, None)
    theirs = cv2.filter2D(image, cv2.CV_64F, kernel / kernel.sum())
    assert np.abs(out - theirs).max() <= 0.501


@pytest.mark.parametrize("factor", [1.05, 1.3, 1.5])
def test_zoom_averages_enlargements(factor: float, image: Image) -> None:
    smooth = cv2.GaussianBlur(image, (0, 0), 3)
    out = apply(Blur, "zoom", smooth, factor=factor)
    height, width = smooth.shape[:2]
    center = np.array([[[(height - 1) / 2]], [[(width - 1) / 2]]], np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32) - center
    mean = np.zeros(smooth.shape)
    for share in np.linspace(0, 1, 16):
        f = np.float32(factor**share)
        places = x / f + (width - 1) / 2, y / f + (height - 1) / 2
        mean += cv2.remap(smooth, *places, cv2.INTER_LINEAR).astype(float) / 16
    assert np.abs(out - mean).max() <= 3
    assert np.abs(out - mean).mean() <= 0.8


@pytest.mark.parametrize("variant", ["motion", "zoom"])
def test_blur_keeps_what_is_flat(variant: str) -> None:
    rng = np.random.default_rng(0)
    record = Blur().draw(variant, 1.0, (128, 64), rng)
    assert np.array_equal(Blur().apply_record(GREY, record), GREY)


def test_zoom_blurs_more_towards_the_border(image: Image) -> None:
    difference = np.abs(apply(Blur, "zoom", image, factor=1.3).astype(int) - image).mean(axis=2)
    assert difference[60:68, 28:36].mean() < 0.7 * difference[:, :8].mean()


# Pattern and gradient: pixel by pixel


def place(x: float, y: float, degrees: float) -> float:
    return x * math.cos(math.radians(degrees)) + y * math.sin(math.radians(degrees))


COLORS = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]

PATTERNS = [
    (
        "grid",
        {
            "spacing_pixels": 5.5,
            "line_pixels": 2.0,
            "offset_pixels": [1.5, 3.0],
            "colors": COLORS[:2],
        },
        lambda x, y: COLORS[(y + 1.5) % 5.5 < 2 or (x + 3) % 5.5 < 2],
    ),
    (
        "circles",
        {"ring_pixels": 2.5, "center_pixels": [10.5, 3.0], "colors": COLORS},
        lambda x, y: COLORS[int(math.hypot(y - 10.5, x - 3) / 2.5) % 3],
    ),
    (
        "stripes",
        {"stripe_pixels": 3.3, "angle_degrees": 130.0, "offset_pixels": 1.7, "colors": COLORS},
        lambda x, y: COLORS[math.floor((place(x, y, 130) + 1.7) / 3.3) % 3],
    ),
    (
        "checkerboard",
        {"cell_pixels": 4.5, "offset_pixels": [2.2, 0.0], "colors": COLORS[:2]},
        lambda x, y: COLORS[(int((y + 2.2) / 4.5) + int(x / 4.5)) % 2],
    ),
]


@pytest.mark.parametrize(("variant", "parameters", "color"), PATTERNS)
@pytest.mark.parametrize("opacity", [0.5, 1.0])
def test_patterns_pixel_by_pixel(
    variant: str, parameters: dict[str, Any], color: Callable[[int, int], list[int]], opacity: float
) -> None:
    image = np.full((*SHAPE, 3), 100, np.uint8)
    out = apply(Pattern, variant, image, opacity=opacity, **parameters)
    for y, x in np.ndindex(SHAPE):
        expected = 100 + opacity * (np.array(color(x, y)) - 100)
        assert np.abs(out[y, x] - expected).max() <= 0.5, (x, y)


def test_a_mosaic_s_cells_are_flat_and_of_many_colours() -> None:
    out = apply(Pattern, "mosaic", GREY, cell_pixels=8, offset_pixels=[0, 0], seed=1, opacity=1.0)
    cells = out.reshape(16, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(128, 64, 3)
    assert (cells == cells[:, :1]).all()
    assert len(np.unique(cells[:, 0], axis=0)) > 120


def test_discs_cover_a_good_part_in_as_many_colours() -> None:
    out = apply(Pattern, "discs", GREY, count=12, radius_pixels=[6, 20], seed=3, opacity=1.0)
    colors, counts = np.unique(out.reshape(-1, 3), axis=0, return_counts=True)
    assert 5 <= len(colors) <= 13
    assert counts.max() < 0.7 * counts.sum()


START, END = [200, 0, 50], [0, 250, 100]
CENTER = [8.0, 20.0]


def rise(variant: str, x: float, y: float) -> float:
    corners = [(0, 0), (0, SHAPE[0] - 1), (SHAPE[1] - 1, 0), (SHAPE[1] - 1, SHAPE[0] - 1)]
    if variant == "linear":
        places = [place(*corner, 30) for corner in corners]
        return (place(x, y, 30) - min(places)) / (max(places) - min(places))
    if variant == "radial":
        far = max(math.dist(corner, CENTER[::-1]) for corner in corners)
        return math.dist((x, y), CENTER[::-1]) / far
    turn = (math.atan2(y - CENTER[0], x - CENTER[1]) / math.tau + 30 / 360) % 1
    return 1 - abs(2 * turn - 1)


@pytest.mark.parametrize("variant", ["linear", "radial", "angular"])
@pytest.mark.parametrize("opacity", [0.25, 1.0])
def test_gradients_pixel_by_pixel(variant: str, opacity: float) -> None:
    image = np.full((*SHAPE, 3), 100, np.uint8)
    out = apply(
        Gradient,
        variant,
        image,
        angle_degrees=30.0,
        center_pixels=CENTER,
        colors=[START, END],
        opacity=opacity,
    )
    for y, x in np.ndindex(SHAPE):
        color = np.array(START) + rise(variant, x, y) * (np.array(END) - START)
        assert np.abs(out[y, x] - (100 + opacity * (color - 100))).max() <= 1.5, (x, y)


def test_half_of_the_gradients_let_the_texture_through() -> None:
    opacities = [
        Gradient().draw("linear", 1.0, (128, 64), np.random.default_rng(seed))["opacity"]
        for seed in range(400)
    ]
    assert set(opacities) == {0.6, 1.0}
    assert opacities.count(1.0) == pytest.approx(200, abs=40)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_contrast(count: int) -> None:
    nearest = [
        min(
            math.dist(a, b)
            for a, b in combinations(draw_colors(count, np.random.default_rng(i)), 2)
        )
        for i in range(300)
    ]
    assert min(nearest) > 50
    assert np.median(nearest) > 150
