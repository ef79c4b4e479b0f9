from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError, RecipeError

PLAIN = r"(?P<pid>-?\d+)/cam(?P<camid>\d+)_.*"


def read(root: Path, pattern: str, files: Sequence[str], **options: Any) -> Dataset:
    """Write a file under each name, an image of its own colour under an image's, and read all."""
    for number, name in enumerate(files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png", ".bmp", ".webp", ".tif", ""):
            form = Image.registered_extensions().get(path.suffix, "PNG")
            Image.new("RGB", (8, 16), (number, 0, 0)).save(path, form)
        else:
            path.write_bytes(b"text")
    return read_dataset(root, pattern=pattern, **options)


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
    assert dataset.notes == ("no split in any path: all 4 images are training images",)
    assert dataset.passed_over == {"md": 1}


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        (rf"(?P<split>\w+)/{PLAIN}",
         ["train/1/cam1_.jpg", "query/2/cam1_.jpg", "test/2/cam2_.jpg"]),
        (rf"\w+/{PLAIN}", ["Train/1/cam1_.jpg", "query/2/cam1_.jpg", "gallery/2/cam2_.jpg"]),
        (rf".*/{PLAIN}", ["v/image_train/1/cam1_.jpg", "v/image_test/query/2/cam1_.jpg",
                          "v/image_test/2/cam2_.jpg"]),
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
    files = [f"{split}/1/cam{n}_.jpg" for n, split in enumerate(("train", "more"), 1)]
    dataset = read(tmp_path, rf"\w+/{PLAIN}", files)
    assert list(told(dataset)) == ["train/1/cam1_.jpg"]
    assert [image.reason for image in dataset.rejected] == ["no_split"]
    assert "no folder on its path says the split" in rejections(dataset)["more/1/cam2_.jpg"]


def test_a_folder_can_be_said_to_be_a_split_or_none(tmp_path: Path) -> None:
    files = [f"{split}/{n}/cam{n}_.jpg" for n, split in enumerate(("train", "more", "old"), 1)]
    names = {"more": "train", "old": "skip"}
    dataset = read(tmp_path, rf"\w+/{PLAIN}", files, split_names=names)
    assert {split for split, _ in told(dataset).values()} == {"train"}
    assert (dataset.splits, dataset.ignored) == ({"more": "train", "train": "train"}, 1)


def test_a_group_of_a_split_knows_the_words_that_a_person_says(tmp_path: Path) -> None:
    pattern = rf"(?P<split>\w+)/{PLAIN}"
    files = ["a/1/cam1_.jpg", "b/2/cam1_.jpg"]
    dataset = read(tmp_path, pattern, files, split_names={"a": "train", "b": "skip"})
    assert list(told(dataset)) == ["a/1/cam1_.jpg"]


def test_sequence_and_frame_are_read_where_they_are(tmp_path: Path) -> None:
    pattern = r"(?P<pid>\d+)_c(?P<camid>\d)(s(?P<sequence>\d))?_(?P<frame>\d+)\.jpg"
    dataset = read(tmp_path, pattern, ["1_c2s3_45.jpg", "1_c2_0045.jpg"])
    assert told(dataset) == {
        "1_c2s3_45.jpg": ("train", "0001_c2s3_000045_00.jpg"),
        "1_c2_0045.jpg": ("train", "0001_c2s1_000045_00.jpg"),
    }
    assert {(r.sequence, r.frame) for r in dataset.records} == {(3, 45), (None, 45)}


def test_what_cannot_be_read_off_a_path_is_told(tmp_path: Path) -> None:
    pattern = r"(?P<split>\w+)/(?P<pid>[^/]*)/cam(?P<camid>[^_]*)?_(?P<frame>\w*)\..*"
    dataset = read(
        tmp_path,
        pattern,
        ["train/1/cam1_.jpg", "dev/1/cam1_.jpg", "train/-4/cam1_.jpg", "train/1/cam-2_.jpg",
         "train/1/cam1_x.jpg", "cam1.jpg"],
    )  # fmt: skip
    details = rejections(dataset)
    assert len(dataset.records) == 1
    assert details["dev/1/cam1_.jpg"].startswith("split 'dev' is not one of train, train_all")
    assert details["train/-4/cam1_.jpg"].startswith("identity -4 is negative")
    assert details["train/1/cam-2_.jpg"].startswith("camera -2 is negative")
    assert details["train/1/cam1_x.jpg"].startswith("frame 'x' is not a whole number from 0")
    assert details["cam1.jpg"].startswith("--pattern does not match all of its path")


def test_texts_are_numbered_and_kept(tmp_path: Path) -> None:
    files = ["anna/camdoor_.jpg", "12/camyard_.jpg", "客户17/cam7_.jpg", "anna/cam_.jpg"]
    dataset = read(tmp_path, r"(?P<pid>[^/]+)/cam(?P<camid>\w*?)_\.jpg", files)
    assert {
        dataset.origin(r): (r.name, r.pid, r.identity, r.camid, r.camera) for r in dataset.records
    } == {
        "anna/camdoor_.jpg": ("0001_c1s1_000000_00.jpg", 1, "anna", 1, "door"),
        "12/camyard_.jpg": ("0012_c2s1_000000_00.jpg", 12, "12", 2, "yard"),
        "客户17/cam7_.jpg": ("0002_c7s1_000000_00.jpg", 2, "客户17", 7, "7"),
        "anna/cam_.jpg": ("0001_c0s1_000000_00.jpg", 1, "anna", 0, ""),
    }


def test_people_and_cameras_from_0_are_people_and_cameras(tmp_path: Path) -> None:
    """0 is a distractor in Market-1501's names alone."""
    files = [f"{split}/{pid}/c{camid}_.jpg" for split, pid, camid in [
        ("train", 0, 0), ("train", 0, 3), ("train", 1, 1), ("query", 2, 0), ("gallery", 2, 2),
    ]]  # fmt: skip
    dataset = read(tmp_path, r".*/(?P<pid>\d+)/c(?P<camid>\d)_.*", files)
    assert dataset.rejected == ()
    assert {r.identity: r.pid for r in dataset.records} == {"0": 3, "1": 1, "2": 2}
    assert {r.camera: r.camid for r in dataset.records} == {"0": 4, "1": 1, "2": 2, "3": 3}


def test_nothing_is_filtered_before_it_is_counted(tmp_path: Path) -> None:
    """Whatever a file's suffix, it is an image, rejected or counted."""
    names = ["a.jpg", "b.webp", "c.bmp", "d.tif", "e", "f.heic", "g.txt", "h.xyz"]
    dataset = read(tmp_path, PLAIN, [f"1/cam1_{name}" for name in names])
    assert len(dataset.records) == 5
    assert {r.path.name for r in dataset.records if not r.is_file} == {
        "cam1_b.webp", "cam1_c.bmp", "cam1_d.tif"
    }  # fmt: skip
    assert {dataset.origin(i): i.reason for i in dataset.rejected} == {
        "1/cam1_f.heic": "not_an_image",
        "1/cam1_h.xyz": "not_an_image",
    }
    assert dataset.passed_over == {"txt": 1}
    assert dataset.ignored == 1


def test_nobody_is_no_training_identity(tmp_path: Path) -> None:
    pattern = r"(?P<split>\w+)/(?P<pid>\w+)/cam(?P<camid>\d)_.*"
    files = ["train/1/cam1_.jpg", "train/junk/cam1_.jpg", "query/2/cam1_.jpg",
             "query/distractor/cam1_.jpg", "gallery/2/cam2_.jpg", "gallery/junk/cam1_.jpg",
             "gallery/distractor/cam1_.jpg"]  # fmt: skip
    dataset = read(tmp_path, pattern, files)
    assert [image.reason for image in dataset.rejected] == ["no_identity"] * 2
    assert [record.name for record in dataset.split("gallery")] == [
        "-1_c1s1_000000_00.jpg", "0000_c1s1_000000_00.jpg", "0002_c2s1_000000_00.jpg"
    ]  # fmt: skip


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
        (r".*", r"no group \(\?P<pid>\.\.\.\); write it like"),
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
        (["x.txt"], "no image in it; fill it or give another"),
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
