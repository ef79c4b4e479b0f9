"""Masks of other tools for a build, and a build's for other tools: ``visnet-aug mask``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visnet_aug.builder.build import build, make_masks
from visnet_aug.datasets.drawn import draw_dataset
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.masks.interchange import MaskFormat
from visnet_aug.masks.store import MaskStore
from visnet_aug.recipe import Recipe
from visnet_aug.verification.verify import verify

RECIPE = Recipe(layout="market1501")


@pytest.mark.parametrize("form", ["coco", "yolo", "png"])
def test_exported_and_imported_masks_are_the_same_to_the_pixel(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, form: MaskFormat
) -> None:
    first, away, second = tmp_path / "first", tmp_path / "away", tmp_path / "second"
    computed = make_masks(
        market, first, recipe=RECIPE, segmenter=ellipses, workers=1, export=form, export_to=away
    )
    source = away / "masks.json" if form == "coco" else away
    imported = make_masks(
        market, second, recipe=RECIPE, segmenter=ellipses, workers=1, masks_from=source
    )
    assert imported.accepted == computed.accepted
    for name in computed.accepted:
        assert imported.entries[name].origin == source.name
        assert imported.entries[name].mask_sha256 == computed.entries[name].mask_sha256
    assert imported.computed == len(computed.entries) - len(computed.accepted)


def test_boxmot_s_folders_hold_the_person_and_everyone(tmp_path: Path) -> None:
    people, away, back = tmp_path / "people", tmp_path / "away", tmp_path / "back"
    draw_dataset(people, identities=4, seed=3, workers=1)
    recipe = Recipe(layout="market1501")
    masks = make_masks(
        people, tmp_path / "out", recipe=recipe, workers=1, export="boxmot", export_to=away
    )
    images = {name: f"{name}.jpg" for name in masks.accepted}  # some end in .jpg.jpg
    files = {path.name for path in (people / "bounding_box_train").iterdir()}
    odd = {name for name, image in images.items() if image not in files}
    names = {f"{name}.jpg.png" if name in odd else f"{name}.png" for name in masks.accepted}
    for folder in ("primary", "all_people"):
        assert {path.name for path in (away / folder / "train").iterdir()} == names
    for name in names:
        person, everyone = (
            np.asarray(Image.open(away / folder / "train" / name)) > 0
            for folder in ("primary", "all_people")
        )
        assert person.any()
        assert not (person & ~everyone).any()
    imported = make_masks(people, back, recipe=recipe, workers=1, masks_from=away)
    for name in masks.accepted:
        assert imported.entries[name].mask_sha256 == masks.entries[name].mask_sha256


def test_a_build_uses_imported_masks(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    masks, out = tmp_path / "theirs", tmp_path / "aug"
    masks.mkdir()
    (image, *_) = sorted((market / "bounding_box_train").glob("0002*.jpg"))
    with Image.open(image) as opened:
        left = np.zeros((opened.height, opened.width), np.uint8)
    left[:, : left.shape[1] // 2] = 1
    Image.fromarray(left).save(masks / f"{image.stem}.png")
    make_masks(market, out, recipe=RECIPE, segmenter=ellipses, workers=1, masks_from=masks)
    result = build(market, out, recipe=RECIPE, segmenter=ellipses, workers=1)
    assert result.masks is not None
    assert result.masks.computed == 0
    assert MaskStore(out).entries[image.stem].origin == "theirs"
    assert verify(out).sound


def test_imported_masks_are_judged_by_the_limits(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    masks = tmp_path / "theirs"
    masks.mkdir()
    (image, *_) = sorted((market / "bounding_box_train").glob("0002*.jpg"))
    with Image.open(image) as opened:
        Image.new("L", opened.size, 255).save(masks / f"{image.stem}.png")
    summary = make_masks(
        market, tmp_path / "aug", recipe=RECIPE, segmenter=ellipses, workers=1, masks_from=masks
    )
    assert summary.entries[image.stem].reason == "too_large"


def test_a_mask_without_an_image_is_an_error(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    masks = tmp_path / "theirs"
    masks.mkdir()
    Image.new("L", (64, 128)).save(masks / "nobody.png")
    with pytest.raises(DatasetError, match="no training image for the mask nobody"):
        make_masks(market, tmp_path / "aug", recipe=RECIPE, segmenter=ellipses, masks_from=masks)
    assert not (tmp_path / "aug").exists()


def test_nothing_is_exported_over_other_files(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        make_masks(
            market,
            tmp_path / "aug",
            recipe=RECIPE,
            segmenter=ellipses,
            export="png",
            export_to=tmp_path / "away",
        )
