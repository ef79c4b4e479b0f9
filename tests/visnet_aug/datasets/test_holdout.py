from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visnet_aug.datasets.holdout import Holdout, hold_out
from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.errors import DatasetError, RecipeError


def record(split: Split, pid: int, camid: int, frame: int) -> ImageRecord:
    name = f"{pid:04}_c{camid}s1_{frame:06}_00"
    path = Path("/set") / split / f"{name}.jpg"
    return ImageRecord(
        path, f"{name}.jpg", name, split, pid, camid, 1, frame, 0, 8, 16, "0" * 64, f"person {pid}"
    )


def dataset(*records: ImageRecord) -> Dataset:
    return Dataset(Path("/set"), "identities", {}, records)


def people(count: int, cameras: int = 3, images: int = 2, split: Split = "train") -> Dataset:
    return dataset(
        *(
            record(split, pid, camid, frame)
            for pid in range(1, count + 1)
            for camid in range(1, cameras + 1)
            for frame in range(images)
        )
    )


@given(
    count=st.integers(2, 12),
    cameras=st.integers(2, 4),
    share=st.floats(0.01, 0.9),
    queries=st.integers(1, 5),
    seed=st.integers(0, 5),
)
def test_what_is_drawn_can_be_evaluated(
    count: int, cameras: int, share: float, queries: int, seed: int
) -> None:
    whole = people(count, cameras)
    wanted = max(1, round(share * count))
    if wanted >= count:
        with pytest.raises(DatasetError, match="give a smaller --split-test"):
            hold_out(whole, Holdout(share, queries, seed))
        return
    made = hold_out(whole, Holdout(share, queries, seed))
    assert {r.path for r in made.records} == {r.path for r in whole.records}
    train, query, gallery = (
        [r for r in made.records if r.split == split] for split in ("train", "query", "gallery")
    )
    tested = {r.pid for r in query}
    assert len(tested) == wanted
    assert {r.pid for r in gallery} == tested
    assert not {r.pid for r in train} & tested
    for image in query:
        assert any(r.pid == image.pid and r.camid != image.camid for r in gallery)
    for pid in tested:
        assert 1 <= sum(r.pid == pid for r in query) <= queries
    assert made == hold_out(whole, Holdout(share, queries, seed))
    assert f"{wanted} of {count} identities drawn for test" in made.notes[-1]
    order = {"train": 0, "query": 1, "gallery": 2}
    keys = [(order[r.split], r.name) for r in made.records]
    assert keys == sorted(keys)


def test_queries_come_from_different_cameras() -> None:
    made = hold_out(people(4, cameras=3), Holdout(0.5, queries=3))
    for pid in {r.pid for r in made.split("query")}:
        assert {r.camid for r in made.split("query") if r.pid == pid} == {1, 2, 3}


def test_seeds_draw_others() -> None:
    drawn = {
        frozenset(r.pid for r in hold_out(people(20), Holdout(0.3, seed=seed)).split("query"))
        for seed in range(5)
    }
    assert len(drawn) > 1


def test_a_gallery_gets_queries_and_keeps_nobody() -> None:
    nobody = [record("gallery", pid, 1, 9) for pid in (0, -1)]
    tested = people(3, split="gallery").records
    whole = dataset(record("train", 9, 1, 1), *tested, *nobody)
    made = hold_out(whole, Holdout(queries=2))
    assert len(made.split("query")) == 6
    assert {r.pid for r in made.split("gallery")} == {1, 2, 3, 0, -1}
    assert {r.pid for r in made.split("train")} == {9}


def test_cameras_that_nobody_knows_are_no_hindrance() -> None:
    whole = dataset(*(record("train", pid, 0, frame) for pid in (1, 2) for frame in (1, 2)))
    made = hold_out(whole, Holdout(0.5))
    assert (len(made.split("query")), len(made.split("gallery"))) == (1, 1)


def test_people_of_one_camera_are_not_drawn() -> None:
    alone = [record("train", 50 + n, 1, frame) for n in range(4) for frame in (1, 2)]
    made = hold_out(dataset(*people(2).records, *alone), Holdout(0.34))
    assert {r.pid for r in made.split("query")} == {1, 2}
    with pytest.raises(DatasetError, match="3 of 6 identities would be for test, and 2 of them"):
        hold_out(dataset(*people(2).records, *alone), Holdout(0.5))


@pytest.mark.parametrize(
    ("splits", "share", "message"),
    [
        (("train", "query", "gallery"), None, "has queries already"),
        (("train", "query", "gallery"), 0.5, "has queries already"),
        (("train", "gallery"), 0.5, "has a gallery already; give --split-query N alone"),
        (("train",), None, "has training images alone; give --split-test SHARE"),
    ],
)
def test_what_makes_no_sense_is_told(
    splits: tuple[Split, ...], share: float | None, message: str
) -> None:
    whole = dataset(*(record(split, n, 1, 1) for n, split in enumerate(splits, 1)))
    with pytest.raises(DatasetError, match=message):
        hold_out(whole, Holdout(share))


@pytest.mark.parametrize("arguments", [(0.0,), (1.0,), (-0.5,), (float("nan"),), (0.5, 0)])
def test_wrong_values_are_told(arguments: tuple[float, ...]) -> None:
    with pytest.raises(RecipeError, match="--split-"):
        Holdout(*arguments)  # type: ignore[arg-type]
