"""Builds in tar shards are verified and replayed like those in files."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from visnet_aug.builder.build import build, build_probe
from visnet_aug.builder.folder import examine
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.errors import OutputError
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.reproduction import Replayer, Variation
from visnet_aug.shards import read_bytes, read_index, shard_of
from visnet_aug.verification.verify import verify

TAR = "shards/query-000000.tar"
OPTIONS = {"workers": 1, "shards": 6}


@pytest.fixture(scope="module")
def sharded(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("sharded") / "aug"
    build(market, out, recipe=Recipe(images=30 + 17), **OPTIONS, segmenter=ellipses)
    return out


@pytest.mark.parametrize("quick", [False, True])
def test_a_finished_build_is_sound(sharded: Path, quick: bool) -> None:
    verdict = verify(sharded, quick=quick, workers=1)
    assert verdict.problems == []
    assert quick or [entry.copies for entry in verdict.fidelity] == [17]


def test_a_published_build_and_a_probe_are_sound(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    published = Recipe(images=18 + 15, composition="published")
    build(market, tmp_path / "published", recipe=published, **OPTIONS, segmenter=ellipses)
    assert verify(tmp_path / "published", source=market, workers=1).problems == []
    recipe = probe_recipe(Recipe())
    build_probe(market, tmp_path / "probe", recipe=recipe, **OPTIONS, segmenter=ellipses)
    assert verify(tmp_path / "probe", workers=1).problems == []


def in_query(root: Path) -> list[str]:
    paths = [row.path for row in read_manifest(root / "manifest.csv")]
    return sorted(path for path in paths if shard_of(path) == TAR)


def flip(tar: Path, place: int) -> None:
    data = bytearray(tar.read_bytes())
    data[place] ^= 1
    tar.write_bytes(data)


def flip_image(root: Path) -> None:
    member = read_index(root / TAR)[Path(in_query(root)[0]).name]
    flip(root / TAR, member.offset + member.size // 2)


def flip_record(root: Path) -> None:
    name = Path(in_query(root)[0]).with_suffix(".json").name
    flip(root / TAR, read_index(root / TAR)[name].offset)


def cut(root: Path) -> None:
    (root / TAR).write_bytes((root / TAR).read_bytes()[:3000])


def add(root: Path, name: str = "extra.jpg") -> None:
    with tarfile.open(root / TAR, "a") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"more"))


MISSING = [("missing", "shards/query-000000.tar/")] * 6

DAMAGES: dict[str, tuple[Callable[[Path], object], list[tuple[str, str]]]] = {
    "a bit of an image is another": (flip_image, [("changed", TAR), ("changed", f"{TAR}/")]),
    "a bit of a record is another": (flip_record, [("changed", TAR)]),
    "a bit of a header is another": (
        lambda root: flip(root / TAR, 300),  # the owner's name
        [("changed", TAR), *MISSING],
    ),
    "a bit of the padding is another": (
        lambda root: flip(root / TAR, -1),
        [("changed", TAR)],
    ),
    "a tar is gone": (lambda root: (root / TAR).unlink(), MISSING),
    "a tar is cut": (cut, [("changed", TAR), *MISSING]),
    "an image more": (add, [("changed", TAR), ("stray", f"{TAR}/extra.jpg")]),
    "an image twice": (
        lambda root: add(root, Path(in_query(root)[0]).name),
        [("changed", TAR), *MISSING],
    ),
    "a tar more": (
        lambda root: shutil.copy(root / TAR, root / "shards/query-000001.tar"),
        [("stray", "shards/query-000001.tar")],
    ),
    "a half-written tar": (
        lambda root: (root / f"{TAR}.part").write_bytes(b"half"),
        [("stray", f"{TAR}.part")],
    ),
    "a table is edited": (
        lambda root: (root / "shards/query-000000.csv").write_text("mine"),
        [("tables", "shards/query-000000.csv: changed")],
    ),
    "a table is gone": (
        lambda root: (root / "shards/query-000000.csv").unlink(),
        [("tables", "shards/query-000000.csv: cannot be read")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found_and_nothing_else(sharded: Path, tmp_path: Path, name: str) -> None:
    damage, expected = DAMAGES[name]
    root = shutil.copytree(sharded, tmp_path / "aug")
    damage(root)
    found = sorted((p.kind, p.text) for p in verify(root, quick=True, workers=1).problems)
    assert len(found) == len(expected)
    for (kind, text), (wanted, beginning) in zip(found, sorted(expected), strict=True):
        assert (kind, text[: len(beginning)]) == (wanted, beginning)


def test_checksums_that_are_none_are_a_damaged_table(sharded: Path, tmp_path: Path) -> None:
    root = shutil.copytree(sharded, tmp_path / "aug")
    report = json.loads((root / "build.json").read_text())
    (root / "build.json").write_text(json.dumps(report | {"shards": [1]}))
    (found,) = verify(root, quick=True, workers=1).problems
    assert (found.kind, found.text[:19]) == ("tables", "build.json: damaged")
    with pytest.raises(OutputError, match=r"build\.json: damaged"):
        examine(root)


def first_copy(root: Path) -> ManifestRow:
    return next(row for row in read_manifest(root / "manifest.csv") if row.kind == "augmented")


def test_a_copy_is_replayed_and_written_by_its_name(sharded: Path, tmp_path: Path) -> None:
    row = first_copy(sharded)
    (found,) = Replayer(sharded).find([Path(row.path).name])
    replay = Replayer(sharded).replay(found, tmp_path)
    assert replay.outcome == "same"
    assert replay.written == tmp_path / Path(row.path).name
    assert replay.written.read_bytes() == read_bytes(sharded, row.path)


def test_a_variation_is_written_by_its_name(sharded: Path, tmp_path: Path) -> None:
    row = first_copy(sharded)
    replay = Replayer(sharded).vary(row, Variation(family="blur", seed=3), tmp_path)
    assert replay.written is not None
    assert replay.written.parent == tmp_path
    assert "_blur_" in replay.written.name


def test_a_copy_in_a_missing_shard_is_rendered_from_its_record(
    sharded: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(sharded, tmp_path / "aug")
    rows = {row.path: row for row in read_manifest(root / "manifest.csv")}
    sources = {row.source: row for row in rows.values() if row.kind == "original"}
    row = next(
        row for row in rows.values()
        if row.kind == "augmented" and shard_of(row.path) != shard_of(sources[row.source].path)
    )  # fmt: skip
    (root / str(shard_of(row.path))).unlink()
    replay = Replayer(root).replay(row)
    assert (replay.outcome, replay.detail) == ("file differs", "No such file or directory")
