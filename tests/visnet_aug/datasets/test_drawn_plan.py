from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.datasets.drawn.plan import (
    MARKET1501,
    Counts,
    PlannedCrop,
    demo_counts,
    plan_crops,
)

NAME = re.compile(r"(-1|\d{4})_c([1-6])s([1-6])_(\d{6})_(\d{2})\.jpg(\.jpg)?")
Plan = tuple[PlannedCrop, ...]


def of(plan: Plan, split: str) -> list[PlannedCrop]:
    return [crop for crop in plan if crop.split == split]


@pytest.fixture(scope="module")
def market() -> Plan:
    return plan_crops(MARKET1501, seed=0)


def test_market1501_has_the_published_numbers(market: Plan) -> None:
    train, query, gallery = (of(market, split) for split in ("train", "query", "gallery"))
    assert (len(train), len(query), len(gallery)) == (12_936, 3_368, 19_732)
    pids = Counter(crop.pid for crop in gallery)
    assert (pids.pop(0), pids.pop(-1)) == (2_798, 3_819)
    assert pids.total() == 13_115
    assert len({crop.pid for crop in train}) == 751
    assert {crop.pid for crop in query} == set(pids)
    assert len(pids) == 750
    assert {crop.camid for crop in train} == set(range(1, 7))
    assert sum(crop.name.endswith(".jpg.jpg") for crop in market) == 11


def check(plan: Plan, counts: Counts) -> None:
    """Check the properties of every plan."""
    train, query, gallery = (of(plan, split) for split in ("train", "query", "gallery"))
    assert len(train) == counts.train
    assert len(query) == counts.query
    assert len(gallery) == counts.gallery + counts.distractors + counts.junk
    assert len({crop.pid for crop in train}) == counts.train_identities
    assert not {crop.pid for crop in train} & {crop.pid for crop in query + gallery}
    assert len({crop.name.partition(".")[0] for crop in plan}) == len(plan)
    assert len({crop.moment for crop in plan}) == len(plan)
    for crop in plan:
        match = NAME.fullmatch(crop.name)
        assert match is not None, crop.name
        assert (int(match[1]), int(match[2])) == (crop.pid, crop.camid)


def check_protocol(plan: Plan) -> None:
    """At most one query per identity and camera, each with a match in another camera."""
    cells = [(crop.pid, crop.camid) for crop in of(plan, "query")]
    assert len(set(cells)) == len(cells)
    seen = defaultdict(set)
    for crop in of(plan, "gallery"):
        seen[crop.pid].add(crop.camid)
    assert all(seen[pid] - {camid} for pid, camid in cells)


def test_market1501_follows_names_and_protocol(market: Plan) -> None:
    check(market, MARKET1501)
    check_protocol(market)


@settings(deadline=None, max_examples=40)
@given(st.integers(4, 80), st.integers(0, 1000))
def test_small_sets_are_complete(identities: int, seed: int) -> None:
    counts = demo_counts(identities)
    plan = plan_crops(counts, seed)
    check(plan, counts)
    check_protocol(plan)
    assert counts.train_identities + counts.test_identities == identities
    assert {crop.pid for crop in plan} >= {-1, 0}
    assert sum(crop.name.endswith(".jpg.jpg") for crop in plan) == 3


def test_a_plan_depends_on_the_seed_alone() -> None:
    first, again, other = (plan_crops(demo_counts(10), seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_plans_are_sorted_by_split_and_name(market: Plan) -> None:
    order = ("train", "query", "gallery")
    keys = [(order.index(crop.split), crop.name) for crop in market]
    assert keys == sorted(keys)


def test_one_identity_in_one_camera_is_one_walk_and_strangers_come_alone(market: Plan) -> None:
    walks = defaultdict(set)
    for crop in market:
        walks[crop.pid, crop.camid].add((crop.track, crop.name.split("_")[1]))
    for (pid, _), tracks in walks.items():
        assert (len(tracks) == 1) == (pid > 0)
    strangers = [crop.track for crop in market if crop.pid <= 0]
    assert len(set(strangers)) == len(strangers)
