from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.datasets.record import Dataset, RejectedImage
from visnet_aug.datasets.rejected import (
    RejectedRow,
    read_rejected,
    rejected_csv,
    rejected_images,
)
from visnet_aug.errors import OutputError

ROOT = Path("/data/set")
DETAIL = 'a "detail", with; marks'
HEADER = b"path,split,stage,reason,detail\n"


def dataset(*names: str) -> Dataset:
    rejected = tuple(
        RejectedImage(ROOT / "query" / name, "query", "bad_name", DETAIL) for name in names
    )
    return Dataset(ROOT, "market1501", {"query": "query"}, (), rejected)


def test_bytes_as_they_are_documented(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    mask = RejectedRow("bounding_box_train/x.jpg", "train", "mask", "too_small", "area 0.01")
    path.write_bytes(rejected_csv([*rejected_images(dataset("a, b.jpg")), mask]))
    assert path.read_bytes() == HEADER + (
        b'"query/a, b.jpg",query,read,bad_name,"a ""detail"", with; marks"\n'
        b"bounding_box_train/x.jpg,train,mask,too_small,area 0.01\n"
    )
    assert read_rejected(path)[1] == mask


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x.jpg", "query/x.jpg"),
        ("é\n'\"人.jpg", "query/é\n'\"人.jpg"),
        (b"\xff.jpg".decode(errors="surrogateescape"), "query/\\udcff.jpg"),
    ],
)
def test_any_file_name_can_be_listed(name: str, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.write_bytes(rejected_csv(rejected_images(dataset(name, "z.jpg"))))
    assert read_rejected(path) == [
        RejectedRow(shown, "query", "read", "bad_name", DETAIL),
        RejectedRow("query/z.jpg", "query", "read", "bad_name", DETAIL),
    ]


def test_nothing_rejected_is_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.write_bytes(rejected_csv([]))
    assert path.read_bytes() == HEADER
    assert read_rejected(path) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "row 1: the columns are not path,split,stage,reason,detail"),
        (b"path,split\n", "row 1: the columns are not path,split,stage,reason,detail"),
        (HEADER + b"x\n", "row 2: 1 cells instead of 5"),
        (HEADER + b'"a\nb",query,read,r,d\na,b,read,r,d\n', "row 3, column split: 'b' is not one"),
        (HEADER + b"a,query,c,r,\n", "row 2, column stage: 'c' is not one of read, mask"),
        (HEADER + b",query,read,r,d\n", "row 2, column path: '' is not a text"),
        (HEADER + b"a,query,read,,d\n", "row 2, column reason: '' is not a text"),
        (b"\xff", "damaged"),
        (b'"', "damaged"),
    ],
)
def test_what_is_no_such_table_is_refused(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.write_bytes(data)
    with pytest.raises(OutputError) as caught:
        read_rejected(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert str(caught.value).endswith("; build the set again")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        read_rejected(tmp_path / "rejected.csv")
