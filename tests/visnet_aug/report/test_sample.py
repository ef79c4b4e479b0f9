from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.manifest import ManifestRow
from visnet_aug.report.sample import spread_sample, stratified_sample


def original(pid: int, camid: int, path: str) -> ManifestRow:
    return ManifestRow(
        path=path, split="train", pid=pid, camid=camid, sequence=None, frame=None, kind="original",
        source=path, copy=None, family=None, variant=None, intensity=None, seed=None, params=None,
        mask=None, mask_area=None, mask_confidence=None, mask_quality=None, width=64,
        height=128, sha256="0" * 64,
    )  # fmt: skip


items = st.lists(
    st.builds(original, st.integers(0, 4), st.integers(1, 3), st.text("abcdef", min_size=1)),
    max_size=25,
    unique_by=lambda item: item.path,
)
counts = st.integers(0, 30)


def paths(rows: list[ManifestRow]) -> set[str]:
    return {row.path for row in rows}


def length(item: ManifestRow) -> float:
    return len(item.path)


@settings(deadline=None, max_examples=100)
@given(items, counts, st.randoms(use_true_random=False))
def test_it_takes_the_same_whatever_the_order(
    items: list[ManifestRow], count: int, random: Random
) -> None:
    chosen, ordered = spread_sample(items, count), stratified_sample(items, count, length)
    assert len(paths(chosen)) == len(paths(ordered)) == min(count, len(items))
    assert paths(chosen) | paths(ordered) <= paths(items)
    random.shuffle(items)
    assert spread_sample(items, count) == chosen
    assert spread_sample(items, count + 1)[:count] == chosen
    assert stratified_sample(items, count, length) == ordered


@settings(deadline=None, max_examples=100)
@given(items, counts)
def test_no_identity_comes_again_while_another_is_left(
    items: list[ManifestRow], count: int
) -> None:
    chosen = Counter(item.pid for item in spread_sample(items, count))
    there = Counter(item.pid for item in items)
    most = max(chosen.values(), default=0)
    assert all(chosen[pid] >= min(number, most - 1) for pid, number in there.items())


def test_an_identitys_cameras_take_turns() -> None:
    person = [original(1, camid, f"{camid}{n}") for camid in (1, 2, 3) for n in range(5)]
    chosen = [item.camid for item in spread_sample(person, 9)]
    assert [sorted(chosen[start : start + 3]) for start in (0, 3, 6)] == [[1, 2, 3]] * 3


def test_a_stratified_sample_takes_one_of_each_part() -> None:
    people = [original(number % 7, 1, f"{number:03}") for number in range(100)]
    chosen = stratified_sample(people, 10, key=lambda item: int(item.path))
    assert [int(item.path) // 10 for item in chosen] == list(range(10))
    assert max(Counter(item.pid for item in chosen).values()) == 2
