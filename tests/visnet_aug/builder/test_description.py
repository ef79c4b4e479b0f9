from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from visnet_aug.builder.build import build, make_masks
from visnet_aug.builder.description import size_class
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe, load_recipe


@pytest.mark.parametrize(
    ("images", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (42_872, "10K<n<100K"),
        (10**6, "1M<n<10M"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_have_hugging_faces_names(images: int, name: str) -> None:
    assert size_class(images) == name


@pytest.mark.parametrize(
    ("changes", "says", "says_not"),
    [
        ({}, ["(`weights: builtin`)", "found the person", "12 of 12 masks", "seed 0", "like"], []),
        ({"encoding": "jpeg:90", "seed": 7}, ["JPEGs of quality 90", "from the seed 7"], ["like"]),
        ({"encoding": "png"}, ["Copies are PNGs"], ["like"]),
        ({"weights": "/home/me/own.pt"}, ["(`weights: own.pt`)"], ["/home"]),
        (
            {"masks": {"classes": ["car", "bus"]}},
            ["found the car or bus", "object-re-identification"],
            ["person-re-identification"],
        ),
    ],
    ids=["default", "quality", "png", "own weights", "vehicles"],
)
def test_the_card_says_how_the_set_was_made(
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    changes: dict[str, object],
    says: list[str],
    says_not: list[str],
) -> None:
    recipe = Recipe.model_validate({"images": 33, **changes})
    build(market, tmp_path / "aug", recipe=recipe, workers=1, segmenter=ellipses)
    card = (tmp_path / "aug" / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["pretty_name"] in body
    section = body.partition("## How it was made")[2].partition("## Loading")[0]
    making = " ".join(f"{header} {section}".split())
    assert all(words in making for words in says), making
    assert not any(words in making for words in says_not), making
    assert max(map(len, body.splitlines())) <= 120


@pytest.mark.parametrize(
    ("options", "test_images", "says", "says_not"),
    [
        ({}, True, ["The query and gallery images are the source's, byte for byte"], ["--pass"]),
        (
            {"passthrough": "symlink"},
            True,
            ["are the source's, byte for byte", "--recipe recipe.yaml The images have the same"],
            ["link", "--passthrough"],
        ),
        ({"shards": 3}, True, ["--recipe recipe.yaml --shards 3 The images"], ["--passthrough"]),
        (
            {},
            False,
            ["the table `labels.csv`"],
            ["query images", "gallery images", "byte for byte"],
        ),
    ],
    ids=["files", "links", "shards", "training images alone, by a table"],
)
def test_the_card_says_what_is_true_of_this_set(
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    options: dict[str, Any],
    test_images: bool,
    says: list[str],
    says_not: list[str],
) -> None:
    source, recipe = market, Recipe()
    if not test_images:
        source, recipe = tmp_path / "crops", Recipe(table="labels.csv")
        shutil.copytree(market / "bounding_box_train", source)
        rows = [f"{path.name},{path.name[:4]},{path.name[6]},train" for path in source.iterdir()]
        (source / "labels.csv").write_text("\n".join(["path,pid,camid,split", *rows]))
    options = options | {"workers": 1}
    build(source, tmp_path / "aug", recipe=recipe, **options, segmenter=ellipses)
    card = in_one_line(tmp_path / "aug" / "README.md")
    assert all(words in card for words in says), card
    assert not any(words in card for words in says_not), card


def test_the_card_asks_for_masks_edited_by_hand_and_with_them_the_bytes_are_the_same(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    first, again, recipe = tmp_path / "first", tmp_path / "again", Recipe()
    make_masks(market, first, recipe=recipe, segmenter=ellipses)
    Image.new("L", (32, 64)).save(next((first / "masks").iterdir()))
    build(market, first, recipe=recipe, workers=1, segmenter=ellipses)
    assert "`masks/` and `masks.csv`, edited by hand, copied" in in_one_line(first / "README.md")
    again.mkdir()
    shutil.copytree(first / "masks", again / "masks")
    shutil.copy(first / "masks.csv", again)
    same = load_recipe(first / "recipe.yaml")
    build(market, again, recipe=same, workers=1, segmenter=ellipses)
    assert contents(again) == contents(first)


def in_one_line(card: Path) -> str:
    return " ".join(card.read_text().split())


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a set, which the report is no part of."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "report")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
