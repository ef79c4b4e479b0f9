from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.datasets import memory
from visnet_aug.datasets.counts import (
    ReasonCount,
    check_rejected,
    count_reasons,
    count_splits,
    describe_rejected,
)
from visnet_aug.datasets.memory import check_memory
from visnet_aug.datasets.record import Dataset, ImageRecord, RejectedImage
from visnet_aug.errors import DatasetError

ROOT = Path("/set")


def dataset(good: int, **reasons: int) -> Dataset:
    records = tuple(
        ImageRecord(ROOT / f"{n}.jpg", "", "", "train", 1, n % 3, None, None, None, 8, 16, "")
        for n in range(good)
    )
    rejected = tuple(
        RejectedImage(ROOT / f"{reason}{n}.jpg", "train", reason, f"why {reason}{n}")
        for reason, count in reasons.items()
        for n in range(count)
    )
    return Dataset(ROOT, "identities", {"train": "bounding_box_train"}, records, rejected)


def test_reasons_are_counted_the_most_frequent_first() -> None:
    assert count_reasons(dataset(1, truncated=1, bad_name=3, corrupt=1)) == [
        ReasonCount("bad_name", 3, "bad_name0.jpg", "why bad_name0"),
        ReasonCount("corrupt", 1, "corrupt0.jpg", "why corrupt0"),
        ReasonCount("truncated", 1, "truncated0.jpg", "why truncated0"),
    ]
    assert count_reasons(dataset(1)) == []


def test_three_reasons_are_told_at_once() -> None:
    told = describe_rejected(dataset(1, a=4, b=3, c=2, d=1, e=1))
    assert told == (
        "4 a, such as a0.jpg: why a0; 3 b, such as b0.jpg: why b0; 2 c, such as c0.jpg: why c0; "
        "and 2 for other reasons"
    )


@pytest.mark.parametrize(("good", "lost"), [(9, 1), (1, 0), (90, 10)])
def test_a_tenth_may_be_left_out(good: int, lost: int) -> None:
    check_rejected(dataset(good, truncated=lost), 0.1)


def test_more_is_refused_with_what_to_do() -> None:
    """A pattern that matched one of three people built a set of that one."""
    with pytest.raises(
        DatasetError, match=r"16 of 24 images would be left out, more than 10%: 16 "
    ) as told:
        check_rejected(dataset(8, bad_name=16), 0.1)
    assert str(told.value).endswith("allow it with --allow-rejected 0.67")
    check_rejected(dataset(8, bad_name=16), 0.67)


def test_an_unknown_camera_is_no_camera() -> None:
    assert count_splits(dataset(9))["train"].cameras == 2


def test_what_memory_cannot_hold_is_refused_with_the_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_physical_memory", lambda: 8 * 10**9)
    check_memory(4_000_000)
    with pytest.raises(DatasetError, match=r"10,000,000 images .* 17\.0 GB, .* has 8\.0 GB"):
        check_memory(10_000_000)
    monkeypatch.setattr(memory, "_physical_memory", lambda: None)
    check_memory(10**12)
