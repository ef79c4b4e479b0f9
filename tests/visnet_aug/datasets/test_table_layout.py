from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
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
people/f.jpg,distractor,2,gallery,,
people/g.jpg,junk,3,gallery,,
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
        ("x.jpg,,1,train,,", "line 8: no identity"),
        ("x.jpg,-2,1,gallery,,", "line 8: identity -2 is negative; gallery images of nobody"),
        ("x.jpg,junk,1,train,,", "line 8: junk in train; junk and distractors belong in the"),
        ("x.jpg,Distractor,1,query,,", "line 8: Distractor in query"),
        ("x.jpg,1,-1,train,,", "line 8: camera -1 is negative"),
        (f"x.jpg,{'x' * 300},1,train,,", "line 8: identity 'x+' is longer than 200 characters"),
        ("x.jpg,1,1,dev,,", "line 8: split 'dev' is not one of train, train_all"),
        ("x.jpg,1,1,,,", "line 8: split '' is not one of"),
        ("x.jpg,1,1,train,-3,", "line 8: frame '-3' is not"),
        ("../x.jpg,1,1,train,,", r"line 8: path '\.\./x\.jpg' is not the path of a file below"),
        ("/x.jpg,1,1,train,,", "line 8: path '/x.jpg' is not"),
        (r"C:\x.jpg,1,1,train,,", r"line 8: path 'C:\\\\x\.jpg' is not"),
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
        ("", "no names of columns; correct the first line"),
        ("path,who,camid,split", "no column for pid among path, who, camid, split; .* person_?id"),
        ("where,who", "no column for path nor pid among where, who"),
        ("path,pid,camid,split,pid", "two columns 'pid'"),
        ("path,Person ID,person_id", "two columns personid; rename or remove one"),
    ],
)
def test_a_wrong_header_is_told(header: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"line [12]: {message}"):
        read(tmp_path, f"{header}\n{','.join('x' for _ in header.split(','))}\n")


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("Image Path,PERSON_ID,Camera,Subset,Frame,id", "path from Image Path, pid from PERSON_ID"),
        ("filename,id,cam_id,SET,frame,label2", "path from filename, pid from id, camid from cam_"),
        ("img,identity,cameraID,partition,frame_id,x", "path from img, pid from identity, camid"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_have_the_names_that_people_give_them(
    header: str, taken: str, delimiter: str, tmp_path: Path
) -> None:
    text = TABLE.replace("path,pid,camid,split,frame,remark", header).replace("a note, with", "a")
    dataset = read(tmp_path, text.replace(",", delimiter))
    assert len(dataset.records) == 6
    (note,) = dataset.notes
    assert note.startswith(f"table: {taken}")


def test_texts_are_numbered_and_unknown_cameras_stay_unknown(tmp_path: Path) -> None:
    text = "path,pid,cam\npeople/a b.jpg,anna,\npeople/d.jpg,Zoë,door\npeople/f.jpg,7.0,3\n"
    dataset = read(tmp_path, text)
    assert [(r.identity, r.pid, r.camera, r.camid, r.split) for r in dataset.records] == [
        ("anna", 1, "", 0, "train"), ("Zoë", 2, "door", 1, "train"), ("7", 7, "3", 3, "train")
    ]  # fmt: skip
    assert dataset.notes == (
        "table: path from path, pid from pid, camid from cam; folders say the split",
        "no split in any path: all 3 images are training images",
    )


def test_names_of_one_identity_in_two_forms_of_unicode_are_one(tmp_path: Path) -> None:
    """macOS writes accents apart from their letters."""
    text = "path,pid,camid,split\npeople/a b.jpg,Zo\u00eb,1,train\npeople/d.jpg,Zoe\u0308,1,train\n"
    assert {record.pid for record in read(tmp_path, text).records} == {1}


@pytest.mark.parametrize(
    "path", [r"people\d.jpg", r".\people\d.jpg", "{root}/people/d.jpg", "{link}/people/d.jpg"]
)
def test_paths_of_windows_and_absolute_ones_are_read(path: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "set")
    path = path.format(root=tmp_path / "set", link=tmp_path / "link")
    (record,) = read(tmp_path / "set", f"path,pid,camid,split\n{path},1,1,train\n").records
    assert record.path == tmp_path.resolve() / "set/people/d.jpg"


ROWS: list[dict[str, Any]] = [
    {"image": "people/a b.jpg", "person_id": 1, "camera": 2, "split": "train", "frame": None},
    {"image": "people/d.jpg", "person_id": 5, "camera": None, "split": "query", "frame": 3},
    {"image": "people/f.jpg", "person_id": 5, "camera": 4, "split": "test", "frame": 4},
]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
def test_tables_of_other_kinds_say_the_same(suffix: str, tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / f"labels{suffix}"
    frame = pl.DataFrame(ROWS)
    if suffix == ".parquet":
        frame.write_parquet(file)
    elif suffix in (".jsonl", ".ndjson"):
        frame.write_ndjson(file)
    else:
        frame.write_csv(file, separator="\t" if suffix == ".tsv" else ",")
    dataset = read_dataset(tmp_path, table=str(file))
    assert [(dataset.origin(r), r.split, r.pid, r.camid, r.frame) for r in dataset.records] == [
        ("people/a b.jpg", "train", 1, 2, None),
        ("people/d.jpg", "query", 5, 0, 3),
        ("people/f.jpg", "gallery", 5, 4, 4),
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.jsonl", b'{"path": "a.jpg", "pid": 1}\n{"path"', r"x\.jsonl: line 2: not JSON"),
        ("x.jsonl", b"[1]\n", r"x\.jsonl: line 1: not a JSON object"),
        ("x.jsonl", b"[" * 100_000, r"x\.jsonl: line 1: not JSON"),
        ("x.jsonl", b'{"path": "a.jpg"}\n', r"x\.jsonl: line 1: no column for pid"),
        ("x.parquet", b"PAR1", r"x\.parquet: cannot be read"),
        ("train_label.xml", b"<Items>", "VeRi-776's says what names say, too"),
        ("cuhk-03.mat", b"MATLAB", "CUHK03-NP"),
        ("x.xlsx", b"PK", "Excel's; save it as CSV"),
        ("x.json", b"[]", "save it as JSON lines"),
    ],
)
def test_a_table_of_no_use_is_told(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        read_dataset(tmp_path, table=name)
    assert "\n" not in str(caught.value)


class TestMetadata:
    """Folders as Hugging Face's ``datasets`` lay them out."""

    @staticmethod
    def write(root: Path, files: Mapping[str, Sequence[tuple[str, str]]]) -> Path:
        """Write a ``metadata.csv`` and images in each folder."""
        for folder, images in files.items():
            (root / folder / "im").mkdir(parents=True)
            lines = ["file_name,label"]
            for name, pid in images:
                Image.new("RGB", (8, 16)).save(root / folder / "im" / name)
                lines.append(f"im/{name},{pid}")
            (root / folder / "metadata.csv").write_text("\n".join(lines))
        return root

    def test_one_in_each_split(self, tmp_path: Path) -> None:
        self.write(
            tmp_path,
            {"train": [("a.jpg", "anna"), ("b.jpg", "bo")], "query": [("c.jpg", "cid")],
             "gallery": [("d.jpg", "cid")]},
        )  # fmt: skip
        dataset = read_dataset(tmp_path)
        assert (dataset.layout, dataset.recognised) == (
            "huggingface",
            "tables such as gallery/metadata.csv",
        )
        assert {dataset.origin(r): (r.split, r.identity) for r in dataset.records} == {
            "train/im/a.jpg": ("train", "anna"),
            "train/im/b.jpg": ("train", "bo"),
            "query/im/c.jpg": ("query", "cid"),
            "gallery/im/d.jpg": ("gallery", "cid"),
        }
        assert dataset.splits == {"gallery": "gallery", "query": "query", "train": "train"}
        assert read_dataset(tmp_path, layout="huggingface").records == dataset.records

    def test_a_table_of_something_else_is_not_taken_for_one(self, tmp_path: Path) -> None:
        for name in ("anna", "bo"):
            (tmp_path / name).mkdir()
            Image.new("RGB", (8, 16)).save(tmp_path / name / "1.jpg")
        (tmp_path / "metadata.csv").write_text("place,date\nParis,2024\n")
        assert read_dataset(tmp_path).layout == "identities"
        with pytest.raises(DatasetError, match=r"no metadata\.csv, .* in it or its splits"):
            read_dataset(tmp_path, layout="huggingface")

    def test_one_at_the_top(self, tmp_path: Path) -> None:
        dataset = read_dataset(self.write(tmp_path, {".": [("a.jpg", "anna")]}))
        assert [dataset.origin(record) for record in dataset.records] == ["im/a.jpg"]


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
    with pytest.raises(DatasetError, match=rf"labels\.csv: no image in {missing}"):
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
    with pytest.raises(RecipeError, match="--layout table needs --table FILE"):
        read_dataset(tmp_path, layout="table")
