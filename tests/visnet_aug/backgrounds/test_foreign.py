from __future__ import annotations

import numpy as np
import pytest

from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.errors import RecipeError


def make(transform: str, **args: object):
    family = {"transform": transform, "args": args}
    return make_family("mine", BackgroundSettings.model_validate({"other": {"mine": family}}))


@pytest.mark.parametrize(
    ("transform", "args", "message"),
    [
        ("RandomFogg", {}, "no image-only transform 'RandomFogg': did you mean RandomFog or"),
        ("randomfog", {}, "no image-only transform 'randomfog': did you mean RandomFog"),
        ("HorizontalFlip", {}, "no image-only transform 'HorizontalFlip'"),
        ("ImageOnlyTransform", {}, "no image-only transform"),
        ("os", {}, "no image-only transform 'os': see its documentation"),
        ("Posterize", {"bits": 3}, "Posterize: .*'bits'"),
        ("Posterize", {"num_bits": "many"}, "Posterize: num_bits"),
        ("Normalize", {}, "into float32"),
        ("ToFloat", {}, "into float32"),
        ("HistogramMatching", {}, "HistogramMatching: .*hm_metadata"),
        ("TextImage", {"font_path": "/nowhere/font.ttf"}, "TextImage"),
    ],
)
def test_what_cannot_be_used_is_named(transform: str, args: dict, message: str):
    with pytest.raises(RecipeError, match=message) as caught:
        make(transform, **args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "transform", ["RandomRain", "GaussNoise", "Spatter", "RandomShadow", "ISONoise", "GlassBlur"]
)
def test_a_seed_is_enough(transform: str, textured):
    """Neither other images in between nor another object change what a seed gives."""
    family, twin = make(transform), make(transform)
    records = [family.draw(transform, 1.0, (128, 64), np.random.default_rng(i)) for i in range(3)]
    forward = [family.apply_record(textured(i), records[i]) for i in range(3)]
    backward = [twin.apply_record(textured(i), records[i]) for i in (2, 1, 0)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not np.array_equal(
        family.apply_record(textured(0), records[0]), family.apply_record(textured(0), records[1])
    )


def test_arguments_are_obeyed_and_intensity_blends(image):
    family = make("InvertImg")
    record = family.draw("InvertImg", 1.0, (128, 64), np.random.default_rng(0))
    assert np.array_equal(family.apply_record(image, record), 255 - image)
    half = family.apply_record(image, record | {"intensity": 0.5})
    assert np.abs(half.astype(int) - 127.5).max() <= 0.5
    levels = make("Posterize", num_bits=1).apply_record(image, record | {"variant": "Posterize"})
    assert len(np.unique(levels)) <= 2
