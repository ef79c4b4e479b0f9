from __future__ import annotations

import dataclasses
import random
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.builder.plan import (
    Plan,
    deal_families,
    draft_set,
    make_plan,
    published_size,
    task_seed,
)
from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.errors import PlanError
from visnet_aug.recipe import Recipe

FOLDERS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}
FAMILIES = ("color_shift", "texture", "noise", "blur", "pattern", "gradient")


def record(split: Split, pid: int, camid: int, number: int, suffix: str = ".jpg") -> ImageRecord:
    stem = f"{pid:04}_c{camid}s1_{number:06}_00"
    return ImageRecord(
        path=Path("/set") / FOLDERS[split] / (stem + suffix),
        name=stem + suffix,
        stem=stem,
        split=split,
        pid=pid,
        camid=camid,
        sequence=1,
        frame=number,
        box=0,
        width=64,
        height=128,
        sha256="0" * 64,
    )


def dataset(train: Collection[ImageRecord], query: int = 2, gallery: int = 3) -> Dataset:
    test = [record("query", 9000, 1, n) for n in range(query)]
    test += [record("gallery", 9000, 2, n) for n in range(gallery)]
    return Dataset(Path("/set"), "market1501", FOLDERS, (*train, *test))


def people(images: dict[int, int]) -> list[ImageRecord]:
    """Return training records: pid to number of images, over six cameras."""
    return [
        record("train", pid, n % 6 + 1, n) for pid, count in images.items() for n in range(count)
    ]


def stems(records: Collection[ImageRecord]) -> set[str]:
    return {r.stem for r in records}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Dataset, set[str], Recipe]:
    """Draw a dataset, who of it is maskable, and a recipe with a possible number."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=12))
    train = people({pid + 1: count for pid, count in enumerate(counts)})
    maskable = stems(draw(st.sets(st.sampled_from(train), min_size=1)))
    data = dataset(train, draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    copies = draw(st.integers(0, 9 * len(maskable)))
    off = draw(st.sets(st.sampled_from(FAMILIES), max_size=4))
    backgrounds = {name: {"weight": 0} for name in off}
    seed = draw(st.integers(0, 2**64 - 1))
    recipe = Recipe().replace(
        images=max(1, len(data.records) + copies), backgrounds=backgrounds, seed=seed
    )
    return data, maskable, recipe


def spread(counts: Collection[int]) -> int:
    return max(counts, default=0) - min(counts, default=0)


@settings(deadline=None, max_examples=60)
@given(cases())
def test_the_default_composition_keeps_all_its_promises(
    case: tuple[Dataset, set[str], Recipe],
) -> None:
    data, maskable, recipe = case
    plan = make_plan(data, maskable, recipe)
    families = recipe.backgrounds.names()

    assert plan.total == recipe.images == len({image.path for image in plan.images})
    assert [kept.source for kept in plan.kept] == sorted(
        data.records, key=lambda r: f"{FOLDERS[r.split]}/{r.name}"
    )
    assert {task.source.stem for task in plan.tasks} <= maskable
    per_image = Counter(task.source.stem for task in plan.tasks)
    assert spread([per_image[stem] for stem in maskable]) <= 1
    assert spread([sum(t.family == f for t in plan.tasks) for f in families]) <= 1
    check_each_image(plan, families)

    share = len(plan.tasks) / len(maskable)
    per_pid = Counter(task.source.pid for task in plan.tasks)
    masked = Counter(r.pid for r in data.split("train") if r.stem in maskable)
    cameras = Counter((r.pid, r.camid) for r in data.split("train") if r.stem in maskable)
    per_camera = Counter((task.source.pid, task.source.camid) for task in plan.tasks)
    assert all(abs(per_pid[pid] - share * count) < 1 for pid, count in masked.items())
    assert all(abs(per_camera[key] - share * count) < 1 for key, count in cameras.items())


def check_each_image(plan: Plan, families: Collection[str]) -> None:
    """Copies count from 1, and no family comes again before all were used."""
    by_image = defaultdict(dict)
    for task in plan.tasks:
        by_image[task.source.stem][task.copy] = task.family
    for copies in by_image.values():
        assert sorted(copies) == list(range(1, len(copies) + 1))
        for start in range(1, len(copies) + 1, len(families)):
            round_ = [copies[n] for n in range(start, start + len(families)) if n in copies]
            assert len(set(round_)) == len(round_)


@settings(deadline=None, max_examples=40)
@given(cases(), st.data())
def test_the_published_composition_keeps_all_its_promises(
    case: tuple[Dataset, set[str], Recipe], data: st.DataObject
) -> None:
    source, maskable, recipe = case
    train = data.draw(st.integers(1, 2 * len(maskable)))
    test = len(source.records) - len(source.split("train"))
    recipe = recipe.replace(composition="published", images=test + train)
    plan = make_plan(source, maskable, recipe)

    assert all(kept.source.split != "train" for kept in plan.kept)
    assert Counter(task.split for task in plan.tasks) == Counter(
        train=train, val=2 * len(maskable) - train
    )
    assert plan.total == test + 2 * len(maskable)
    assert Counter(t.source.stem for t in plan.tasks) == dict.fromkeys(maskable, 2)
    check_each_image(plan, recipe.backgrounds.names())
    folders = {(task.split, task.path.split("/")[0]) for task in plan.tasks}
    assert folders <= {("train", "bounding_box_train"), ("val", "bounding_box_val")}


@settings(deadline=None, max_examples=20)
@given(cases(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_records(
    case: tuple[Dataset, set[str], Recipe], shuffler: random.Random
) -> None:
    data, maskable, recipe = case
    records = list(data.records)
    shuffler.shuffle(records)
    shuffled = dataclasses.replace(data, records=tuple(records))
    assert make_plan(shuffled, sorted(maskable), recipe) == make_plan(data, maskable, recipe)


def test_another_seed_is_another_plan() -> None:
    train = people({1: 8, 2: 8})
    plans = [
        make_plan(dataset(train), stems(train), Recipe().replace(seed=seed, images=29))
        for seed in (0, 1)
    ]
    assert plans[0].tasks != plans[1].tasks
    chosen = [{t.source.stem for t in plan.tasks} for plan in plans]
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize(
    ("train", "query", "gallery", "total"),
    [(12_936, 3_368, 19_732, 42_872), (7_528, 666, 4_259, 16_431)],
)
def test_auto_gives_the_published_numbers(train: int, query: int, gallery: int, total: int) -> None:
    per_person = dict.fromkeys(range(1, 751), train // 751) | {751: train - 750 * (train // 751)}
    records = people(per_person)
    data = dataset(records, query, gallery)
    maskable = stems(records[::20] + records[7::2])
    plan = make_plan(data, maskable, Recipe())
    assert plan.total == total
    assert plan.arithmetic.endswith(f"= {total:,}")
    families = Counter(task.family for task in plan.tasks)
    assert set(families) == set(FAMILIES)
    assert spread(families.values()) <= 1


def test_auto_with_the_published_composition_gives_the_published_split() -> None:
    records = people(dict.fromkeys(range(1, 700), 18) | {700: 12_936 - 18 * 699})
    data = dataset(records, 3_368, 19_732)
    plan = make_plan(data, stems(records[:12_178]), Recipe(composition="published"))
    assert Counter(t.split for t in plan.tasks) == {"train": 19_772, "val": 2 * 12_178 - 19_772}
    assert "19,772 train + 3,368 query + 19,732 gallery = 42,872" in plan.arithmetic


def test_the_scaling_rounds_half_up_and_never_drops_an_image() -> None:
    assert published_size(12_936) == 19_772
    assert published_size(0) == 0
    assert all(published_size(n) == int(n * 19_772 / 12_936 + 0.5) for n in range(1, 20_000, 7))
    assert all(published_size(n) >= n for n in range(100))


IMPOSSIBLE = [
    # (changes, maskable images, what the message says)
    ({"images": 14}, 10, "10 originals + 2 query + 3 gallery = 15 already; ask for at least 15"),
    (
        {"images": 16},
        0,
        "= 15, which leaves 1 copies to make, but no training image has a usable person mask",
    ),
    ({}, 0, "cannot make 20 images: 10 originals + 2 query + 3 gallery = 15, which leaves 5"),
    (
        {"composition": "published", "images": 5},
        10,
        "2 query + 3 gallery = 5 leave no room for train; ask for 6",
    ),
    (
        {"composition": "published", "images": 18},
        6,
        "= 5 leave 13 for train, but 6 maskable images × 2 copies = 12; ask for at most 17",
    ),
    (
        {"composition": "published", "backgrounds": {n: {"weight": 0} for n in FAMILIES[1:]}},
        10,
        "2 different families for each image, but the recipe enables 1",
    ),
]


@pytest.mark.parametrize(("changes", "maskable", "message"), IMPOSSIBLE)
def test_an_impossible_number_is_refused_with_the_arithmetic(
    changes: dict[str, object], maskable: int, message: str
) -> None:
    train = people({1: 10})
    with pytest.raises(PlanError) as caught:
        make_plan(dataset(train), stems(train[:maskable]), Recipe().replace(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_no_masks_could_make_is_refused_before_they_are_computed() -> None:
    data = dataset(people({1: 10}))
    draft_set(data, Recipe())
    with pytest.raises(PlanError, match="ask for at least 15"):
        draft_set(data, Recipe(images=1))
    with pytest.raises(PlanError, match="ask for at most 25"):
        draft_set(data, Recipe(images=26, composition="published"))


def test_the_numbers_that_refusals_name_can_be_made() -> None:
    train = people({1: 10})
    data, published = dataset(train), Recipe(composition="published")
    assert make_plan(data, stems(train[:6]), Recipe(images=15)).tasks == ()
    for images in (6, 17):
        assert make_plan(data, stems(train[:6]), published.replace(images=images)).total == 17


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 8), max_size=40),
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 1.0, 3.0]), min_size=1),
)
def test_families_are_dealt_by_their_weights(counts: list[int], weights: dict[str, float]) -> None:
    dealt = Counter(family for _, _, family in deal_families(counts, weights, 0))
    assert dealt.total() == sum(counts)
    if max(counts, default=0) <= 1:
        # One copy an image: no image is in the way of a family's share.
        for name, weight in weights.items():
            assert abs(dealt[name] - sum(counts) * weight / sum(weights.values())) <= 1.5


def test_any_two_families_meet_on_some_image() -> None:
    pairs = defaultdict(list)
    for image, _, family in deal_families([2] * 600, dict.fromkeys(FAMILIES, 1.0), 0):
        pairs[image].append(family)
    counts = Counter(frozenset(pair) for pair in pairs.values())
    assert len(counts) == 15
    assert min(counts.values()) > 10


def test_seeds_are_64_bits_of_run_source_and_copy() -> None:
    seeds = {
        task_seed(run, name, copy)
        for run in (0, 1, 11)
        for name in ("a.jpg", "1a.jpg", "a.jpg.jpg")
        for copy in (1, 11)
    }
    assert len(seeds) == 18
    assert max(seeds) < 2**64
    assert max(seeds) > 2**60
    assert task_seed(0, "a.jpg", 1) == 7051424522903025731  # a new one would change every build


@pytest.mark.parametrize(
    ("name", "encoding", "expected"),
    [
        (".jpg", "match", "_1_blur.jpg"),
        (".jpg.jpg", "match", "_1_blur.jpg"),
        (".JPEG", "match", "_1_blur.jpg"),
        (".png", "match", "_1_blur.png"),
        (".PNG", "jpeg:90", "_1_blur.jpg"),
        (".jpg", "png", "_1_blur.png"),
    ],
)
def test_copies_are_named_by_source_copy_family_and_format(
    name: str, encoding: str, expected: str
) -> None:
    train = [record("train", 1, 1, 5, name)]
    only_blur = {family: {"weight": 0} for family in FAMILIES if family != "blur"}
    recipe = Recipe().replace(images=7, encoding=encoding, backgrounds=only_blur)
    (task,) = make_plan(dataset(train), stems(train), recipe).tasks
    assert task.path == "bounding_box_train/0001_c1s1_000005_00" + expected
