from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError, RecipeError

PLAIN = r"(?P<pid>-?\d+)/cam(?P<camid>\d+)_.*"


def read(root: Path, pattern: str, files: Sequence[str]) -> Dataset:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            Image.new("RGB", (8, 16)).save(path)
        else:
            path.write_bytes(b"text")
    return read_dataset(root, pattern=pattern)


def told(dataset: Dataset) -> dict[str, tuple[str, str]]:
    return {dataset.origin(record): (record.split, record.name) for record in dataset.records}


def rejections(dataset: Dataset) -> dict[str, str]:
    return {dataset.origin(image): image.detail for image in dataset.rejected}


def test_without_a_split_all_is_for_training(tmp_path: Path) -> None:
    files = ["3/cam1_a.jpg", "3/cam1_b.jpg", "3/cam12_c.png", "4/cam2_a.jpg", "readme.md"]
    dataset = read(tmp_path, PLAIN, [*files, ".git/x.jpg", "Thumbs.db"])
    assert told(dataset) == {
        "3/cam1_a.jpg": ("train", "0003_c1s1_000000_00.jpg"),
        "3/cam1_b.jpg": ("train", "0003_c1s1_000000_01.jpg"),
        "3/cam12_c.png": ("train", "0003_c12s1_000000_00.png"),
        "4/cam2_a.jpg": ("train", "0004_c2s1_000000_00.jpg"),
    }
    assert (dataset.layout, dataset.rejected, dataset.ignored) == ("pattern", (), 1)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        (rf"(?P<split>\w+)/{PLAIN}",
         ["train/1/cam1_.jpg", "query/2/cam1_.jpg", "test/2/cam2_.jpg"]),
        (rf"\w+/{PLAIN}", ["Train/1/cam1_.jpg", "query/2/cam1_.jpg", "gallery/2/cam2_.jpg"]),
        (rf".*/{PLAIN}", ["v/image_train/1/cam1_.jpg", "v/image_query/2/cam1_.jpg",
                          "v/image_test/query/2/cam2_.jpg"]),
        (r"(?P<split>\w+?)(?P<pid>\d+)-(?P<camid>\d)\.jpg",
         ["train1-1.jpg", "query2-1.jpg", "gallery2-2.jpg"]),
    ],
)  # fmt: skip
def test_a_group_or_a_folder_says_the_split(
    pattern: str, files: Sequence[str], tmp_path: Path
) -> None:
    dataset = read(tmp_path, pattern, files)
    assert [told(dataset)[file][0] for file in files] == ["train", "query", "gallery"]
    assert [record.pid for record in dataset.records] == [1, 2, 2]


def test_an_unknown_folder_beside_splits_is_not_taken_for_training(tmp_path: Path) -> None:
    files = [f"{split}/1/cam{n}_.jpg" for n, split in enumerate(("train", "val"), 1)]
    dataset = read(tmp_path, rf"\w+/{PLAIN}", files)
    assert list(told(dataset)) == ["train/1/cam1_.jpg"]
    assert rejections(dataset)["val/1/cam2_.jpg"].startswith("no folder on its path says the split")


def test_sequence_and_frame_are_read_where_they_are(tmp_path: Path) -> None:
    pattern = r"(?P<pid>\d+)_c(?P<camid>\d)(s(?P<sequence>\d))?_(?P<frame>\d+)\.jpg"
    dataset = read(tmp_path, pattern, ["1_c2s3_45.jpg", "1_c2_0045.jpg"])
    assert told(dataset) == {
        "1_c2s3_45.jpg": ("train", "0001_c2s3_000045_00.jpg"),
        "1_c2_0045.jpg": ("train", "0001_c2s1_000045_00.jpg"),
    }
    assert {(r.sequence, r.frame) for r in dataset.records} == {(3, 45), (None, 45)}


def test_what_cannot_be_read_off_a_path_is_told(tmp_path: Path) -> None:
    pattern = r"(?P<split>\w+)/(?P<pid>\w+)/cam(?P<camid>\d+)?_.*"
    dataset = read(
        tmp_path,
        pattern,
        ["train/1/cam1_.jpg", "val/1/cam1_.jpg", "train/x/cam1_.jpg", "train/1/cam_.jpg",
         "train/1/cam0_.jpg", "cam1.jpg", "train/1/cam1_.png"],
    )  # fmt: skip
    details = rejections(dataset)
    assert len(dataset.records) == 1
    assert details["val/1/cam1_.jpg"].startswith("split 'val' is not one of train, bounding")
    assert details["train/x/cam1_.jpg"].startswith("pid 'x' is not a whole number from -1")
    assert details["train/1/cam_.jpg"].startswith("camid '' is not a whole number from 1")
    assert details["train/1/cam0_.jpg"].startswith("camid '0' is not a whole number from 1")
    assert details["cam1.jpg"].startswith("--pattern does not match all of its path")
    assert details["train/1/cam1_.png"].startswith("same image as cam1_.jpg")


def test_nobody_is_no_training_identity(tmp_path: Path) -> None:
    dataset = read(tmp_path, PLAIN, ["0/cam1_.jpg", "-1/cam1_.jpg", "1/cam1_.jpg"])
    assert [image.reason for image in dataset.rejected] == ["no_identity"] * 2


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "elsewhere/3").mkdir(parents=True)
    Image.new("RGB", (8, 16)).save(tmp_path / "elsewhere/3/cam1_.jpg")
    (tmp_path / "set/1").mkdir(parents=True)
    (tmp_path / "set/3").symlink_to(tmp_path / "elsewhere/3")
    (tmp_path / "set/1/again").symlink_to(tmp_path / "set")
    (tmp_path / "set/1/cam2_.jpg").symlink_to("cam2_.jpg")  # to itself
    dataset = read(tmp_path / "set", PLAIN, ["1/cam1_.jpg"])
    assert sorted(told(dataset)) == ["1/cam1_.jpg", "3/cam1_.jpg"]
    assert [image.reason for image in dataset.rejected] == ["unreadable"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<pid>", "not a regular expression .*; quote it for the shell"),
        (r"(?P<pid>\d+).*", r"no group \(\?P<camid>\.\.\.\); write it like"),
        (r".*", r"no group \(\?P<pid>\.\.\.\) and \(\?P<camid>\.\.\.\)"),
    ],
)
def test_an_unusable_expression_is_told(pattern: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        read(tmp_path, pattern, ["1/cam1_.jpg"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a/b.jpg", "c.jpg"], "none of the 2 images, such as 'a/b.jpg'; it must match all"),
        (["x.txt"], "none of the 0 images"),
    ],
)
def test_an_expression_that_matches_nothing_is_told(
    files: Sequence[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, PLAIN, files)


def test_the_layout_wants_a_pattern(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--layout pattern needs --pattern"):
        read_dataset(tmp_path, layout="pattern")
