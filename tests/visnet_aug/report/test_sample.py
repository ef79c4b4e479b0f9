from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.report.sample import spread_sample


@dataclass(frozen=True)
class Item:
    pid: int
    camid: int
    path: str


items = st.lists(
    st.builds(Item, st.integers(0, 4), st.integers(1, 3), st.text("abcdef", min_size=1)),
    max_size=25,
    unique_by=lambda item: item.path,
)
counts = st.integers(0, 30)
seeds = st.integers(0, 5)


@settings(deadline=None, max_examples=100)
@given(items, counts, seeds, st.randoms(use_true_random=False))
def test_it_takes_the_same_whatever_the_order(items, count, seed, random) -> None:  # type: ignore[no-untyped-def]
    chosen = spread_sample(items, count, seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(items))
    assert set(chosen) <= set(items)
    random.shuffle(items)
    assert spread_sample(items, count, seed) == chosen
    assert spread_sample(items, count + 1, seed)[:count] == chosen


@settings(deadline=None, max_examples=100)
@given(items, counts, seeds)
def test_no_identity_comes_again_while_another_is_left(items: list, count: int, seed: int) -> None:
    chosen = Counter(item.pid for item in spread_sample(items, count, seed))
    there = Counter(item.pid for item in items)
    most = max(chosen.values(), default=0)
    assert all(chosen[pid] >= min(number, most - 1) for pid, number in there.items())


def test_cameras_take_turns() -> None:
    people = [Item(pid, camid, f"{pid} {camid}") for pid in range(60) for camid in range(1, 7)]
    cameras = Counter(item.camid for item in spread_sample(people, 24, 0))
    assert cameras == dict.fromkeys(range(1, 7), 4)


def test_the_seed_decides() -> None:
    people = [Item(pid, 1, f"{pid}") for pid in range(100)]
    assert spread_sample(people, 10, 0) != spread_sample(people, 10, 1)
