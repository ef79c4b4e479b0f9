"""Properties that every family and every variant keeps."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.registry import FAMILIES, make_family
from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.errors import RecipeError

SETTINGS = BackgroundSettings.model_validate(
    {
        "other": {
            "soft": {"transform": "GaussianBlur", "args": {"sigma_limit": [3, 3]}},
            "rain": {"transform": "RandomRain"},
        }
    }
)
MADE = {name: make_family(name, SETTINGS) for name in SETTINGS.names()}
JOINED = ["hue+saturation", "saturation+brightness", "hue+saturation+brightness"]
VARIANTS = [
    *((name, variant) for name, family in MADE.items() for variant in family.variants),
    *(("color_shift", variant) for variant in JOINED),
]
every_variant = pytest.mark.parametrize(("name", "variant"), VARIANTS)


def draw(
    name: str, variant: str, intensity: float, seed: int, shape: tuple[int, int] = (128, 64)
) -> dict[str, Any]:
    return MADE[name].draw(variant, intensity, shape, np.random.default_rng(seed))


def effect(name: str, record: dict[str, Any], image: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute change of the background, in levels."""
    changed = MADE[name].rewrite(image, record, mask)
    return float(np.abs(changed[~mask].astype(int) - image[~mask]).mean())


def test_the_six_have_the_names_of_the_files() -> None:
    assert tuple(FAMILIES) == BackgroundSettings().names()
    assert all(MADE[name].family == name for name in FAMILIES)


def test_every_variant_of_the_settings_has_an_effect() -> None:
    for name in FAMILIES:
        assert list(MADE[name].variants) == list(SETTINGS.family(name).variants)


@every_variant
def test_intensity_0_changes_nothing(name: str, variant: str, image: Image, mask: Mask) -> None:
    record = draw(name, variant, 0.0, seed=1)
    assert np.array_equal(MADE[name].apply_record(image, record), image)
    assert np.array_equal(MADE[name].rewrite(image, record, mask), image)


@every_variant
@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    intensities=st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted),
)
def test_the_effect_grows_with_the_intensity(
    name: str,
    variant: str,
    textured: Callable[..., Image],
    mask: Mask,
    seed: int,
    intensities: list[float],
) -> None:
    image = textured(seed)
    effects = [effect(name, draw(name, variant, s, seed), image, mask) for s in intensities]
    highest = np.maximum.accumulate(effects)
    assert (effects >= highest - 0.3).all(), dict(zip(intensities, effects, strict=True))


@every_variant
def test_the_effect_is_plain_to_see(
    name: str, variant: str, textured: Callable[..., Image], mask: Mask
) -> None:
    """Averaged over images it grows strictly, and at the default's low end it is no trifle."""
    low = MADE[name].settings.variants[variant.split("+")[0]].intensity[0]
    means = [
        np.mean([effect(name, draw(name, variant, s, i), textured(i), mask) for i in range(8)])
        for s in (0.1, 0.4, 0.7, 1.0)
    ]
    assert (np.diff(means) > 0).all(), means
    assert (
        np.mean([effect(name, draw(name, variant, low, i), textured(i), mask) for i in range(8)])
        > 3
    )


@pytest.fixture(scope="session")
def real_crops(real_data: Callable[[str], Path]) -> list[np.ndarray]:
    with zipfile.ZipFile(real_data("market1501-dev.zip")) as archive:
        names = sorted(n for n in archive.namelist() if "bounding_box_train/" in n and ".jpg" in n)
        chosen = names[:: len(names) // 24]
        files = [np.frombuffer(archive.read(name), np.uint8) for name in chosen]
    return [cv2.cvtColor(cv2.imdecode(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for file in files]


@every_variant
def test_the_effect_grows_on_real_crops(
    name: str, variant: str, real_crops: list[Image], mask: Mask
) -> None:
    effects = np.array(
        [
            [effect(name, draw(name, variant, s, i), crop, mask) for s in (0, 0.25, 0.5, 0.75, 1)]
            for i, crop in enumerate(real_crops)
        ]
    )
    assert (np.diff(effects.mean(axis=0)) > 0).all(), effects.mean(axis=0)
    assert (np.diff(effects, axis=1) >= -0.5).all()


@every_variant
def test_a_record_is_small_and_survives_json(
    name: str, variant: str, image: Image, mask: Mask
) -> None:
    record = draw(name, variant, 0.8, seed=3)
    written = json.dumps(record, allow_nan=False)
    assert len(written) < 300
    again = json.loads(written)
    assert again == record
    assert (record["variant"], record["intensity"]) == (variant, 0.8)
    family = MADE[name]
    assert np.array_equal(
        family.rewrite(image, record, mask),
        family.rewrite(image, again, mask),
    )


@every_variant
def test_applying_is_pure(
    name: str, variant: str, textured: Callable[..., Image], mask: Mask
) -> None:
    """No state, no order, no thread and no other object changes a byte, nor the input."""
    images = [textured(i) for i in range(8)]
    before = [image.copy() for image in images]
    records = [draw(name, variant, 1.0, i) for i in range(8)]
    expected = [
        MADE[name].rewrite(image, record, mask)
        for image, record in zip(images, records, strict=True)
    ]
    other = make_family(name, SETTINGS)

    def rewrite(i: int) -> bytes:
        return other.rewrite(images[i], records[i], mask).tobytes()

    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(rewrite, [*range(7, -1, -1)]))[::-1]
    assert [e.tobytes() for e in expected] == again
    assert all(np.array_equal(a, b) for a, b in zip(images, before, strict=True))


@every_variant
def test_a_draw_depends_on_the_generator_only(name: str, variant: str) -> None:
    assert draw(name, variant, 0.7, seed=5) == draw(name, variant, 0.7, seed=5)
    if variant != "zoom":  # nothing is left to chance there
        assert len({json.dumps(draw(name, variant, 0.7, seed)) for seed in range(9)}) > 1


@every_variant
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (33, 17), (128, 64), (301, 127), (64, 128)]
)
def test_any_size(
    name: str, variant: str, shape: tuple[int, int], textured: Callable[..., Image]
) -> None:
    image = textured(0, *shape)
    record = draw(name, variant, 1.0, seed=0, shape=shape)
    for area in (np.zeros(shape, bool), np.ones(shape, bool), np.eye(*shape, dtype=bool)):
        changed = MADE[name].rewrite(image, record, area)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert np.array_equal(changed[area], image[area])


def masks(height: int, width: int) -> st.SearchStrategy[np.ndarray]:
    """Rectangles and their unions, borders included, as well as none and all."""
    rows, columns = st.integers(0, height), st.integers(0, width)
    boxes = st.lists(st.tuples(rows, rows, columns, columns), max_size=3)

    def paint(corners: list[tuple[int, int, int, int]]) -> np.ndarray:
        painted = np.zeros((height, width), bool)
        for a, b, c, d in corners:
            painted[min(a, b) : max(a, b), min(c, d) : max(c, d)] = True
        return painted

    return boxes.map(paint)


@every_variant
@settings(deadline=None, max_examples=10)
@given(area=masks(32, 16), seed=st.integers(0, 2**32), feather=st.sampled_from([0.0, 0.5, 3.0]))
def test_no_colour_of_the_person_reaches_the_background(
    name: str,
    variant: str,
    textured: Callable[..., Image],
    area: np.ndarray,
    seed: int,
    feather: float,
) -> None:
    """Whatever the person's colours are, not one byte beyond the feather depends on them."""
    magenta, noise = textured(seed, 32, 16), textured(seed, 32, 16)
    magenta[area] = (255, 0, 255)
    noise[area] = np.random.default_rng(seed).integers(0, 256, (area.sum(), 3), np.uint8)
    record = draw(name, variant, 1.0, seed, shape=(32, 16))
    first, second = (MADE[name].rewrite(image, record, area, feather) for image in (magenta, noise))
    distance = cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    beyond = ~area if feather == 0 or not area.any() else distance >= feather + 1.1
    assert np.array_equal(first[beyond], second[beyond])
    assert (first[area] == (255, 0, 255)).all()


def magenta_cast(pixels: np.ndarray) -> np.ndarray:
    """How much more red and blue than green."""
    cast: np.ndarray = np.minimum(pixels[..., 0], pixels[..., 2]).astype(int) - pixels[..., 1]
    return cast


SPREADING = [(n, v) for n, v in VARIANTS if n not in ("noise", "pattern", "gradient")]


@pytest.mark.parametrize(("name", "variant"), SPREADING)
def test_no_magenta_halo(name: str, variant: str, mask: Mask) -> None:
    """A magenta person on green and grey, under a mask that is two pixels too small."""
    image = np.full((128, 64, 3), 120, np.uint8)
    if variant != "emboss":  # a green line's relief casts magenta shadows of its own
        image[::4] = (40, 160, 40)
    person = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5)))
    image[person == 1] = (255, 0, 255)
    record = draw(name, variant, 1.0, seed=0) | ({"hue_degrees": 0} if "hue" in variant else {})
    changed = MADE[name].rewrite(image, record, mask)
    allowed = 0 if name != "other" else 8  # rain brings a greyish blue of its own
    assert magenta_cast(changed[~mask]).max() <= allowed


@pytest.mark.parametrize("variant", ["motion", "zoom"])
def test_without_the_mask_a_blur_does_make_a_halo(variant: str, mask: Mask) -> None:
    """The test above can fail."""
    image = np.full((128, 64, 3), 120, np.uint8)
    image[mask] = (255, 0, 255)
    changed = MADE["blur"].apply_record(image, draw("blur", variant, 1.0, seed=0))
    assert magenta_cast(changed[~mask]).max() > 50


@pytest.mark.parametrize("name", sorted(MADE))
def test_unknown_variants_are_recipe_errors(name: str, image: Image) -> None:
    with pytest.raises(RecipeError, match="no variant 'sepia'"):
        draw(name, "sepia", 0.5, seed=0)
    with pytest.raises(RecipeError, match="no variant 'sepia'"):
        MADE[name].apply_record(image, {"variant": "sepia", "intensity": 0.0})


def test_lengths_scale_with_the_height() -> None:
    """A crop twice as large gets the same pattern, twice as large."""
    small, large = (
        draw("pattern", "checkerboard", 1.0, seed=4, shape=shape)
        for shape in ((128, 64), (256, 128))
    )
    assert large["cell_pixels"] == pytest.approx(2 * small["cell_pixels"], abs=0.02)
    reach = [
        draw("blur", "motion", 1.0, 0, shape)["length_pixels"] for shape in ((128, 64), (256, 128))
    ]
    assert reach[1] == pytest.approx(2 * reach[0], abs=2)


def test_all_made_are_albumentations_transforms() -> None:
    assert all(isinstance(family, BackgroundTransform) for family in MADE.values())
