"""One set of each kind, for other people's programs to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.build import build, build_probe
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=30 + 17)
"""All 30 images of the small dataset and 17 copies."""


@pytest.fixture(scope="session")
def sets(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A default build, the published composition, a probe and shards, to be read only."""
    root, options = tmp_path_factory.mktemp("sets"), {"workers": 1}
    build(market, root / "default", recipe=RECIPE, **options, segmenter=ellipses)
    published = Recipe(composition="published", images=18 + 20)
    build(market, root / "published", recipe=published, **options, segmenter=ellipses)
    two = probe_recipe(RECIPE, ["blur", "noise"])
    build_probe(market, root / "probe", recipe=two, **options, segmenter=ellipses)
    shards = {"workers": 1, "shards": 5}
    build(market, root / "shards", recipe=RECIPE, **shards, segmenter=ellipses)
    return {path.name: path for path in root.iterdir()}
