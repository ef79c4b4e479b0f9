from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from visnet_aug.datasets import KNOWN
from visnet_aug.datasets.recognition import recognise
from visnet_aug.errors import DatasetError

SHARED = ("bounding_box_train", "query", "bounding_box_test")


def make(root: Path, folders: Sequence[str], train: Sequence[str] = ()) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
    for name in train:
        (root / folders[0] / name).touch()
    return root


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["0002_c1s1_000451_03.jpg"], "market1501"),
        (["0002_c1_f0044158.jpg"], "dukemtmcreid"),
        (["0001_c1_1.png"], "cuhk03-np"),
        (["-1_c1s1_000451_03.jpg", "0002_c1s1_000451_03.jpg", "notes.txt"], "market1501"),
        (["Thumbs.db", ".DS_Store", "0002_c1_f0044158.jpg"], "dukemtmcreid"),
    ],
)
def test_names_decide_between_layouts_with_the_same_folders(
    names: Sequence[str], layout: str, tmp_path: Path
) -> None:
    found, why = recognise(make(tmp_path, SHARED, names))
    assert found.name == layout
    own = next(name for name in sorted(names) if "_c1" in name)
    assert why == f"bounding_box_train, query, bounding_box_test with names like {own}"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.jpg"],
        ["0002_c1s1_000451_03.jpg", "0002_c1_f0044158.jpg"],
        ["0002_c1s1_000451_03.jpg", "a.jpg", "b.jpg"],
    ],
)
def test_what_most_names_are_not_is_not_recognised(names: Sequence[str], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no known layout in it") as caught:
        recognise(make(tmp_path / "set", SHARED, names))
    message = str(caught.value)
    assert all(f"{layout}: " in message for layout in KNOWN)
    assert "--table FILE" in message
    assert "--pattern REGEX" in message
    assert "\n" not in message


def test_two_layouts_in_one_folder_are_asked_about(tmp_path: Path) -> None:
    make(tmp_path, SHARED, ["0002_c1s1_000451_03.jpg"])
    make(tmp_path, ["image_train", "image_query", "image_test"], ["0001_c001_00016450_0.jpg"])
    with pytest.raises(DatasetError, match=r"like market1501 \(.*\) and like veri776 \(") as told:
        recognise(tmp_path)
    assert str(told.value).endswith("choose one with --layout market1501 or veri776")


@pytest.mark.parametrize("where", [".", "outer", "outer/set/query"])
def test_a_dataset_nearby_is_proposed(where: str, tmp_path: Path) -> None:
    make(tmp_path / "outer/set", SHARED, ["0002_c1_f0044158.jpg"])
    with pytest.raises(DatasetError, match=r"did you mean .*/outer/set \(dukemtmcreid\)\?$"):
        recognise(tmp_path / where)
