"""Small shared fixtures: a dataset in Market-1501's layout and a segmenter without a network."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from building import BuildEach
from fake_segmenters import Ellipses, Rated
from PIL import Image

from visnet_aug.builder.build import build, build_probe
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.recipe import Recipe

SPLITS = {
    "bounding_box_train": [1, 2, 3, 4],
    "query": [11, 12],
    "bounding_box_test": [11, 12, 0, -1],
}
"""Identities of the small dataset by folder; three images of each, from three cameras."""


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Find a file of real people's images or labels, which no repository may hold.

    They are ``shared/data/NAME`` in the project's folder or one above it: ``market1501-dev.zip``
    (a part of Market-1501, in its layout), ``market1501-labels.npz`` (who is on which of its test
    images), ``person-masks.zip`` (crops with their masks). Tests that need one are skipped
    where it is not.
    """

    def find(name: str) -> Path:
        for folder in Path(__file__).resolve().parents[1:]:
            if (path := folder / "shared" / "data" / name).is_file():
                return path
        pytest.skip(f"no shared/data/{name} here or above: real data are not in the repository")

    return find


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Make a JPEG of coloured noise; the same seed gives the same bytes."""

    def make(seed: int, size: tuple[int, int] = (32, 64), quality: int = 75) -> bytes:
        width, height = size
        cells = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), np.uint8)
        picture = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=2)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def make_market(jpeg: Callable[..., bytes]) -> Callable[[Path], Path]:
    """Write a small dataset with odd names: 12 training, 6 query and 12 gallery images."""

    def make(root: Path) -> Path:
        seeds = itertools.count()
        for folder, pids in SPLITS.items():
            (root / folder).mkdir(parents=True)
            for pid, camid in itertools.product(pids, (1, 2, 3)):
                who = "-1" if pid < 0 else f"{pid:04}"
                odd = ".jpg.jpg" if (pid, camid) == (2, 2) else ".jpg"
                name = f"{who}_c{camid}s1_{1000 + 10 * pid + camid:06}_00{odd}"
                (root / folder / name).write_bytes(jpeg(next(seeds)))
        (root / "query" / "Thumbs.db").write_bytes(b"litter")
        return root

    return make


@pytest.fixture(scope="session")
def market(make_market: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the small dataset, to be read only."""
    return make_market(tmp_path_factory.mktemp("market") / "set")


@pytest.fixture(scope="session")
def ellipses() -> SegmenterFactory:
    """A segmenter that needs no network."""
    return lambda weights, device, settings: SegmenterSource("ellipses", cast(Any, Ellipses))


@pytest.fixture(scope="session")
def rated() -> SegmenterFactory:
    """A segmenter that needs no network and predicts the quality of its masks."""
    return lambda weights, device, settings: SegmenterSource("rated", cast(Any, Rated))


@pytest.fixture(scope="session")
def build_each(market: Path, ellipses: SegmenterFactory) -> BuildEach:
    """Build by each of some recipes; the one named ``probe`` gives a probe."""

    def build_each(recipes: Mapping[str, Recipe], root: Path) -> dict[str, Path]:
        for name, recipe in recipes.items():
            make = build_probe if name == "probe" else build
            make(market, root / name, recipe=recipe, workers=1, segmenter=ellipses)
        return {name: root / name for name in recipes}

    return build_each
