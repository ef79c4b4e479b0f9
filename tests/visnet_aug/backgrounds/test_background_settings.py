from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from visnet_aug.backgrounds.settings import (
    BackgroundSettings,
    draw_variant,
)
from visnet_aug.errors import RecipeError

SIX = ("color_shift", "texture", "noise", "blur", "pattern", "gradient")

VARIANTS = {
    "color_shift": ["hue", "saturation", "brightness"],
    "texture": ["canny", "emboss"],
    "noise": ["salt_and_pepper", "gaussian"],
    "blur": ["motion", "zoom"],
    "pattern": ["grid", "circles", "stripes", "checkerboard", "mosaic", "discs"],
    "gradient": ["linear", "radial", "angular"],
}


def test_the_paper_s_families_and_variants():
    defaults = BackgroundSettings()
    assert defaults.names() == SIX
    assert {name: list(defaults.family(name).variants) for name in SIX} == VARIANTS


def test_survives_json():
    chosen = BackgroundSettings.model_validate(
        {
            "noise": {"weight": 2, "gaussian": {"sigma_levels": 20, "intensity": [0.1, 0.2]}},
            "other": {"fog": {"transform": "RandomFog", "args": {"alpha_coef": 0.1}}},
            "feather": 1.5,
        }
    )
    assert BackgroundSettings.model_validate_json(chosen.model_dump_json()) == chosen


def test_weight_0_leaves_a_family_out_and_others_come_last_in_order():
    chosen = BackgroundSettings.model_validate(
        {
            "noise": {"weight": 0},
            "other": {"z_fog": {"transform": "RandomFog"}, "a_rain": {"transform": "RandomRain"}},
        }
    )
    assert chosen.names() == (
        "color_shift",
        "texture",
        "blur",
        "pattern",
        "gradient",
        "a_rain",
        "z_fog",
    )
    assert "noise" in chosen.families()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"blurr": {}}, "blurr"),
        ({"blur": {"motion": {"length": 3}}}, "length"),
        ({"blur": {"motion": {"intensity": [0.9, 0.2]}}}, "low end 0.9 is above the high end 0.2"),
        ({"blur": {"motion": {"intensity": [0.5, 1.2]}}}, "less than or equal to 1"),
        ({"blur": {"motion": {"probability": -0.1}}}, "greater than or equal to 0"),
        ({"blur": {"motion": {"length_pixels": float("inf")}}}, "finite"),
        ({"blur": {"weight": float("nan")}}, "weight"),
        ({"pattern": {"discs": {"count": [9, 3]}}}, "low end 9 is above"),
        (
            {"texture": {"canny": {"probability": 0}, "emboss": {"probability": 0}}},
            "every variant has probability 0",
        ),
        ({name: {"weight": 0} for name in SIX}, "no family is enabled"),
        ({"other": {"noise": {"transform": "RandomFog"}}}, "'noise' is taken"),
        ({"other": {"feather": {"transform": "RandomFog"}}}, "'feather' is taken"),
        ({"other": {"My Fog": {"transform": "RandomFog"}}}, "pattern"),
        ({"other": {"fog\n": {"transform": "RandomFog"}}}, "pattern"),
        ({"other": {"fog": {}}}, "transform"),
        ({"other": {"fog": {"transform": "RandomFog", "args": {"p": 0.5}}}}, "leave p out"),
        ({"feather": -1}, "feather"),
    ],
)
def test_bad_settings_are_named(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        BackgroundSettings.model_validate(bad)


def test_a_family_without_weight_may_be_all_zeros():
    off = {"weight": 0, "canny": {"probability": 0}, "emboss": {"probability": 0}}
    assert "texture" not in BackgroundSettings.model_validate({"texture": off}).names()


def test_unknown_family_is_a_recipe_error():
    with pytest.raises(RecipeError, match="'fog' is unknown: have color_shift"):
        draw_variant(BackgroundSettings().family("fog"), np.random.default_rng(0))


@pytest.mark.parametrize("family", SIX)
def test_draws_follow_probability_and_intensity(family: str):
    first, *rest = VARIANTS[family]
    only = {name: {"probability": 0} for name in rest} | {first: {"intensity": [0.25, 0.5]}}
    chosen = BackgroundSettings.model_validate({family: only})
    rng = np.random.default_rng(0)
    draws = [draw_variant(chosen.family(family), rng) for _ in range(200)]
    assert {variant for variant, _ in draws} == {first}
    intensities = [intensity for _, intensity in draws]
    assert 0.25 <= min(intensities) < 0.27
    assert 0.48 < max(intensities) <= 0.5


def test_relative_probabilities():
    chosen = BackgroundSettings.model_validate(
        {"blur": {"motion": {"probability": 0.3}, "zoom": {"probability": 0.1}}}
    )
    rng = np.random.default_rng(0)
    counts = Counter(draw_variant(chosen.family("blur"), rng)[0] for _ in range(4000))
    assert counts["motion"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_colour_variants_combine():
    chosen = BackgroundSettings.model_validate(
        {
            "color_shift": {
                "hue": {"probability": 1, "intensity": [0.2, 0.4]},
                "saturation": {"probability": 0.5, "intensity": [0.6, 0.8]},
                "brightness": {"probability": 0},
            }
        }
    )
    rng = np.random.default_rng(0)
    draws = [draw_variant(chosen.family("color_shift"), rng) for _ in range(2000)]
    counts = Counter(variant for variant, _ in draws)
    assert set(counts) == {"hue", "hue+saturation"}
    assert counts["hue"] / 2000 == pytest.approx(0.5, abs=0.05)
    assert all(0.4 <= s <= 0.6 for v, s in draws if v == "hue+saturation")


def test_at_least_one_colour_variant_takes_part():
    rare = {"probability": 0.001}
    chosen = BackgroundSettings.model_validate(
        {"color_shift": {"hue": rare, "saturation": rare, "brightness": {"probability": 0}}}
    )
    rng = np.random.default_rng(0)
    counts = Counter(draw_variant(chosen.family("color_shift"), rng)[0] for _ in range(500))
    assert set(counts) <= {"hue", "saturation", "hue+saturation"}
    assert min(counts["hue"], counts["saturation"]) > 150


def test_foreign_family_draws_its_transform():
    chosen = BackgroundSettings.model_validate({"other": {"fog": {"transform": "RandomFog"}}})
    assert draw_variant(chosen.family("fog"), np.random.default_rng(0)) == ("RandomFog", 1.0)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(SIX), st.integers(0, 2**63))
def test_draws_depend_on_the_generator_only(family: str, seed: int):
    draws = {
        draw_variant(BackgroundSettings().family(family), np.random.default_rng(seed)) for _ in "ab"
    }
    assert len(draws) == 1


def test_importing_settings_is_light():
    code = (
        "import sys, visnet_aug.backgrounds.settings as s; s.BackgroundSettings();"
        "sys.exit(bool({'numpy', 'cv2', 'albumentations', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
