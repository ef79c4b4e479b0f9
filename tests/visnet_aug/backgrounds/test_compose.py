"""The families in other people's pipelines."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from visnet_aug.backgrounds._albumentations import A
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.foreign import Foreign
from visnet_aug.backgrounds.registry import FAMILIES
from visnet_aug.backgrounds.settings import NoiseSettings

CLASSES = list(FAMILIES.values())
every_family = pytest.mark.parametrize("cls", CLASSES)


@every_family
def test_in_a_compose(cls: type[BackgroundTransform], image):
    pipeline = A.Compose([cls(p=1)], seed=3)
    first, second = (pipeline(image=image)["image"] for _ in range(2))
    assert first.shape == image.shape
    assert not np.array_equal(first, image)
    assert not np.array_equal(first, second)
    again = A.Compose([cls(p=1)], seed=3)(image=image)["image"]
    assert np.array_equal(first, again)


@every_family
def test_p_0_does_nothing(cls: type[BackgroundTransform], image):
    assert np.array_equal(A.Compose([cls(p=0)])(image=image)["image"], image)


@every_family
def test_replay(cls: type[BackgroundTransform], image, textured):
    shown = A.ReplayCompose([cls(p=1), A.HorizontalFlip(p=0.5)])(image=image)
    stored = json.loads(json.dumps(shown["replay"]))
    again = A.ReplayCompose.replay(stored, image=image)["image"]
    assert np.array_equal(again, shown["image"])
    record = stored["transforms"][0]["params"]["record"]
    assert np.array_equal(
        A.ReplayCompose.replay(stored, image=textured(9))["image"],
        A.ReplayCompose.replay(shown["replay"], image=textured(9))["image"],
    )
    assert record["variant"].split("+")[0] in cls.variants


@every_family
def test_serialisation(cls: type[BackgroundTransform], image):
    pipeline = A.Compose([cls({"weight": 3}, p=0.7)])
    again = A.from_dict(json.loads(json.dumps(A.to_dict(pipeline))))
    (made,) = again.transforms
    assert type(made) is cls
    assert (made.settings, made.p) == (pipeline.transforms[0].settings, 0.7)
    assert cls.__name__ in repr(pipeline)


def test_settings_as_a_model_or_plain():
    plain = FAMILIES["noise"]({"gaussian": {"sigma_levels": 5}})
    model = FAMILIES["noise"](NoiseSettings.model_validate({"gaussian": {"sigma_levels": 5}}))
    assert plain.settings == model.settings
    with pytest.raises(ValidationError, match=r"gaussian\.sigma"):
        FAMILIES["noise"]({"gaussian": {"sigma": 5}})
    with pytest.raises(TypeError, match="sigma"):
        FAMILIES["noise"](sigma=5)


def test_settings_are_obeyed(image):
    only = {"gaussian": {"probability": 0}, "salt_and_pepper": {"intensity": [1, 1], "fraction": 1}}
    out = A.Compose([FAMILIES["noise"](only, p=1)])(image=image)["image"]
    assert set(np.unique(out)) == {0, 255}


def test_batches_and_other_targets(image, textured, mask):
    batch = np.stack([image, textured(1)])
    out = A.Compose([FAMILIES["gradient"](p=1)], seed=1)(images=batch)["images"]
    assert out.shape == batch.shape
    kept = A.Compose([FAMILIES["gradient"](p=1)])(image=image, mask=mask.astype(np.uint8))["mask"]
    assert np.array_equal(kept, mask)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)],
)
def test_only_rgb_uint8(wrong: np.ndarray):
    with pytest.raises(ValueError, match=r"Noise: image .* \(needed: RGB uint8, H×W×3\)"):
        FAMILIES["noise"](p=1)(image=wrong)


def test_a_foreign_transform_in_a_compose(image):
    blur = Foreign({"transform": "GaussianBlur"}, p=1)
    shown = A.ReplayCompose([blur])(image=image)
    assert not np.array_equal(shown["image"], image)
    stored = json.loads(json.dumps(shown["replay"]))
    assert np.array_equal(A.ReplayCompose.replay(stored, image=image)["image"], shown["image"])
