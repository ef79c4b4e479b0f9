from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from visnet_aug.datasets.drawn import DrawnSample, draw_sample, sample
from visnet_aug.datasets.drawn.camera import camera
from visnet_aug.datasets.drawn.canvas import Layer
from visnet_aug.datasets.drawn.company import draw_stranger
from visnet_aug.datasets.drawn.person import paint_person
from visnet_aug.datasets.drawn.pose import Stance, View
from visnet_aug.datasets.drawn.scene import scene
from visnet_aug.datasets.drawn.textile import Cloth
from visnet_aug.datasets.drawn.wardrobe import Wardrobe, wardrobe


def drawn(pid: int, camid: int, moment: int, seed: int = 0) -> DrawnSample:
    return draw_sample(pid, camid, np.random.default_rng((moment, 99)), seed=seed)


def test_a_sample_is_a_crop_and_its_mask() -> None:
    crop = drawn(1, 1, 0)
    assert crop.image.shape == (128, 64, 3)
    assert crop.image.dtype == np.uint8
    assert crop.mask.shape == (128, 64)
    assert crop.mask.dtype == np.bool_


def test_the_same_generator_draws_the_same_even_with_cold_caches() -> None:
    first = drawn(5, 2, 3)
    for cache in (wardrobe, camera, scene):
        cache.cache_clear()
    again = drawn(5, 2, 3)
    assert (first.image == again.image).all()
    assert (first.mask == again.mask).all()


@pytest.mark.parametrize(
    ("pid", "camid", "moment", "seed"), [(6, 2, 3, 0), (5, 3, 3, 0), (5, 2, 4, 0), (5, 2, 3, 1)]
)
def test_identity_camera_moment_and_seed_each_matter(
    pid: int, camid: int, moment: int, seed: int
) -> None:
    assert (drawn(5, 2, 3).image != drawn(pid, camid, moment, seed).image).mean() > 0.2


def test_masks_have_a_sane_size_and_lie_inside() -> None:
    areas = np.array([drawn(pid, 1 + pid % 6, pid).mask.mean() for pid in range(1, 121)])
    assert 0.25 < np.median(areas) < 0.5
    assert (areas > 0.05).mean() > 0.98
    assert areas.max() < 0.8


def test_a_crop_without_its_person_has_an_empty_mask() -> None:
    distractors = [drawn(0, 1, moment).mask.mean() for moment in range(60)]
    assert 0.2 < np.mean(np.array(distractors) == 0) < 0.8


def recoloured(who: Wardrobe) -> Wardrobe:
    """The same person in different colours, so that each of their pixels changes."""

    def paint(colour: tuple[int, int, int]) -> tuple[int, int, int]:
        red, green, blue = ((level + 128) % 256 for level in colour)
        return red, green, blue

    def dye(cloth: Cloth) -> Cloth:
        return replace(cloth, colour=paint(cloth.colour), accent=paint(cloth.accent))

    return replace(
        who,
        body=replace(who.body, skin=paint(who.body.skin)),
        hair_colour=paint(who.hair_colour),
        top=dye(who.top),
        cloth=dye(who.cloth),
        shoes=paint(who.shoes),
    )


def test_the_mask_is_where_the_person_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, missed, outside = [], [], []
    for pid in range(1, 25):
        plain = drawn(pid, 1 + pid % 6, pid)
        with monkeypatch.context() as patch:
            patch.setattr(sample, "wardrobe", lambda pid, seed: recoloured(wardrobe(pid, seed)))
            dyed = drawn(pid, 1 + pid % 6, pid)
        assert (plain.mask == dyed.mask).all()
        change = np.abs(plain.image.astype(int) - dyed.image.astype(int)).max(axis=2) > 25
        mask = plain.mask.astype(np.uint8)
        core, reach = cv2.erode(mask, np.ones((5, 5))), cv2.dilate(mask, np.ones((9, 9)))
        inside.append(change[core > 0].sum())
        missed.append((~change)[core > 0].sum())
        outside.append((change & (reach == 0)).sum())
    assert sum(outside) < 0.01 * sum(inside)
    assert sum(missed) < 0.25 * sum(inside)


@pytest.mark.parametrize("what", ["obstacle", "bystander"])
def test_what_stands_in_front_is_not_the_person(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def lower_half(*_: object) -> Layer:
        layer = Layer()
        layer.cover[192:] = 255
        layer.person[192:] = 255 if what == "bystander" else 0
        return layer

    monkeypatch.setattr(sample, "_COMPANY", 0.0)
    monkeypatch.setattr(sample, "_OBSTRUCTED", 0.0)
    monkeypatch.setattr(sample, "_CROWDED", 0.0)
    alone = drawn(2, 1, 4).mask
    monkeypatch.setattr(sample, "_OBSTRUCTED" if what == "obstacle" else "_CROWDED", 1.0)
    monkeypatch.setattr(sample, f"paint_{what}", lower_half)
    hidden = drawn(2, 1, 4).mask
    assert alone[64:].any()
    assert not hidden[64:].any()
    assert (hidden[:64] == alone[:64]).all()


def look(crop: DrawnSample) -> np.ndarray:
    """Mean colours of the person's shirt, hips and legs."""
    rows = np.flatnonzero(crop.mask.any(axis=1))
    parts = np.array_split(rows, [len(rows) // 5, len(rows) // 2, len(rows) * 3 // 4])
    colours = [crop.image[part][crop.mask[part]].mean(axis=0) for part in parts[1:]]
    return np.concatenate(colours)


def test_an_identity_looks_alike_in_every_camera() -> None:
    pids, cameras = range(1, 13), range(1, 7)
    looks = np.array(
        [
            [np.mean([look(drawn(p, c, 100 * p + 10 * c + k)) for k in range(3)], 0)
             for c in cameras]
            for p in pids
        ]
    )  # fmt: skip
    looks -= looks.mean(axis=0)
    right = 0
    for c in range(len(cameras)):
        others = np.delete(looks, c, axis=1).mean(axis=1)
        gaps = np.linalg.norm(looks[:, c, None] - others[None], axis=2)
        right += int((gaps.argmin(axis=1) == np.arange(len(pids))).sum())
    assert right / (len(pids) * len(cameras)) > 0.7


def test_crops_of_one_walk_share_place_and_heading() -> None:
    def crop(track: int, moment: int) -> np.ndarray:
        rngs = np.random.default_rng((moment, 8)), np.random.default_rng((track, 9))
        return draw_sample(7, 1, rngs[0], track=rngs[1]).image.astype(float)

    def top(image: np.ndarray) -> np.ndarray:
        return np.asarray(image[:40].mean(axis=(0, 1)))

    same = [np.abs(top(crop(1, k)) - top(crop(1, k + 1))).mean() for k in range(8)]
    apart = [np.abs(top(crop(k, k)) - top(crop(k + 50, k + 1))).mean() for k in range(8)]
    assert np.mean(same) < np.mean(apart)


def stance(**changes: object) -> Stance:
    base = Stance("walk", 0.0, 0.3, 0.05, ("swing", "swing"), 0.0, 0.0)
    return replace(base, **changes)  # type: ignore[arg-type]


def painted(who: Wardrobe, doing: Stance, heading: float) -> Layer:
    layer = Layer()
    paint_person(layer, who, doing, View(heading, 0.15, 96, 370, 300, 1.0), camera(1).light, 3)
    return layer


@pytest.mark.parametrize(
    ("belonging", "doing"),
    [
        ({"bicycle": (200, 30, 30)}, stance(gait="ride", arms=("handlebar", "handlebar"))),
        ({"umbrella": (200, 30, 30)}, stance(arms=("umbrella", "swing"))),
    ],
)
def test_bicycles_and_umbrellas_are_not_the_person(
    belonging: dict[str, tuple[int, int, int]], doing: Stance
) -> None:
    bare = replace(wardrobe(3), bicycle=None, umbrella=None)
    without = painted(bare, doing, 1.2)
    layer = painted(replace(bare, **belonging), doing, 1.2)  # type: ignore[arg-type]
    added = (layer.cover > 0) & (without.cover == 0)
    assert added.sum() > 1000
    assert not layer.person[added].any()


@pytest.mark.parametrize("bag", ["backpack", "shoulder_bag", "handbag"])
def test_bags_are_the_person(bag: str) -> None:
    bare = replace(wardrobe(3), backpack=None, shoulder_bag=None, handbag=None, bag_side=1)
    doing = stance(arms=("carry", "swing"))
    without = painted(bare, doing, -1.2)
    layer = painted(replace(bare, **{bag: (200, 30, 30)}), doing, -1.2)  # type: ignore[arg-type]
    assert (layer.person == layer.cover).all()
    assert (layer.rgb != without.rgb).any(axis=2).sum() > 300


def test_strangers_are_nobody_of_the_dataset() -> None:
    known = {wardrobe(pid) for pid in range(1, 1502)}
    strangers = {draw_stranger(0, np.random.default_rng(k)) for k in range(50)}
    assert len(known) == 1501
    assert not known & strangers
