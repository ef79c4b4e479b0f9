"""One image with one new background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds.registry import FAMILIES, make_family
from visnet_aug.backgrounds.rewrite import draw_params, rewrite_background
from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.errors import RecipeError

VARIANTS = [(name, variant) for name, cls in FAMILIES.items() for variant in cls.variants]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("feather", [0, 2.5])
def test_the_person_is_exact_and_the_background_is_not(
    family: str, feather: float, image: Image, mask: Mask
) -> None:
    before = image.copy()
    new = rewrite_background(image, mask, family, feather=feather)
    assert np.array_equal(new[mask], image[mask])
    assert not np.array_equal(new[~mask], image[~mask])
    assert np.array_equal(image, before)


@settings(deadline=None, max_examples=30)
@given(
    drawn=st.sampled_from(VARIANTS),
    intensity=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
)
def test_the_same_call_gives_the_same_pixels(
    drawn: tuple[str, str], intensity: float, seed: int, image: Image, mask: Mask
) -> None:
    family, variant = drawn
    first, second = (
        rewrite_background(image, mask, family, intensity, seed, variant) for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert np.array_equal(first[mask], image[mask])


def test_masks_of_any_kind_mean_the_same(image: Image, mask: Mask) -> None:
    kinds = (mask, mask.astype(np.uint8), mask.astype(np.uint8) * 255, mask.astype(np.int64))
    assert len({rewrite_background(image, kind).tobytes() for kind in kinds}) == 1


def test_naming_the_drawn_variant_changes_nothing(image: Image, mask: Mask) -> None:
    drawn = rewrite_background(image, mask, "pattern", 0.9, 11)
    named = [
        rewrite_background(image, mask, "pattern", 0.9, 11, variant)
        for variant in FAMILIES["pattern"].variants
    ]
    assert sum(np.array_equal(drawn, each) for each in named) == 1


def test_it_makes_the_pixels_of_a_build(image: Image, mask: Mask) -> None:
    """A build draws a copy's parameters by `draw_params` from its seed, and rewrites by them."""
    chosen = BackgroundSettings.model_validate({"blur": {"motion": {"length_pixels": 9}}})
    family = make_family("blur", chosen)
    params = draw_params(family, "motion", 0.7, 2**63, (128, 64))
    built = family.rewrite(image, params, mask, 1.5)
    called = rewrite_background(image, mask, "blur", 0.7, 2**63, "motion", chosen, 1.5)
    assert np.array_equal(built, called)


def test_settings_are_obeyed(image: Image, mask: Mask) -> None:
    plain = {"pattern": {"grid": {"opacity": 0.5}}, "feather": 3}
    new = rewrite_background(image, mask, variant="grid", settings=plain)
    model = BackgroundSettings.model_validate(plain)
    assert np.array_equal(new, rewrite_background(image, mask, variant="grid", settings=model))
    hard = rewrite_background(image, mask, variant="grid", settings=plain, feather=0)
    assert not np.array_equal(new, hard)
    assert not np.array_equal(hard, rewrite_background(image, mask, variant="grid"))


def test_a_family_of_one_s_own(image: Image, mask: Mask) -> None:
    own = {"other": {"fog": {"transform": "InvertImg"}}}
    new = rewrite_background(image, mask, "fog", 1.0, settings=own)
    assert np.array_equal(new[mask], image[mask])
    assert not np.array_equal(new, image)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"family": "sepia"}, RecipeError, "'sepia' is unknown: have color_shift"),
        ({"variant": "sepia"}, RecipeError, "pattern has no variant 'sepia': have grid"),
        ({"intensity": 1.5}, ValueError, "intensity is 1.5; it must be in 0 to 1"),
        ({"intensity": float("nan")}, ValueError, "intensity is nan"),
        ({"seed": -1}, ValueError, "seed is -1; it must be at least 0"),
        ({"feather": -1}, ValueError, "feather is -1; it must be a width in pixels"),
        ({"feather": float("inf")}, ValueError, "feather is inf"),
        ({"settings": {"blurr": {}}}, ValidationError, "blurr"),
        ({"mask": None}, TypeError, "mask is None"),
        ({"mask": np.zeros((3, 3), bool)}, ValueError, "mask is 3×3, but its image is 128×64"),
        ({"image": np.zeros((8, 8), np.uint8)}, ValueError, "image 8×8 is grey"),
        ({"image": "a.jpg"}, TypeError, "image is a path"),
    ],
)
def test_what_cannot_be_used_is_named(
    arguments: dict[str, object], error: type[Exception], message: str, image: Image, mask: Mask
) -> None:
    given: dict[str, object] = {"image": image, "mask": mask, **arguments}
    with pytest.raises(error, match=message):
        rewrite_background(**given)  # type: ignore[arg-type]
