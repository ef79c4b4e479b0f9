"""`BackgroundAugment`, and each family, in pipelines that also carry masks."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.utils.data import DataLoader, Dataset

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds._albumentations import A
from visnet_aug.backgrounds.augment import BackgroundAugment
from visnet_aug.backgrounds.foreign import Foreign
from visnet_aug.backgrounds.registry import FAMILIES
from visnet_aug.errors import RecipeError

TRANSFORMS: dict[str, Callable[[], Any]] = {
    **{name: partial(cls, p=1) for name, cls in FAMILIES.items()},
    "other": partial(Foreign, {"transform": "GaussianBlur"}, p=1),
    "augment": partial(BackgroundAugment, p=1),
}
every_transform = pytest.mark.parametrize("make", TRANSFORMS.values(), ids=TRANSFORMS)


@pytest.fixture(scope="module")
def levels(mask: Mask) -> np.ndarray:
    """The mask as people save it."""
    return mask.astype(np.uint8) * 255


@every_transform
def test_where_the_mask_is_set_nothing_changes(
    make: Callable[[], Any], image: Image, mask: Mask, levels: np.ndarray
) -> None:
    before = levels.copy()
    out = A.Compose([make()], seed=4)(image=image, mask=levels)
    assert np.array_equal(out["image"][mask], image[mask])
    assert not np.array_equal(out["image"], image)
    assert out["mask"].dtype == levels.dtype
    assert np.array_equal(out["mask"], before)
    assert np.array_equal(levels, before)


@every_transform
def test_no_colour_of_the_person_reaches_the_background(
    make: Callable[[], Any], image: Image, mask: Mask, levels: np.ndarray
) -> None:
    other = image.copy()
    other[mask] = (255, 0, 255)
    first, second = (
        A.Compose([make()], seed=4)(image=picture, mask=levels)["image"]
        for picture in (image, other)
    )
    beyond = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0  # the feather
    assert np.array_equal(first[beyond], second[beyond])


@every_transform
def test_geometry_before_it_moves_the_mask_too(
    make: Callable[[], Any], image: Image, levels: np.ndarray
) -> None:
    pipeline = A.Compose([A.HorizontalFlip(p=1), A.Resize(96, 80), make()], seed=4)
    out = pipeline(image=image, mask=levels)
    plain = A.Compose([A.HorizontalFlip(p=1), A.Resize(96, 80)])(image=image, mask=levels)
    person = out["mask"] != 0
    assert np.array_equal(out["mask"], plain["mask"])
    assert np.array_equal(out["image"][person], plain["image"][person])


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_mask_of_any_type_counts_where_it_is_not_0(
    kind: type, channels: tuple[int, ...], image: Image, mask: Mask
) -> None:
    given = np.zeros((*mask.shape, *channels), kind)
    given.reshape(*mask.shape, -1)[..., -1] = mask
    out = BackgroundAugment()(image=image, mask=given)
    assert np.array_equal(out["image"][mask], image[mask])
    assert out["mask"] is given or np.array_equal(out["mask"], given)


@every_transform
def test_all_masks_of_an_image_count(make: Callable[[], Any], image: Image, mask: Mask) -> None:
    second = np.roll(mask, 12, axis=1)
    together = mask | second
    out = A.Compose([make()], seed=1)(
        image=image, masks=[mask.astype(np.uint8), second.astype(np.uint8)]
    )
    assert np.array_equal(out["image"][together], image[together])
    assert [kept.tolist() for kept in out["masks"]] == [mask.tolist(), second.tolist()]


def test_a_batch_has_a_mask_for_each_image(textured: Callable[..., np.ndarray], mask: Mask) -> None:
    images = np.stack([textured(0), textured(1), textured(2)])
    masks = np.stack([np.roll(mask, shift, axis=1) for shift in (-9, 0, 9)])
    augment = BackgroundAugment({"pattern": {"discs": {"intensity": [1, 1]}}}, families=["pattern"])
    out = A.Compose([augment], seed=2)(images=images, masks=masks.astype(np.uint8))["images"]
    assert isinstance(out, np.ndarray)
    for before, after, own in zip(images, out, masks, strict=True):
        assert np.array_equal(before[own], after[own])
        assert not np.array_equal(before[~own], after[~own])
    with pytest.raises(ValueError, match="2 masks for 3 images: pass one for each"):
        augment(images=images, masks=masks[:2].astype(np.uint8))


@pytest.mark.parametrize("count", [1, 3])
def test_images_of_odd_sizes_in_a_list(count: int, textured: Callable[..., np.ndarray]) -> None:
    images = [textured(n, 33 + 2 * n, 17 + n) for n in range(count)]
    masks = [np.zeros(image.shape[:2], np.uint8) for image in images]
    for mask in masks:
        mask[5:20, 4:9] = 1
    out = FAMILIES["gradient"](p=1)(images=images, masks=masks)["images"]
    for before, after, mask in zip(images, out, masks, strict=True):
        assert after.shape == before.shape
        assert np.array_equal(before[mask == 1], after[mask == 1])


def test_additional_targets_count_like_the_first(
    image: Image, mask: Mask, textured: Callable[..., np.ndarray]
) -> None:
    second = np.roll(mask, 12, axis=1)
    targets = {"image2": "image", "bag": "mask"}
    out = A.Compose([BackgroundAugment()], additional_targets=targets, seed=3)(
        image=image, image2=textured(7), mask=mask.astype(np.uint8), bag=second.astype(np.uint8)
    )
    for name, before in (("image", image), ("image2", textured(7))):
        assert np.array_equal(out[name][mask | second], before[mask | second])
        assert not np.array_equal(out[name], before)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_without_a_mask_rewrites_the_whole_image(
    name: str, image: Image, mask: Mask
) -> None:
    out = A.Compose([FAMILIES[name](p=1)], seed=4)(image=image)["image"]
    assert not np.array_equal(out[mask], image[mask])


@pytest.mark.parametrize("targets", [{}, {"mask": None}])
def test_augment_asks_for_a_mask(targets: dict[str, Any], image: Image) -> None:
    with pytest.raises(ValueError, match=r"needs to know where the person is: pass mask="):
        BackgroundAugment()(image=image, **targets)


def test_no_instance_at_all_is_a_mask_too(image: Image) -> None:
    """A detection dataset says so with an empty list: all of the image is background."""
    assert not np.array_equal(BackgroundAugment()(image=image, masks=[])["image"], image)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"image": np.zeros((8, 4), np.uint8)}, ValueError, "BackgroundAugment: image 8×4 is grey"),
        ({"image": np.zeros((8, 4, 3))}, ValueError, "image 8×4×3 is float64"),
        ({"mask": np.zeros((4, 8), np.uint8)}, ValueError, "a mask is 4×8, but image is 8×4"),
        ({"mask": np.zeros(8, np.uint8)}, ValueError, "mask must be NumPy arrays, H×W or H×W×C"),
        ({"mask": [[1]]}, ValueError, "mask must be NumPy arrays, .* not list"),
        ({"volume": np.zeros((2, 8, 4, 3), np.uint8)}, ValueError, "pass volume as images"),
    ],
)
def test_what_cannot_be_used_is_named(
    data: dict[str, Any], error: type[Exception], message: str
) -> None:
    usable: dict[str, Any] = {
        "image": np.zeros((8, 4, 3), np.uint8),
        "mask": np.zeros((8, 4), np.uint8),
    }
    with pytest.raises(error, match=message):
        BackgroundAugment()(**{**usable, **data})


@every_transform
def test_replay_takes_the_masks_of_its_own_call(
    make: Callable[[], Any], image: Image, levels: np.ndarray, textured: Callable[..., np.ndarray]
) -> None:
    shown = A.ReplayCompose([make(), A.HorizontalFlip(p=0.5)])(image=image, mask=levels)
    stored = json.loads(json.dumps(shown["replay"]))
    again = A.ReplayCompose.replay(stored, image=image, mask=levels)
    assert np.array_equal(again["image"], shown["image"])
    moved = np.roll(levels, 9, axis=1)
    first, second = (
        A.ReplayCompose.replay(replay, image=textured(9), mask=moved)
        for replay in (stored, shown["replay"])
    )
    assert np.array_equal(first["image"], second["image"])
    flipped = textured(9)[:, ::-1] if stored["transforms"][1]["applied"] else textured(9)
    person = first["mask"] != 0
    assert np.array_equal(first["image"][person], flipped[person])


@every_transform
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_saved_and_loaded_it_draws_the_same(
    make: Callable[[], Any], form: str, image: Image, levels: np.ndarray, tmp_path: Path
) -> None:
    pipeline = A.Compose([make()], seed=5)
    A.save(pipeline, tmp_path / "saved", form)
    loaded = A.load(tmp_path / "saved", form)
    assert type(loaded.transforms[0]) is type(pipeline.transforms[0])
    loaded.set_random_seed(5)
    first, second = (each(image=image, mask=levels)["image"] for each in (pipeline, loaded))
    assert np.array_equal(first, second)


def test_a_pipeline_is_loaded_by_its_public_name(tmp_path: Path) -> None:
    augment = BackgroundAugment({"feather": 1.5}, p=0.25, families=["blur", "pattern"])
    A.save(A.Compose([augment]), tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text())["transform"]["transforms"][0]
    assert saved["__class_fullname__"] == "visnet_aug.BackgroundAugment"
    code = (
        "import sys; from visnet_aug import BackgroundAugment; import albumentations as A;"
        f"made = A.load({str(tmp_path / 'saved.json')!r}).transforms[0];"
        "print(made.p, made.settings.names(), made.settings.feather)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.25 ('blur', 'pattern') 1.5\n"


def test_families_are_drawn_by_weight(image: Image, levels: np.ndarray) -> None:
    off = {name: {"weight": 0} for name in FAMILIES}
    augment = BackgroundAugment({**off, "noise": {"weight": 3}, "blur": {"weight": 1}})
    rng = np.random.default_rng(0)
    drawn = Counter(augment.draw_for((128, 64), rng)["family"] for _ in range(2000))
    assert set(drawn) == {"noise", "blur"}
    assert drawn["noise"] / 2000 == pytest.approx(0.75, abs=0.03)


def test_settings_of_one_s_own(image: Image, mask: Mask, levels: np.ndarray) -> None:
    own = {"other": {"negative": {"transform": "InvertImg"}}}
    out = BackgroundAugment(own, families=["negative"])(image=image, mask=levels)["image"]
    assert np.array_equal(out[mask], image[mask])
    away = ~cv2.dilate(levels, np.ones((5, 5))).astype(bool)  # beyond the margin of the fill
    assert np.array_equal(out[away], 255 - image[away])
    with pytest.raises(RecipeError, match="'sepia' is unknown"):
        BackgroundAugment(families=["sepia"])
    with pytest.raises(ValidationError, match="no family is enabled"):
        BackgroundAugment({name: {"weight": 0} for name in FAMILIES})


def test_p_is_obeyed(image: Image, levels: np.ndarray) -> None:
    pipeline = A.Compose([BackgroundAugment(p=0.5)], seed=0)
    changed = [
        not np.array_equal(pipeline(image=image, mask=levels)["image"], image) for _ in range(60)
    ]
    assert 15 < sum(changed) < 45


@every_transform
def test_it_can_be_pickled(make: Callable[[], Any], image: Image, levels: np.ndarray) -> None:
    made = make()
    made.set_random_seed(1)
    again = pickle.loads(pickle.dumps(made))
    first, second = (each(image=image, mask=levels)["image"] for each in (made, again))
    assert np.array_equal(first, second)


class Crops(Dataset[np.ndarray]):
    """One crop, many times, through a pipeline."""

    def __init__(self, pipeline: Any, image: Image, mask: np.ndarray) -> None:
        self.pipeline, self.image, self.mask = pipeline, image, mask

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self.pipeline(image=self.image, mask=self.mask)["image"])


@pytest.mark.parametrize("p", [1.0, 0.5])
def test_workers_of_a_loader_draw_for_themselves(
    p: float, image: Image, mask: Mask, levels: np.ndarray
) -> None:
    def load(seed: int) -> list[bytes]:
        torch.manual_seed(seed)
        pipeline = A.Compose([BackgroundAugment(p=p)], seed=3)
        loader = DataLoader(Crops(pipeline, image, levels), batch_size=2, num_workers=2)
        images = [one for _ in range(2) for batch in loader for one in batch.numpy()]
        assert all(np.array_equal(one[mask], image[mask]) for one in images)
        return [one.tobytes() for one in images]

    first = load(1)
    changed = [one for one in first if one != image.tobytes()]
    assert len(set(changed)) == len(changed), "workers or epochs draw the same"
    assert len(changed) == len(first) if p == 1 else 4 < len(changed) < 20
    assert load(1) == first
    assert load(2) != first
