from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError, RecipeError

TABLE = """path,pid,camid,split,frame,remark
people/a b.jpg,1,1,train,7,"a note, with a comma"
./people/c.PNG,12,2,train,,
people/d.jpg,30,1,query,,
people/e.jpeg,30,2,gallery,,
people/f.jpg,0,2,gallery,,
people/g.jpg,-1,3,gallery,,
"""


def write(root: Path, text: str = TABLE, encoding: str = "utf-8") -> Path:
    """Write a table, and an image for every path of the small one."""
    (root / "people").mkdir()
    for name in ("a b.jpg", "c.PNG", "d.jpg", "e.jpeg", "f.jpg", "g.jpg", "unlisted.jpg"):
        Image.new("RGB", (8, 16)).save(root / "people" / name)
    table = root / "labels.csv"
    table.write_bytes(text.encode(encoding))
    return table


def read(root: Path, text: str = TABLE, encoding: str = "utf-8") -> Dataset:
    return read_dataset(root, table=str(write(root, text, encoding)))


def test_a_table_says_all(tmp_path: Path) -> None:
    dataset = read(tmp_path)
    assert (dataset.layout, dataset.rejected, dataset.ignored) == ("table", (), 0)
    assert [
        (dataset.origin(r), r.split, r.name, r.pid, r.camid, r.frame) for r in dataset.records
    ] == [
        ("people/a b.jpg", "train", "0001_c1s1_000007_00.jpg", 1, 1, 7),
        ("people/c.PNG", "train", "0012_c2s1_000000_00.png", 12, 2, None),
        ("people/d.jpg", "query", "0030_c1s1_000000_00.jpg", 30, 1, None),
        ("people/g.jpg", "gallery", "-1_c3s1_000000_00.jpg", -1, 3, None),
        ("people/f.jpg", "gallery", "0000_c2s1_000000_00.jpg", 0, 2, None),
        ("people/e.jpeg", "gallery", "0030_c2s1_000000_00.jpg", 30, 2, None),
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TABLE, "utf-8-sig"),
        (TABLE.replace("\n", "\r\n"), "utf-8"),
        (TABLE.replace("\n", "\n\n"), "utf-8"),
        (TABLE.replace("path,pid", " path , pid"), "utf-8"),
    ],
)
def test_what_spreadsheets_and_editors_do_is_fine(text: str, encoding: str, tmp_path: Path) -> None:
    assert len(read(tmp_path, text, encoding).records) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x.jpg,1,1", "line 8: 3 cells instead of 6"),
        ("x.jpg,one,1,train,,", "line 8: pid 'one' is not a whole number from -1 to 999,999,999"),
        ("x.jpg,1.0,1,train,,", r"line 8: pid '1\.0' is not"),
        ("x.jpg,٣,1,train,,", "line 8: pid '٣' is not"),
        ("x.jpg,-2,1,gallery,,", "line 8: pid '-2' is not"),
        ("x.jpg,0,1,train,,", "line 8: pid 0 in train; number identities from 1"),
        ("x.jpg,-1,1,query,,", "line 8: pid -1 in query"),
        ("x.jpg,1,0,train,,", "line 8: camid '0' is not a whole number from 1"),
        ("x.jpg,1,,train,,", "line 8: camid '' is not"),
        ("x.jpg,1,1,test,,", "line 8: split 'test' is not one of train, query, gallery"),
        ("x.jpg,1,1,train,-3,", "line 8: frame '-3' is not"),
        ("../x.jpg,1,1,train,,", r"line 8: path '\.\./x\.jpg' is not the path of a \.jpg"),
        ("/x.jpg,1,1,train,,", "line 8: path '/x.jpg' is not"),
        ("x.gif,1,1,train,,", "line 8: path 'x.gif' is not"),
        (",1,1,train,,", "line 8: path '' is not"),
        ("people//d.jpg,1,1,train,,", r"line 8: people/d\.jpg is in line 4 already"),
        ('"x.jpg,1,1,train,,', "line 8: unexpected end of data"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read(tmp_path, f"{TABLE}{line}\n")
    assert "\n" not in str(caught.value)
    assert "labels.csv: line 8" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "no column path nor pid nor camid nor split among none"),
        ("path,pid,cam,split", "no column camid among path, pid, cam, split"),
        ("path;pid;camid;split", "no column path nor pid .* separated by commas"),
        ("path,pid,camid,split,pid", "two columns pid among"),
        ("Path,pid,camid,split", "no column path among"),
    ],
)
def test_a_wrong_header_is_told(header: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"line 1: {message}"):
        read(tmp_path, f"{header}\n")


def test_no_utf8_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"labels\.csv: cannot be read .* save it as UTF-8"):
        read(tmp_path, TABLE.replace("note", "nôte"), "latin-1")


def test_missing_and_damaged_files_are_rejected(tmp_path: Path) -> None:
    table = write(tmp_path)
    (tmp_path / "people/a b.jpg").unlink()
    (tmp_path / "people/f.jpg").write_bytes(b"")
    dataset = read_dataset(tmp_path, table=str(table))
    assert {dataset.origin(image): image.reason for image in dataset.rejected} == {
        "people/a b.jpg": "unreadable",
        "people/f.jpg": "zero_byte",
    }


def test_training_images_alone_are_a_set(tmp_path: Path) -> None:
    dataset = read(tmp_path, "\n".join(TABLE.splitlines()[:3]))
    assert {record.split for record in dataset.records} == {"train"}


@pytest.mark.parametrize(("split", "missing"), [("query", "gallery"), ("gallery", "query")])
def test_query_and_gallery_come_together(split: str, missing: str, tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    kept = [line for line in lines if f",{missing}," not in line]
    with pytest.raises(DatasetError, match=r"labels\.csv: no image in it"):
        read(tmp_path, "\n".join(kept))
    assert any(f",{split}," in line for line in kept)


def test_a_test_identity_stays_out_of_training(tmp_path: Path) -> None:
    dataset = read(tmp_path, TABLE.replace("c.PNG,12", "c.PNG,30"))
    assert [image.reason for image in dataset.rejected] == ["identity_leak"]


def test_a_table_is_found_below_the_dataset_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.chdir("/")
    assert len(read_dataset(tmp_path, table="labels.csv").records) == 6
    with pytest.raises(DatasetError, match=r"other\.csv: no such file, here or in "):
        read_dataset(tmp_path, table="other.csv")
    with pytest.raises(DatasetError, match="no such file, here or in "):
        read_dataset(tmp_path, table="x" * 5000)
    with pytest.raises(DatasetError, match=r"^'two\\nlines\.csv': no such file"):
        read_dataset(tmp_path, table="two\nlines.csv")
    with pytest.raises(DatasetError, match=r"^'.*/two\\nlines': no such folder"):
        read_dataset(tmp_path / "two\nlines")


def test_the_layout_wants_a_table(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--layout table needs --table"):
        read_dataset(tmp_path, layout="table")
