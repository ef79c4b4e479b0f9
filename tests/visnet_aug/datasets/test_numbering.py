from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visnet_aug.datasets import numbering
from visnet_aug.datasets.layout import Label
from visnet_aug.datasets.numbering import natural, number, read_camera, read_identity
from visnet_aug.errors import DatasetError


def pids(*identities: str | int) -> list[int]:
    return [numbers.pid for numbers in number(Label(identity) for identity in identities)]


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        (["1", "2", "7"], [1, 2, 7]),
        (["0007", "7", "12"], [7, 7, 12]),
        (["0", "1", "2"], [3, 1, 2]),
        (["bo", "anna", "2"], [3, 1, 2]),
        (["p10", "p9", "p1"], [3, 2, 1]),
        (["9999999999", "1"], [2, 1]),
        ([-1, 0, 3, "anna"], [-1, 0, 3, 1]),
    ],
)
def test_whole_numbers_stay_and_texts_fill_the_gaps(
    identities: list[str | int], expected: list[int]
) -> None:
    assert pids(*identities) == expected


@given(st.sets(st.integers(1, 99).map(str) | st.text(max_size=3).filter(lambda t: t != "+")))
def test_numbers_depend_on_no_order_and_tell_all_apart(texts: set[str]) -> None:
    numbers = dict(zip(sorted(texts), pids(*sorted(texts)), strict=True))
    backwards = sorted(texts, reverse=True)
    assert dict(zip(backwards, pids(*backwards), strict=True)) == numbers
    whole = {text for text in texts if re.fullmatch(r"[+-]?[0-9]+", text) and int(text) > 0}
    assert all(numbers[text] == int(text) for text in whole)
    others = {numbers[text] for text in texts - whole}
    assert len(others) == len(texts - whole)
    assert not others & {int(text) for text in whole}
    assert min(others, default=1) >= 1


@given(st.lists(st.text(max_size=8)))
def test_the_natural_order_is_one(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(backwards, key=natural) == sorted(texts, key=natural)


def test_cameras_that_are_not_known_have_no_number() -> None:
    cameras = ["door", None, "0", "3", ""]
    labels = [Label(1, read_camera(camera) if camera is not None else None) for camera in cameras]
    assert [(n.camid, n.camera) for n in number(labels)] == [
        (2, "door"), (0, ""), (1, "0"), (3, "3"), (0, "")
    ]  # fmt: skip


def test_more_cameras_than_names_have_room_for_are_refused() -> None:
    labels = [Label(1, f"c{n}") for n in range(10_000)]
    with pytest.raises(DatasetError, match=r"10,000 different values of camid: .* room for 9,999"):
        list(number(labels))


@pytest.mark.parametrize(
    ("text", "read"),
    [(" anna ", "anna"), ("7.0", "7"), ("Junk", -1), ("distractor", 0), ("0", "0"), ("+5", "+5")],
)
def test_identities_are_read(text: str, read: str | int) -> None:
    assert read_identity(text) == read


@pytest.mark.parametrize(
    "text", ["", "  ", "-1", "-0", "a\nb", "x" * (numbering.MAX_TEXT + 1), "\udcff"]
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="identity") as caught:
        read_identity(text)
    assert str(caught.value).isprintable()
