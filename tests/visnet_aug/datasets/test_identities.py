"""Folders for people, as people have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import DatasetError, RecipeError


def write(root: Path, files: Sequence[str]) -> Path:
    for number, name in enumerate(files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("text")
        else:
            color = (number % 256, number // 256, 0)
            Image.new("RGB", (8, 16), color).save(path)
    return root


def read(root: Path, files: Sequence[str], **options: Any) -> Dataset:
    return read_dataset(write(root, files), **options)


def told(dataset: Dataset) -> dict[str, tuple[str, str, str]]:
    return {dataset.origin(r): (r.split, r.identity, r.camera) for r in dataset.records}


def test_names_alone(tmp_path: Path) -> None:
    files = ["anna/a.jpg", "anna/b.png", "0002/a.jpg", "客户17/a.jpg", "notes.txt"]
    dataset = read(tmp_path, files)
    assert (dataset.layout, dataset.recognised) == (
        "identities", "3 folders of people, such as 0002"
    )  # fmt: skip
    assert told(dataset) == {
        "anna/a.jpg": ("train", "anna", ""),
        "anna/b.png": ("train", "anna", ""),
        "0002/a.jpg": ("train", "0002", ""),
        "客户17/a.jpg": ("train", "客户17", ""),
    }
    assert {r.identity: r.pid for r in dataset.records} == {"anna": 1, "0002": 2, "客户17": 3}
    assert {record.camid for record in dataset.records} == {0}
    assert sorted(record.name for record in dataset.records)[0] == "0001_c0s1_000000_00.jpg"
    assert dataset.notes == (
        "no split in any path: all 4 images are training images",
        "the camera of 4 of 4 images is unknown; --camera-pattern REGEX reads it off paths",
    )
    assert dataset.passed_over == {"txt": 1}
    assert read_dataset(tmp_path, layout="identities").records == dataset.records


NESTED = {
    "train/1/a.jpg": ("train", "1"),
    "train/4/a.jpg": ("train", "4"),
    "val/query/5/a.jpg": ("query", "5"),
    "val/gallery/5/b.jpg": ("gallery", "5"),
    "test/query/6/a.jpg": ("query", "6"),
    "test/gallery/6/b.jpg": ("gallery", "6"),
}


@pytest.mark.parametrize("above", ["", "data/v1/"])
def test_nested_splits(above: str, tmp_path: Path) -> None:
    dataset = read(tmp_path, [above + path for path in NESTED])
    assert {path.removeprefix(above): of[:2] for path, of in told(dataset).items()} == NESTED
    assert dataset.rejected == ()
    assert dataset.splits == {
        f"{above}{path.rpartition('/')[0].rpartition('/')[0]}": split
        for path, (split, _) in NESTED.items()
    }


def market(split: str, pid: str, camera: int, frame: int) -> str:
    return f"{split}/{pid}/{pid}_c{camera}s1_{frame:06}_01.jpg"


def test_layumis_baseline(tmp_path: Path) -> None:
    """``train_all`` repeats ``train`` and ``val``; Market-1501's nobody stays nobody."""
    files = [
        *(market("train_all", "0002", camera, 7) for camera in (1, 2, 3)),
        *(market("train", "0002", camera, 7) for camera in (1, 2)),
        market("val", "0002", 3, 7),
        market("query", "0005", 1, 9),
        market("gallery", "0005", 2, 9),
        market("gallery", "0000", 2, 9),
        market("gallery", "-1", 2, 9),
        market("multi-query", "0005", 1, 9),
    ]
    dataset = read(tmp_path / "pytorch", files)
    assert {dataset.origin(r): (r.pid, r.camid, r.frame) for r in dataset.records} == {
        **{market("train_all", "0002", camera, 7): (2, camera, 7) for camera in (1, 2, 3)},
        market("query", "0005", 1, 9): (5, 1, 9),
        market("gallery", "0005", 2, 9): (5, 2, 9),
        market("gallery", "0000", 2, 9): (0, 2, 9),
        market("gallery", "-1", 2, 9): (-1, 2, 9),
    }
    assert (dataset.rejected, dataset.ignored) == ((), 4)
    assert dataset.notes == (
        "1 images in multi-query are left out",
        "3 images of train and val are taken from train_all alone",
    )


def test_val_is_training_where_its_people_are(tmp_path: Path) -> None:
    files = ["train/1/a.jpg", "val/1/b.jpg", "val/9/a.jpg"]
    dataset = read(tmp_path, files)
    assert told(dataset) == {
        "train/1/a.jpg": ("train", "1", ""),
        "val/1/b.jpg": ("train", "1", ""),
    }
    (left_out,) = dataset.rejected
    assert (dataset.origin(left_out), left_out.reason) == ("val/9/a.jpg", "no_split")
    both = read_dataset(tmp_path, split_names={"val": "train"})
    assert {record.pid for record in both.records} == {1, 9}


CAMERAS: Mapping[str, tuple[Sequence[str], dict[str, Any], Mapping[str, str]]] = {
    "a pattern": (
        ["anna/door-1.jpg", "anna/yard-1.jpg", "bo/1.jpg"],
        {"camera_pattern": r"([a-z]+)-\d"},
        {"anna/door-1.jpg": "door", "anna/yard-1.jpg": "yard", "bo/1.jpg": ""},
    ),
    "a pattern with a group": (
        ["anna/x_door.jpg", "bo/y_yard.jpg"],
        {"camera_pattern": r"([xy])_(?P<camid>\w+)\."},
        {"anna/x_door.jpg": "door", "bo/y_yard.jpg": "yard"},
    ),
    "a pattern without one": (
        ["anna/door.jpg", "bo/yard.jpg"],
        {"camera_pattern": r"door|yard"},
        {"anna/door.jpg": "door", "bo/yard.jpg": "yard"},
    ),
    "a pattern before names": (
        ["a/0002_c1s1_000451_03.jpg", "b/0002_c1s2_000451_03.jpg"],
        {"camera_pattern": r"s(\d)_"},
        {"a/0002_c1s1_000451_03.jpg": "1", "b/0002_c1s2_000451_03.jpg": "2"},
    ),
    "names": (
        ["0002/0002_c1s1_000451_03.jpg", "a/0002_c8_f0044158.jpg", "b/0001_c2_1.png",
         "c/0001_c020_00016450_0.jpg", "d/7_c3.jpg"],
        {},
        {"0002/0002_c1s1_000451_03.jpg": "1", "a/0002_c8_f0044158.jpg": "8", "b/0001_c2_1.png": "2",
         "c/0001_c020_00016450_0.jpg": "020", "d/7_c3.jpg": ""},
    ),
    "folders above": (
        ["cam1/0001/0001.jpg", "cam2/0001/0001.jpg", "cam6/0002/0001.jpg"],
        {},
        {"cam1/0001/0001.jpg": "1", "cam2/0001/0001.jpg": "2", "cam6/0002/0001.jpg": "6"},
    ),
    "folders below": (
        ["anna/cam_a/1.jpg", "anna/Camera 2/1.jpg", "bo/cam-b/1.jpg"],
        {},
        {"anna/cam_a/1.jpg": "a", "anna/Camera 2/1.jpg": "2", "bo/cam-b/1.jpg": "b"},
    ),
    "folders between a split and people": (
        ["train/cam_a/person_0001/1.png", "train/cam_b/person_0001/1.png"],
        {},
        {"train/cam_a/person_0001/1.png": "a", "train/cam_b/person_0001/1.png": "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "options", "cameras"), CAMERAS.values(), ids=CAMERAS.keys())
def test_cameras_are_read_from(
    files: Sequence[str], options: dict[str, Any], cameras: Mapping[str, str], tmp_path: Path
) -> None:
    dataset = read(tmp_path, files, layout="identities", **options)
    assert {path: camera for path, (_, _, camera) in told(dataset).items()} == cameras
    people = {Path(path).parent.name for path in files}
    assert {identity for _, identity, _ in told(dataset).values()} <= people | {"anna", "bo"}
    assert dataset.rejected == ()


@pytest.mark.parametrize("wrapper", ["set/", "a/b/", "people/images/"])
def test_folders_that_hold_all_are_passed_through(wrapper: str, tmp_path: Path) -> None:
    dataset = read(tmp_path, [f"{wrapper}anna/1.jpg", f"{wrapper}bo/cam1/1.jpg"])
    assert {record.identity for record in dataset.records} == {"anna", "bo"}


def test_folders_inside_a_persons_folder_are_that_person(tmp_path: Path) -> None:
    files = ["anna/1.jpg", "anna/day2/2.jpg", "bo/day1/1.jpg", "bo/day2/1.jpg"]
    dataset = read(tmp_path, files)
    assert {path: identity for path, (_, identity, _) in told(dataset).items()} == {
        "anna/1.jpg": "anna",
        "anna/day2/2.jpg": "anna",
        "bo/day1/1.jpg": "bo",
        "bo/day2/1.jpg": "bo",
    }
    assert "all below a person's folder is that person: anna/day2 is anna" in dataset.notes


def test_flat_names_like_market1501s_say_who_it_is(tmp_path: Path) -> None:
    """CVAT exports Market-1501 with any name for a subset."""
    files = ["bounding_box_train/0002_c1s1_000451_00.jpg", "query/0005_c2s1_000001_00.jpg",
             "bounding_box_default/0005_c1s1_000002_00.jpg",
             "bounding_box_default/-1_c1s1_000003_00.jpg"]  # fmt: skip
    dataset = read(tmp_path, files, split_names={"bounding_box_default": "gallery"})
    assert dataset.layout == "identities"
    assert {Path(dataset.origin(r)).name: (r.split, r.pid, r.camid) for r in dataset.records} == {
        "0002_c1s1_000451_00.jpg": ("train", 2, 1),
        "0005_c2s1_000001_00.jpg": ("query", 5, 2),
        "0005_c1s1_000002_00.jpg": ("gallery", 5, 1),
        "-1_c1s1_000003_00.jpg": ("gallery", -1, 1),
    }


def test_a_folder_of_many_peoples_names_is_no_person(tmp_path: Path) -> None:
    files = [f"crops/{pid:04}_c1s1_000451_00.jpg" for pid in (2, 3, 7)]
    dataset = read(tmp_path, files, layout="identities")
    assert [record.pid for record in dataset.records] == [2, 3, 7]


def test_people_numbered_from_0(tmp_path: Path) -> None:
    files = [f"{split}/{pid}/{n}.jpg" for n, (split, pid) in enumerate(
        [("train", 0), ("train", 1), ("query", 2), ("gallery", 2), ("gallery", 3)]
    )]  # fmt: skip
    dataset = read(tmp_path, files)
    assert dataset.rejected == ()
    assert {r.identity: r.pid for r in dataset.records} == {"0": 4, "1": 1, "2": 2, "3": 3}


REJECTED = {
    "an image in no person's folder": (["train/x.jpg", "train/1/x.jpg"], "train/x.jpg", "bad_name"),
    "a folder that says no split": (["train/1/x.jpg", "old/1/x.jpg"], "old/1/x.jpg", "no_split"),
    "a negative number": (["-3/x.jpg", "1/x.jpg", "2/x.jpg"], "-3/x.jpg", "bad_name"),
    "cameras alone": (["cam1/x.jpg", "anna/x.jpg"], "cam1/x.jpg", "bad_name"),
}


@pytest.mark.parametrize(("files", "path", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_left_out_is(files: Sequence[str], path: str, reason: str, tmp_path: Path) -> None:
    dataset = read(tmp_path, files, layout="identities")
    assert {dataset.origin(i): i.reason for i in dataset.rejected} == {path: reason}
    assert len(dataset.records) == len(files) - 1


NOT_RECOGNISED = {
    "one person": ["anna/x.jpg"],
    "images beside masks": ["images/x.jpg", "masks/x.png"],
    "images alone": ["x.jpg", "y.jpg"],
    "cameras alone": ["cam1/x.jpg", "cam2/x.jpg"],
    "names of no form": ["train/x.jpg", "query/y.jpg"],
    "folders that look like splits": ["bbox_train/1/x.jpg", "bbox_train/2/x.jpg"],
    "mostly none": ["anna/x.jpg", "bo/x.jpg", "x.jpg", "y.jpg"],
}


@pytest.mark.parametrize("files", NOT_RECOGNISED.values(), ids=NOT_RECOGNISED.keys())
def test_what_may_be_something_else_is_not_recognised(files: Sequence[str], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no known layout in it") as caught:
        read(tmp_path, files)
    assert "identities: a folder for each person" in str(caught.value)


def test_a_set_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no image in it"):
        read(tmp_path, ["anna/x.txt"], layout="identities")


def test_an_expression_for_cameras_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"--camera-pattern \(: not a regular expression"):
        read(tmp_path, ["anna/x.jpg"], camera_pattern="(")


def test_every_image_can_count_as_one_of_another_camera(tmp_path: Path) -> None:
    files = ["query/1/a.jpg", "gallery/1/b.jpg", "gallery/1/c.jpg", "train/2/a.jpg"]
    dataset = read(tmp_path, files, one_camera_per_image=True)
    of_first = [record.camid for record in dataset.records if record.pid == 1]
    assert sorted(of_first) == [1, 2, 3]


def test_infrared_pairs_and_bmp_are_read(tmp_path: Path) -> None:
    """SYSU-MM01's folders, RegDB's and VIPeR's, whose pictures are BMP or grey."""
    grey = Image.new("L", (8, 16), 7)
    for path in ("Thermal/12/t_1.bmp", "Visible/12/v_1.bmp", "Visible/13/v_2.bmp"):
        (tmp_path / "regdb" / path).parent.mkdir(parents=True, exist_ok=True)
        grey.save(tmp_path / "regdb" / path)
    pattern = r"(?P<camid>Visible|Thermal)/(?P<pid>\d+)/.*"
    dataset = read_dataset(tmp_path / "regdb", pattern=pattern)
    assert [(r.name, r.camera, r.conversion) for r in dataset.records] == [
        ("0012_c1s1_000000_00.png", "Thermal", "from BMP; grey to RGB"),
        ("0012_c2s1_000000_00.png", "Visible", "from BMP; grey to RGB"),
        ("0013_c2s1_000000_00.png", "Visible", "from BMP; grey to RGB"),
    ]
    viper = [f"cam_{camera}/{pid:03}_{angle}.bmp" for pid in (0, 1) for camera, angle in
             (("a", 0), ("b", 90))]  # fmt: skip
    pattern = r"cam_(?P<camid>[ab])/(?P<pid>\d+)_.*"
    dataset = read(tmp_path / "viper", viper, pattern=pattern)
    assert {(r.identity, r.pid) for r in dataset.records} == {("000", 2), ("001", 1)}
    assert {(r.camera, r.camid) for r in dataset.records} == {("a", 1), ("b", 2)}
