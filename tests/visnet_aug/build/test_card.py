from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from visnet_aug.build.build import Options, build
from visnet_aug.build.card import size_class
from visnet_aug.build.masking import SegmenterFactory
from visnet_aug.recipe import Recipe


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
    build(market, tmp_path / "aug", recipe, Options(workers=1), segmenter_factory=ellipses)
    card = (tmp_path / "aug" / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["pretty_name"] in body
    section = body.partition("## How it was made")[2].partition("## Loading")[0]
    making = " ".join(f"{header} {section}".split())
    assert all(words in making for words in says), making
    assert not any(words in making for words in says_not), making
    assert max(map(len, body.splitlines())) <= 120
