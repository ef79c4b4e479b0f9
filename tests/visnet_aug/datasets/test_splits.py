from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from visnet_aug.datasets.splits import Place, Splits, folders_of, splits_by_folder
from visnet_aug.errors import DatasetError, RecipeError

ROOT = Path("/set")


@pytest.mark.parametrize(
    ("path", "split", "folder"),
    [
        ("train/1/x.jpg", "train", "train"),
        ("Train/1/x.jpg", "train", "Train"),
        ("pytorch/train_all/1/x.jpg", "train", "pytorch/train_all"),
        ("query/x.jpg", "query", "query"),
        ("gallery/x.jpg", "gallery", "gallery"),
        ("test/1/x.jpg", "gallery", "test"),
        ("test/query/1/x.jpg", "query", "test/query"),
        ("test/gallery/1/x.jpg", "gallery", "test/gallery"),
        ("val/query/1/x.jpg", "query", "val/query"),
        ("val/gallery/1/x.jpg", "gallery", "val/gallery"),
        ("bounding_box_train/bounding_box_train/x.jpg", "train",
         "bounding_box_train/bounding_box_train"),
        ("image_test/1/query/x.jpg", "query", "image_test/1/query"),
    ],
)  # fmt: skip
def test_the_innermost_folder_decides(path: str, split: str, folder: str) -> None:
    place = Splits().find(folders_of(path))
    assert place is not None
    assert (place.split, place.folder, place.validation) == (split, folder, False)
    assert place.depth == len(folder.split("/"))


@pytest.mark.parametrize("path", ["x.jpg", "1/x.jpg", "training/x.jpg", "1/train.jpg"])
def test_other_paths_say_nothing(path: str) -> None:
    assert Splits().find(folders_of(path)) is None


def test_val_is_training_held_back() -> None:
    assert Splits().find(["val", "5"]) == Place("train", "val", 1, validation=True)


@pytest.mark.parametrize(
    "path",
    ["train/gallery/x.jpg", "query/train/x.jpg", "train/1/test/x.jpg", "gallery/query/x.jpg"],
)
def test_two_names_that_disagree_are_refused(path: str) -> None:
    with pytest.raises(DatasetError, match=r"both \w+ and \w+ on this path name a split; say .*="):
        Splits().find(folders_of(path))


@pytest.mark.parametrize(
    ("names", "split"),
    [
        ({"train/gallery": "train"}, "train"),
        ({"/train/gallery/": "train"}, "train"),
        ({"gallery": "query"}, "query"),
        ({"Train/Gallery": "skip"}, None),
    ],
)
def test_a_person_decides(names: Mapping[str, str], split: str | None) -> None:
    place = Splits(names).find(["train", "gallery"])
    assert place is not None
    assert place.split == split


def test_a_wrong_word_of_a_person_is_told() -> None:
    with pytest.raises(RecipeError, match="--split-names a=b: 'b' is not one of train, query, "):
        Splits({"a": "b"})


@pytest.mark.parametrize(
    "folders",
    [("bbox_train", "bbox_test"), ("training", "valid"), ("Testing",), ("probe", "eval-set")],
)
def test_folders_that_look_like_splits_are_asked_about(folders: tuple[str, ...]) -> None:
    origins = [f"{folder}/{n}/x.jpg" for folder in folders for n in range(3)]
    with pytest.raises(DatasetError) as caught:
        Splits().find_all(ROOT, origins)
    message = str(caught.value)
    assert all(f"{folder} (3 images)" in message for folder in folders)
    assert f"--split-names {min(folders)}=train" in message
    names = dict.fromkeys(folders, "train")
    places, notes = Splits(names).find_all(ROOT, origins)
    assert {place.split for place in places if place} == {"train"}
    assert notes == []


@pytest.mark.parametrize("person", ["valentina", "testarossa", "Trainor", "galleryx"])
def test_people_are_no_splits(person: str) -> None:
    places, notes = Splits().find_all(ROOT, [f"{person}/x.jpg", "bo/x.jpg"])
    assert places == [Place("train", ".", 0)] * 2
    assert notes == ["no split in any path: all 2 images are training images"]


def test_what_became_of_folders_is_told() -> None:
    """The first fault of a nested set: test/query became gallery."""
    origins = [
        "train/1/x",
        "val/query/5/x",
        "val/gallery/5/x",
        "test/query/6/x",
        "test/gallery/6/x",
    ]
    places, _ = Splits().find_all(ROOT, origins)
    assert splits_by_folder(places) == {
        "test/gallery": "gallery",
        "test/query": "query",
        "train": "train",
        "val/gallery": "gallery",
        "val/query": "query",
    }


def test_without_a_split_beside_others_there_is_no_place() -> None:
    places, _ = Splits().find_all(ROOT, ["train/1/x", "more/1/x"])
    assert [place and place.split for place in places] == ["train", None]
