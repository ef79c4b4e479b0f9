"""Re-identification code bases read a build as if it were Market-1501.

Where a package is installed, its own reader does; and for each one, the pattern that it publishes.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from visnet_aug.manifest import read_manifest

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}

PATTERNS = {
    "torchreid and fast-reid": r"([-\d]+)_c(\d)",
    "NVIDIA TAO": r"(\d+)_c(\d+)",
    "OpenVINO datumaro": r"^(-?\d+)_c(\d+)s\d+_\d+_\d+.*",
}
"""What each searches the names of all ``*.jpg`` of a folder for: identity and camera."""

Seen = dict[str, Counter[tuple[int, int]]]
"""How many images of each identity and camera there are in each split."""


def seen_in(root: Path) -> Seen:
    """What the manifest says; junk, which is no one's, is left out by readers."""
    rows = read_manifest(root / "manifest.csv")
    return {
        split: Counter((row.pid, row.camid) for row in rows if row.split == split and row.pid >= 0)
        for split in FOLDERS
    }


@pytest.mark.parametrize("kind", ["default", "published"])
@pytest.mark.parametrize("reader", PATTERNS)
def test_published_patterns_find_everybody(sets: dict[str, Path], reader: str, kind: str) -> None:
    pattern = re.compile(PATTERNS[reader])
    found: Seen = {}
    for split, folder in FOLDERS.items():
        names = [path.name for path in (sets[kind] / folder).glob("*.jpg")]
        matches = [pattern.search(name) for name in names if not name.startswith("-1")]
        found[split] = Counter((int(m[1]), int(m[2])) for m in matches if m)
    assert found == seen_in(sets[kind])


def test_torchreid_reads_it(sets: dict[str, Path], tmp_path: Path) -> None:
    name = "torchreid.reid.data.datasets.image.market1501"
    module = pytest.importorskip(name, reason="pip install torchreid gdown", exc_type=ImportError)
    (tmp_path / "market1501").mkdir()
    (tmp_path / "market1501" / "Market-1501-v15.09.15").symlink_to(sets["default"])
    check_reader(module.Market1501(root=str(tmp_path), verbose=False), sets["default"])


def test_fast_reid_reads_it(
    sets: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package imports a torch that is long gone; its readers need none of that."""
    spec = find_spec("fastreid")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("pip install --no-deps fastreid; pip install tabulate termcolor")
    data = ModuleType("fastreid.data")
    data.__path__ = [str(Path(place) / "data") for place in spec.submodule_search_locations]
    data.__spec__ = ModuleSpec("fastreid.data", None, is_package=True)
    monkeypatch.setitem(sys.modules, "fastreid.data", data)
    module = importlib.import_module("fastreid.data.datasets.market1501")
    (tmp_path / "Market-1501-v15.09.15").symlink_to(sets["default"])
    check_reader(module.Market1501(root=str(tmp_path), verbose=False), sets["default"])


def check_reader(reader: Any, root: Path) -> None:
    """Compare what a reader of Market-1501 found with the manifest."""
    wanted = seen_in(root)
    assert cameras_and_images(reader.train) == cameras_and_images(
        ("", pid, camid - 1) for pid, camid in wanted["train"].elements()
    )
    for split in ("query", "gallery"):
        found = Counter((int(pid), camid + 1) for _, pid, camid, *_ in getattr(reader, split))
        assert found == wanted[split]


def cameras_and_images(images: Iterable[tuple[Any, ...]]) -> list[list[tuple[int, int]]]:
    """Count images by camera for each identity, which readers number anew in training."""
    people: dict[Any, Counter[int]] = {}
    for _, pid, camid, *_ in images:
        camera = int(str(camid).rpartition("_")[2])
        people.setdefault(pid, Counter())[camera] += 1
    return sorted(sorted(cameras.items()) for cameras in people.values())
