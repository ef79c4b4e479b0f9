"""Finished builds to be damaged, and a seal for tables that were changed on purpose."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from building import BuildEach

from visnet_aug.builder.build import build
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.manifest import ManifestRow, read_manifest, write_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe

RECIPES = {
    "match": Recipe(images=30 + 17),
    "png": Recipe(images=30 + 17, encoding="png"),
    "published": Recipe(images=18 + 15, composition="published", encoding="jpeg:95"),
    "probe": probe_recipe(Recipe(encoding="png")),
}
"""Of each build; ``match`` and ``png`` have 17 copies, ``published`` has 24, 9 of them in val."""

Seal = Callable[..., None]


@pytest.fixture(scope="session")
def builds(build_each: BuildEach, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished build of each recipe, to be read only."""
    return build_each(RECIPES, tmp_path_factory.mktemp("builds"))


@pytest.fixture
def rated_copy(market: Path, rated: SegmenterFactory, tmp_path: Path) -> Path:
    """A build whose masks have a predicted quality, to be damaged."""
    build(market, tmp_path / "rated", recipe=RECIPES["match"], workers=1, segmenter=rated)
    return tmp_path / "rated"


@pytest.fixture
def copy_of(builds: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Give a copy of a build, to be damaged."""

    def copy_of(name: str) -> Path:
        return shutil.copytree(builds[name], tmp_path / "out")

    return copy_of


def seal(root: Path, name: str = "manifest.csv") -> None:
    """Let ``build.json`` list a table as it is now."""
    report = json.loads((root / "build.json").read_text())
    report["sha256"][name] = hashlib.sha256((root / name).read_bytes()).hexdigest()
    (root / "build.json").write_text(json.dumps(report))


@pytest.fixture
def change_rows() -> Seal:
    """Change rows of a manifest, or leave them out, and seal it."""

    def change_rows(
        root: Path,
        which: Callable[[ManifestRow], bool],
        change: Callable[[ManifestRow], Sequence[ManifestRow]] | None = None,
        **values: object,
    ) -> None:
        def changed(row: ManifestRow) -> Sequence[ManifestRow]:
            if not which(row):
                return [row]
            return change(row) if change else [replace(row, **values)]  # type: ignore[arg-type]

        rows = [new for row in read_manifest(root / "manifest.csv") for new in changed(row)]
        write_manifest(root / "manifest.csv", rows)
        seal(root)

    return change_rows
