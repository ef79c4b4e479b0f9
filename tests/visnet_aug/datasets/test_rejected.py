from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.datasets.record import Dataset, RejectedImage
from visnet_aug.datasets.rejected import (
    RejectedRow,
    read_rejected,
    rejected_images,
    write_rejected,
)
from visnet_aug.errors import DatasetError

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
    write_rejected(path, [*rejected_images(dataset("a, b.jpg")), mask])
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
    write_rejected(path, rejected_images(dataset(name, "z.jpg")))
    assert read_rejected(path) == [
        RejectedRow(shown, "query", "read", "bad_name", DETAIL),
        RejectedRow("query/z.jpg", "query", "read", "bad_name", DETAIL),
    ]


def test_nothing_rejected_is_an_empty_table(tmp_path: Path) -> None:
    write_rejected(tmp_path / "rejected.csv", [])
    assert (tmp_path / "rejected.csv").read_bytes() == HEADER
    assert read_rejected(tmp_path / "rejected.csv") == []


@pytest.mark.parametrize(
    "data",
    [b"", b"path,split\n", HEADER + b"x\n", HEADER + b"a,b,c,d,e\n", b"\xff", b'"'],
)
def test_what_is_no_such_table_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=str(path)):
        read_rejected(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_rejected(tmp_path / "rejected.csv")
