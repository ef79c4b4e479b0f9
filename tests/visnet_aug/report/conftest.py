"""Finished builds to make reports of, one of them full of names that look like markup."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from fake_segmenters import Picky

from visnet_aug.builder.build import build, build_probe
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.manifest import ManifestRow, read_manifest, write_manifest
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.recipe import Recipe
from visnet_aug.report.site import write_report

RECIPES = {
    "set": Recipe(images=30 + 17),
    "published": Recipe(images=18 + 14, composition="published", encoding="png"),
    "probe": probe_recipe(Recipe(), ["blur", "noise"]),
}
"""``set`` has 17 copies of 12 images; ``published`` has 22, 8 of them in val."""

HOSTILE = "<script>owned=1<'\"><img src=x onerror=owned=1>&lt;\u2028${owned=1}`"
"""What may be in a file's name; with a slash, in texts."""

HOSTILE_TEXT = f"</script></pre>--><script>owned=1</script>{HOSTILE}"


SHUNNED = "0002_c1s1_001021_00"
"""The training image whose mask is rejected."""


@pytest.fixture(scope="session")
def picky(market: Path) -> SegmenterFactory:
    """A segmenter that rejects one image's mask."""
    shunned = market / "bounding_box_train" / f"{SHUNNED}.jpg"
    return lambda weights, device, settings: SegmenterSource(
        "picky", cast(Any, partial(Picky, shunned))
    )


@pytest.fixture(scope="session")
def reports(
    market: Path, picky: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A build of each recipe with its report, to be read only."""
    root = tmp_path_factory.mktemp("reports")
    for name, recipe in RECIPES.items():
        make = build_probe if name == "probe" else build
        make(market, root / name, recipe=recipe, workers=1, segmenter=picky)
        write_report(root / name, workers=1)
    return {name: root / name for name in RECIPES}


@pytest.fixture(scope="session")
def rated_set(
    market: Path, rated: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A build with its report whose masks have a predicted quality, to be read only."""
    root = tmp_path_factory.mktemp("rated") / "set"
    build(market, root, recipe=RECIPES["set"], workers=1, segmenter=rated)
    write_report(root, workers=1)
    return root


@pytest.fixture
def copy_of(reports: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Give a copy of a build without its report, to be changed."""

    def copy_of(name: str) -> Path:
        ignore = shutil.ignore_patterns("report")
        return shutil.copytree(reports[name], tmp_path / "out", ignore=ignore)

    return copy_of


@pytest.fixture(scope="session")
def hostile(reports: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build and its report whose every name and text tries to be markup."""
    root = tmp_path_factory.mktemp("hostile") / HOSTILE
    shutil.copytree(reports["set"], root, ignore=shutil.ignore_patterns("report"))

    def renamed(row: ManifestRow) -> ManifestRow:
        folder, _, name = row.path.rpartition("/")
        path = f"{folder}/{HOSTILE}{name}"
        (root / row.path).rename(root / path)
        if row.kind == "original":
            return replace(row, path=path, source=path)
        return replace(
            row,
            path=path,
            source=f"{folder}/{HOSTILE}{row.source.rpartition('/')[2]}",
            family=HOSTILE,
            variant=HOSTILE,
            params={HOSTILE_TEXT: HOSTILE_TEXT, "__proto__": 1},
        )

    rows = [renamed(row) for row in read_manifest(root / "manifest.csv")]
    write_manifest(root / "manifest.csv", rows)
    table = (root / "masks.csv").read_text().splitlines(keepends=True)
    name = HOSTILE.replace('"', '""')
    lines = [f'"{name}{line.replace(",", chr(34) + ",", 1)}' for line in table[1:]]
    (root / "masks.csv").write_text("".join([table[0], *lines]))
    quoted = HOSTILE_TEXT.replace('"', '""')
    with (root / "rejected.csv").open("a") as file:
        file.write(f'"{quoted}",train,read,"{quoted}","{quoted}"\n')
    (root / "recipe.yaml").write_text(f"# {HOSTILE_TEXT}\nbuild: 1\n")
    report = json.loads((root / "build.json").read_text())
    report["identity"][HOSTILE_TEXT] = report["arithmetic"] = HOSTILE_TEXT
    report["identity"]["versions"] = {HOSTILE_TEXT: HOSTILE_TEXT}
    report["sha256"][HOSTILE] = HOSTILE_TEXT
    (root / "build.json").write_text(json.dumps(report))
    write_report(root, workers=1)
    return root
