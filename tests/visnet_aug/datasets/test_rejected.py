from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.datasets.record import Dataset, RejectedImage
from visnet_aug.datasets.rejected import RejectedRow, read_rejected, write_rejected
from visnet_aug.errors import DatasetError

ROOT = Path("/data/set")


def dataset(*names: str) -> Dataset:
    rejected = tuple(
        RejectedImage(ROOT / "query" / name, "query", "bad_name", 'a "detail", with; marks')
        for name in names
    )
    return Dataset(ROOT, "market1501", {"query": "query"}, (), rejected)


def test_bytes_as_they_are_documented(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    write_rejected(path, dataset("a, b.jpg"))
    assert path.read_bytes() == (
        b'path,split,reason,detail\n"query/a, b.jpg",query,bad_name,"a ""detail"", with; marks"\n'
    )


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
    write_rejected(path, dataset(name, "z.jpg"))
    detail = 'a "detail", with; marks'
    assert read_rejected(path) == [
        RejectedRow(shown, "query", "bad_name", detail),
        RejectedRow("query/z.jpg", "query", "bad_name", detail),
    ]


def test_nothing_rejected_is_an_empty_table(tmp_path: Path) -> None:
    write_rejected(tmp_path / "rejected.csv", dataset())
    assert read_rejected(tmp_path / "rejected.csv") == []


@pytest.mark.parametrize(
    "data", [b"", b"path,split\n", b"path,split,reason,detail\nx\n", b"\xff", b'"']
)
def test_what_is_no_such_table_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=str(path)):
        read_rejected(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_rejected(tmp_path / "rejected.csv")
