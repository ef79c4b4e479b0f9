from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from visnet_aug.builder.build import build
from visnet_aug.builder.folder import examine, read_build_json
from visnet_aug.errors import OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.reproduction import Replayer
from visnet_aug.verification.verify import verify


@pytest.fixture
def built(market: Path, ellipses: SegmenterFactory, tmp_path: Path) -> Path:
    out = tmp_path / "aug"
    build(market, out, recipe=Recipe(images=31), workers=1, segmenter=ellipses)
    return out


def test_every_reader_refuses_the_format_of_another_version(built: Path) -> None:
    report = read_build_json(built)
    (built / "build.json").write_text(json.dumps(report | {"format": 2}))
    readers: tuple[Callable[[Path], object], ...] = (examine, verify, Replayer)
    for reader in readers:
        with pytest.raises(OutputError, match=r"build\.json: has format 2, .* reads format 1; use"):
            reader(built)


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"format": "1"}', '{"format": 1}'])
def test_a_damaged_one_is_damaged_to_every_reader(built: Path, damage: str) -> None:
    (built / "build.json").write_text(damage)
    with pytest.raises(OutputError, match=r"build\.json: damaged; restore it"):
        examine(built)
    (found,) = (found for found in verify(built).problems if "build.json" in found.text)
    assert found.text.startswith("build.json: damaged (")
    assert Replayer(built).find(["*"])
