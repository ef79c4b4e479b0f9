"""One set of each kind, for other people's programs to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.build import Options, build
from visnet_aug.builder.masking import SegmenterFactory
from visnet_aug.builder.probe import Probe, probe_recipe
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=30 + 17)
"""All 30 images of the small dataset and 17 copies."""


@pytest.fixture(scope="session")
def sets(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A default build, the published composition, a probe and shards, to be read only."""
    root, options = tmp_path_factory.mktemp("sets"), Options(workers=1)
    build(market, root / "default", RECIPE, options, segmenter_factory=ellipses)
    published = Recipe(composition="published", images=18 + 20)
    build(market, root / "published", published, options, segmenter_factory=ellipses)
    two = probe_recipe(RECIPE, ["blur", "noise"])
    build(market, root / "probe", two, options, product=Probe(), segmenter_factory=ellipses)
    shards = Options(workers=1, shards=5)
    build(market, root / "shards", RECIPE, shards, segmenter_factory=ellipses)
    return {path.name: path for path in root.iterdir()}
