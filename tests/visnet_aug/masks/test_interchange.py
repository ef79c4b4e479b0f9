"""Masks written for other tools and read again; masks as other tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest

from visnet_aug.errors import DatasetError
from visnet_aug.masks.interchange import (
    COCO_FILE,
    NamedMask,
    read_foreign_masks,
    write_foreign_masks,
)

SHAPE = (40, 20)


def ellipse(hole: bool = False, parts: int = 1) -> np.ndarray:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    mask = ((x - 9.5) / 6) ** 2 + ((y - 18) / 14) ** 2 < 1
    if hole:
        mask[15:18, 8:11] = False
    if parts == 2:
        mask[36:39, 4:8] = True
    return mask


MASKS = {"a": ellipse(), "b": ellipse(hole=True), "c": ellipse(parts=2)}


def written(to: Path, form: Literal["coco", "yolo", "png"]) -> Path:
    named = [NamedMask(f"{stem}.jpg", mask, 0.9) for stem, mask in MASKS.items()]
    assert write_foreign_masks(named, to, form) == len(MASKS)
    return to / COCO_FILE if form == "coco" else to


@pytest.mark.parametrize("form", ["png", "coco", "yolo"])
def test_a_round_trip_changes_no_pixel(
    tmp_path: Path, form: Literal["coco", "yolo", "png"]
) -> None:
    masks = read_foreign_masks(written(tmp_path / "out", form))
    assert masks.stems == set(MASKS)
    for stem, mask in MASKS.items():
        assert np.array_equal(masks.decode(stem, SHAPE), mask), stem


def test_coco_is_what_coco_s_own_reader_expects(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    coco = COCO(str(written(tmp_path, "coco")))
    for image in coco.dataset["images"]:
        (annotation,) = coco.imgToAnns[image["id"]]
        stem = Path(image["file_name"]).stem
        assert np.array_equal(coco.annToMask(annotation).astype(bool), MASKS[stem])
        assert annotation["area"] == MASKS[stem].sum()


@pytest.mark.parametrize("factor", [0.5, 2, 3.1])
def test_masks_of_another_size_are_scaled(tmp_path: Path, factor: float) -> None:
    size = round(SHAPE[1] * factor), round(SHAPE[0] * factor)
    large = cv2.resize(MASKS["a"].view(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "a.png"), large)
    found = read_foreign_masks(tmp_path).decode("a", SHAPE)
    assert found.shape == SHAPE
    assert (found & MASKS["a"]).sum() / (found | MASKS["a"]).sum() > 0.85


def test_another_shape_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40), np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png: .*40×40 pixels and its image 20×40"):
        read_foreign_masks(tmp_path).decode("a", SHAPE)


def test_of_several_people_the_crop_s_own_is_taken(tmp_path: Path) -> None:
    middle = "0 0.3 0.1 0.7 0.1 0.7 0.9 0.3 0.9"
    side = "0 0.8 0.1 1 0.1 1 0.9 0.8 0.9"
    car = "2 0 0 1 0 1 1 0 1"
    (tmp_path / "a.txt").write_text("\n".join([side, middle, car, ""]))
    mask = read_foreign_masks(tmp_path).decode("a", SHAPE)
    assert (np.flatnonzero(mask.any(axis=0))[[0, -1]] == [6, 13]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2 0.9", "line 1: a box, not a polygon"),
        ("0 0.1 0.1 0.2 0.1 0.3", "5 coordinates"),
        ("\n0 10 10 200 10 200 50", "line 2: coordinates are fractions"),
        ("person 0.1 0.1", "all numbers"),
        ("0 nan 0.1 0.2 0.1 0.3 0.4", "fractions"),
    ],
)
def test_a_bad_label_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_foreign_masks(tmp_path).decode("a", SHAPE)


def coco(**changes: Any) -> dict[str, Any]:
    content = {
        "images": [{"id": 1, "file_name": "sub\\a.jpg", "height": 40, "width": 20}],
        "categories": [{"id": 3, "name": "Person"}, {"id": 4, "name": "bag"}],
        "annotations": [
            {"image_id": 1, "category_id": 4, "segmentation": [[0, 0, 20, 0, 20, 40, 0, 40]]},
            {"image_id": 1, "category_id": 3, "segmentation": [[5, 5, 15, 5, 15, 35, 5, 35]]},
        ],
    }
    return content | changes


def test_coco_people_are_found_by_their_category(tmp_path: Path) -> None:
    (tmp_path / "cvat.json").write_text(json.dumps(coco()))
    masks = read_foreign_masks(tmp_path / "cvat.json")
    assert masks.origin == "cvat.json"
    assert masks.decode("a", SHAPE).sum() == 300


def test_uncompressed_run_lengths_are_read(tmp_path: Path) -> None:
    runs = {"size": [40, 20], "counts": [400, 40, 360]}
    people = [{"image_id": 1, "category_id": 3, "segmentation": runs}]
    (tmp_path / "a.json").write_text(json.dumps(coco(annotations=people)))
    mask = read_foreign_masks(tmp_path / "a.json").decode("a", SHAPE)
    assert mask[:, 10].all()
    assert mask.sum() == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a COCO file"),
        ("[1]", "not a COCO file"),
        ("[" * 100_000, "not a COCO file|nested too deeply"),
        (json.dumps({"images": []}), "not a COCO file.*annotations"),
        (json.dumps(coco(images=[])), "image 1, which is not listed"),
    ],
)
def test_what_is_no_coco_file_is_said_in_one_line(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_foreign_masks(tmp_path / "a.json")


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [40, 20], "counts": [5]},
        {"size": [4, 2], "counts": [8]},
        {"counts": [800]},
        [[1, 2, 3]],
        [],
        "x",
    ],
)
def test_a_bad_segmentation_names_its_image(tmp_path: Path, segmentation: Any) -> None:
    people = [{"image_id": 1, "category_id": 3, "segmentation": segmentation}]
    (tmp_path / "a.json").write_text(json.dumps(coco(annotations=people)))
    with pytest.raises(DatasetError, match=r"a\.json: a:"):
        read_foreign_masks(tmp_path / "a.json").decode("a", SHAPE)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no masks in it"),
        (["a.png", "sub/a.png"], "two masks for one image"),
        (["a.png", "a.txt"], "both PNG and .txt"),
    ],
)
def test_a_folder_without_one_kind_of_masks_is_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=message):
        read_foreign_masks(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a folder"):
        read_foreign_masks(tmp_path / "masks.zip")
