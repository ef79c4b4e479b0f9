from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from visnet_aug.masks.person import (
    Instance,
    choose_person,
    clean_mask,
    judge_mask,
    mask_area,
    person_mask,
    resize_probability,
)
from visnet_aug.masks.settings import MaskSettings

SHAPE = (128, 64)
DEFAULTS = MaskSettings()
RAW = MaskSettings(threshold=0.5, fill_holes=0, drop_specks=0)

small_masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))
fractions = st.floats(0, 1)


def box_mask(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A mask of filled boxes, each (x0, y0, x1, y1)."""
    mask = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def person_shape() -> np.ndarray:
    """A head, a body, two legs: what a reference mask looks like in area and height."""
    return box_mask((25, 4, 39, 24), (14, 24, 50, 76), (17, 70, 29, 124), (35, 70, 47, 124))


def flood(region: np.ndarray, start: tuple[int, int], diagonal: bool) -> set[tuple[int, int]]:
    """The part of ``region`` connected to ``start``, pixel by pixel."""
    rows, columns = region.shape
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    if diagonal:
        steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    found, todo = {start}, [start]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            near = (y + dy, x + dx)
            inside = 0 <= near[0] < rows and 0 <= near[1] < columns
            if inside and near not in found and region[near]:
                found.add(near)
                todo.append(near)
    return found


def parts(region: np.ndarray, diagonal: bool) -> list[set[tuple[int, int]]]:
    """All connected parts of ``region``."""
    found: list[set[tuple[int, int]]] = []
    seen: set[tuple[int, int]] = set()
    for y, x in zip(*np.nonzero(region), strict=True):
        if (y, x) not in seen:
            found.append(flood(region, (int(y), int(x)), diagonal))
            seen |= found[-1]
    return found


def slow_clean(mask: np.ndarray, fill_holes: float, drop_specks: float) -> np.ndarray:
    """What clean_mask promises, by flood fill."""
    rows, columns = mask.shape
    holes = [
        part
        for part in parts(~mask, diagonal=False)
        if not any(y in (0, rows - 1) or x in (0, columns - 1) for y, x in part)
    ]
    silhouette = mask.sum() + sum(map(len, holes))
    cleaned = mask.copy()
    for hole in holes:
        if len(hole) <= fill_holes * silhouette:
            cleaned[tuple(zip(*hole, strict=True))] = True
    people = parts(cleaned, diagonal=True)
    largest = max(map(len, people), default=0)
    for part in people:
        if len(part) < drop_specks * largest:
            cleaned[tuple(zip(*part, strict=True))] = False
    return cleaned


# --- choosing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "boxes", "scores", "expected"),
    [
        ("nobody", [], [], None),
        ("one", [(10, 5, 54, 126)], [0.3], 0),
        ("outside the image", [(70, 0, 90, 128)], [0.9], None),
        ("no extent", [(30, 5, 30, 126)], [0.9], None),
        ("no confidence", [(10, 5, 54, 126)], [0.0], None),
        ("the surer of two alike", [(10, 5, 54, 126), (10, 5, 54, 126)], [0.6, 0.7], 1),
        ("the first of equals", [(10, 5, 54, 126), (10, 5, 54, 126)], [0.6, 0.6], 0),
        ("middle before a surer one aside", [(46, 0, 64, 128), (12, 4, 50, 124)], [0.9, 0.6], 1),
        ("large before a surer small one", [(28, 50, 36, 75), (12, 4, 50, 124)], [0.9, 0.6], 1),
        ("a far second person behind", [(12, 4, 50, 124), (2, 20, 20, 60)], [0.5, 0.9], 0),
        ("feet cut off: low in the image", [(14, 40, 50, 128), (50, 0, 64, 100)], [0.6, 0.8], 0),
        ("the one at half height", [(14, 0, 50, 60), (14, 34, 50, 94)], [0.6, 0.6], 1),
        ("box reaching out counts inside", [(50, -90, 200, 250), (14, 4, 48, 126)], [0.9, 0.5], 1),
        ("weak box around both loses", [(0, 0, 64, 128), (20, 4, 52, 126)], [0.3, 0.8], 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_choose_person(
    name: str, boxes: list[Any], scores: list[float], expected: int | None
) -> None:
    chosen = choose_person(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), SHAPE
    )
    assert chosen == expected


def test_choice_errs_seldom_on_crops_with_a_second_person() -> None:
    rng = np.random.default_rng(0)
    cases, wrong, wrong_by_confidence = 2000, 0, 0
    for _ in range(cases):
        own = _box(rng.normal(32, 3.4), 128 * rng.uniform(0.8, 1), 64 * rng.uniform(0.7, 1))
        aside = rng.choice([-1, 1]) * rng.uniform(0.35, 0.9) * 64
        other = _box(32 + aside, 128 * rng.uniform(0.4, 1), 64 * rng.uniform(0.4, 1))
        scores = np.array([rng.uniform(0.35, 0.97), rng.uniform(0.2, 0.95)], np.float32)
        wrong += choose_person(np.stack([own, other]), scores, SHAPE) == 1
        wrong_by_confidence += int(scores.argmax() == 1)
    assert wrong < 0.01 * cases < 0.2 * cases < wrong_by_confidence


def _box(centre: float, height: float, width: float) -> np.ndarray:
    x0, x1 = centre - width / 2, centre + width / 2
    return np.array([x0, 64 - height / 2, x1, 64 + height / 2], np.float32)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_choice_ignores_scale_mirror_and_order(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    corners = rng.uniform(0, 1, (6, 2, 2)) * (64, 128)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    scores = rng.uniform(0.1, 1, 6).astype(np.float32)
    chosen = choose_person(boxes, scores, SHAPE)
    assert choose_person(boxes * 3, scores, (384, 192)) == chosen
    mirrored = boxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (64, 0, 64, 0)
    assert choose_person(mirrored.astype(np.float32), scores, SHAPE) == chosen
    order = rng.permutation(6)
    again = choose_person(boxes[order], scores[order], SHAPE)
    assert again is not None
    assert order[again] == chosen


# --- resizing -------------------------------------------------------------------------------


def test_resize_keeps_the_same_size_untouched() -> None:
    probability = np.zeros(SHAPE, np.float32)
    assert resize_probability(probability, SHAPE) is probability


@pytest.mark.parametrize("shape", [(32, 16), (256, 128), (64, 32)])
def test_resize_does_not_shift(shape: tuple[int, int]) -> None:
    rows, columns = shape
    left_half = np.zeros(shape, np.float32)
    left_half[:, : columns // 2] = 1
    resized = resize_probability(left_half, SHAPE)
    np.testing.assert_array_equal(resized > 0.5, box_mask((0, 0, 32, 128)))
    top_half = np.zeros(shape, np.float32)
    top_half[: rows // 2] = 1
    resized = resize_probability(top_half, SHAPE)
    np.testing.assert_array_equal(resized > 0.5, box_mask((0, 0, 64, 64)))


# --- cleaning -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("a small hole is filled", lambda m: _cut(m, (20, 40, 23, 44)), person_shape),
        ("a speck is dropped", lambda m: _add(m, (2, 2, 5, 6)), person_shape),
        ("a small notch is no hole", lambda m: _cut(m, (28, 120, 29, 124)), None),
        ("a gap between arm and body stays", lambda m: _cut(m, (16, 30, 22, 45)), None),
        ("legs under an occluder stay", lambda m: _cut(m, (0, 90, 64, 98)), None),
        ("a dog-sized second part stays", lambda m: _add(m, (53, 100, 64, 124)), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_clean_mask(
    name: str,
    change: Callable[[np.ndarray], np.ndarray],
    expected: Callable[[], np.ndarray] | None,
) -> None:
    changed = change(person_shape())
    cleaned = clean_mask(changed.astype(np.float32), DEFAULTS)
    np.testing.assert_array_equal(cleaned, expected() if expected else changed)


def _cut(mask: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    cut: np.ndarray = mask & ~box_mask(box)
    return cut


def _add(mask: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    grown: np.ndarray = mask | box_mask(box)
    return grown


RING = np.pad(np.zeros((3, 3), bool), 1, constant_values=True)
"""16 pixels around a hole of 9."""


@pytest.mark.parametrize(
    ("name", "hole", "fraction", "filled"),
    [
        ("just small enough", np.zeros((3, 3)), 9 / 25, True),
        ("just too large", np.zeros((3, 3)), 9 / 25 - 1e-6, False),
        ("never", np.zeros((3, 3)), 0, False),
        ("without the speck in it", np.eye(3) * [0, 1, 0], 8 / 25, True),
    ],
)
def test_holes_are_measured_against_the_silhouette(
    name: str, hole: np.ndarray, fraction: float, filled: bool
) -> None:
    mask = np.pad(RING, 1)
    mask[2:5, 2:5] = hole
    config = MaskSettings(fill_holes=fraction, drop_specks=0.1)
    assert clean_mask(mask.astype(np.float32), config).sum() == (25 if filled else 16)


@pytest.mark.parametrize(("fraction", "kept"), [(0.25, True), (0.25 + 1e-6, False)])
def test_specks_are_measured_against_the_largest_part(fraction: float, kept: bool) -> None:
    mask = box_mask((0, 0, 4, 4), (6, 6, 8, 8), shape=(8, 8))
    config = MaskSettings(fill_holes=0, drop_specks=fraction)
    assert clean_mask(mask.astype(np.float32), config).sum() == (20 if kept else 16)


@settings(deadline=None, max_examples=200)
@given(small_masks, fractions, fractions)
def test_cleaning_equals_the_flood_fill(mask: np.ndarray, holes: float, specks: float) -> None:
    cleaned = clean_mask(
        mask.astype(np.float32), MaskSettings(fill_holes=holes, drop_specks=specks)
    )
    np.testing.assert_array_equal(cleaned, slow_clean(mask, holes, specks))


@settings(deadline=None, max_examples=200)
@given(small_masks, fractions, fractions)
def test_cleaning_twice_changes_nothing(mask: np.ndarray, holes: float, specks: float) -> None:
    config = MaskSettings(fill_holes=holes, drop_specks=specks)
    once = clean_mask(mask.astype(np.float32), config)
    np.testing.assert_array_equal(clean_mask(once.astype(np.float32), config), once)


@settings(deadline=None, max_examples=100)
@given(small_masks, fractions)
def test_cleaning_leaves_no_specks_and_adds_only_in_holes(mask: np.ndarray, specks: float) -> None:
    config = MaskSettings(fill_holes=1, drop_specks=specks)
    cleaned = clean_mask(mask.astype(np.float32), config)
    around = flood(np.pad(~mask, 1, constant_values=True), (0, 0), diagonal=False)
    padded = np.pad(cleaned, 1)
    assert not any(padded[pixel] for pixel in around)
    sizes = sorted(map(len, parts(cleaned, diagonal=True)))
    assert not sizes or sizes[0] >= specks * sizes[-1]
    assert mask.any() == cleaned.any()


def test_threshold_is_exclusive() -> None:
    probability = np.array([[0.4, 0.5, np.nextafter(np.float32(0.5), np.float32(1))]], np.float32)
    assert clean_mask(probability, RAW).tolist() == [[False, False, True]]


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float32, (6, 5), elements=st.floats(0, 1, width=32)),
    st.tuples(fractions, fractions).map(sorted),
)
def test_a_higher_threshold_never_adds(probability: np.ndarray, pair: list[float]) -> None:
    loose, tight = (
        clean_mask(probability, RAW.model_copy(update={"threshold": value})) for value in pair
    )
    assert not (tight & ~loose).any()


# --- judging --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mask", "confidence", "reason"),
    [
        ("a person", person_shape(), 0.9, None),
        ("a person cut at both sides", box_mask((0, 30, 64, 70), (20, 0, 44, 128)), 0.9, None),
        ("just sure enough", person_shape(), 0.25, None),
        ("unsure", person_shape(), 0.2499, "low_confidence"),
        ("nothing", box_mask(), 0.9, "no_person"),
        ("a speck", box_mask((30, 60, 36, 70)), 0.9, "too_small"),
        ("a sliver along a side", box_mask((0, 0, 6, 128)), 0.9, "too_small"),
        ("the whole image", box_mask((0, 0, 64, 128)), 0.9, "too_large"),
        ("all but a strip", box_mask((0, 0, 64, 110)), 0.9, "too_large"),
        ("a horizontal sliver", box_mask((0, 50, 64, 70)), 0.9, "too_short"),
        ("a head and shoulders", box_mask((4, 0, 60, 60)), 0.9, "too_short"),
        ("a frame", ~box_mask((5, 5, 59, 123)), 0.9, "border"),
        ("the ground", box_mask((0, 60, 64, 128)), 0.9, "border"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_judge_mask(name: str, mask: np.ndarray, confidence: float, reason: str | None) -> None:
    assert judge_mask(mask, confidence, DEFAULTS) == reason


@pytest.mark.parametrize(
    "field", ["confidence", "min_area", "max_area", "min_height", "max_border"]
)
def test_limits_are_inclusive(field: str) -> None:
    """A mask of half the area and height, on 16 of 60 border pixels."""
    mask = box_mask((0, 4, 16, 12), shape=(16, 16))
    own = {"confidence": 0.5, "min_area": 0.5, "max_area": 0.5, "min_height": 0.5}
    own["max_border"] = 16 / 60
    config = MaskSettings.model_validate({"min_area": 0.1, "max_area": 0.9, field: own[field]})
    assert judge_mask(mask, 0.5, config) is None
    step = 1e-9 if field.startswith("max") else -1e-9
    stricter = config.model_copy(update={field: own[field] - step})
    assert judge_mask(mask, 0.5, stricter) is not None


@settings(deadline=None, max_examples=150)
@given(
    small_masks,
    st.tuples(fractions, fractions).map(sorted),
    st.tuples(*[fractions] * 4),
    st.tuples(*[fractions] * 4),
)
def test_judging_is_monotone(
    mask: np.ndarray, confidences: list[float], one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    """More confidence and looser limits never turn an accepted mask away."""
    strict = _limits(*(map(max, one[:2], other[:2])), *map(min, one[2:], other[2:]))
    loose = _limits(*(map(min, one[:2], other[:2])), *map(max, one[2:], other[2:]))
    if judge_mask(mask, confidences[0], strict) is None:
        assert judge_mask(mask, confidences[1], loose) is None


def _limits(confidence: float, min_height: float, max_area: float, border: float) -> MaskSettings:
    return MaskSettings(
        confidence=confidence,
        min_height=min_height,
        min_area=0,
        max_area=max(max_area, 0.01),
        max_border=border,
    )


# --- all of it ------------------------------------------------------------------------------


def test_person_mask_cleans_and_judges() -> None:
    painted = _cut(person_shape(), (20, 40, 23, 44)).astype(np.float32)
    found = person_mask(Instance(painted, 0.75, 0.8), SHAPE, DEFAULTS)
    assert found.accepted
    assert found.reason is None
    assert (found.confidence, found.quality) == (0.75, 0.8)
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask, person_shape())
    assert found.area == mask_area(person_shape()) == person_shape().mean()


@pytest.mark.parametrize(
    ("quality", "rival", "reason"),
    [
        (None, 0.0, None),
        (0.65, 0.5, None),
        (0.6499, 0.0, "low_quality"),
        (1.0, 0.5001, "ambiguous"),
        (0.1, 0.9, "ambiguous"),
    ],
)
def test_quality_and_rival_are_judged(
    quality: float | None, rival: float, reason: str | None
) -> None:
    instance = Instance(person_shape().astype(np.float32), 0.9, quality, rival)
    assert person_mask(instance, SHAPE, DEFAULTS).reason == reason


def test_person_mask_brings_the_probability_to_the_image() -> None:
    half = box_mask((8, 2, 24, 62), shape=(64, 32)).astype(np.float32)
    found = person_mask(Instance(half, 0.9), SHAPE, DEFAULTS)
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask, box_mask((16, 4, 48, 124)))


def test_person_mask_without_a_person() -> None:
    found = person_mask(None, SHAPE, DEFAULTS)
    assert (found.mask, found.area, found.confidence, found.reason) == (None, 0, 0, "no_person")
    assert not found.accepted


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"confidence": 1.1},
        {"threshold": -0.1},
        {"min_area": float("nan")},
        {"min_area": 0.8},
        {"minimum_area": 0.1},
    ],
)
def test_settings_refuse(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MaskSettings(**values)  # type: ignore[arg-type]
