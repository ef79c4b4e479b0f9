"""A build in tar shards: what plain WebDataset reads of it, and that it is the build in files."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.crash import tree
from benchmarks.killed import Kill
from visnet_aug.builder import packing
from visnet_aug.builder.build import build, build_probe, dry_run
from visnet_aug.builder.engine import Context, Passthrough
from visnet_aug.builder.packing import (
    Sample,
    Shard,
    StoppedError,
    check_count,
    pack,
    share_out,
    write_shard,
)
from visnet_aug.builder.plan import Kept, Plan
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.builder.rows import Provenance, image_record
from visnet_aug.builder.worker import Worker
from visnet_aug.datasets import read_dataset
from visnet_aug.errors import OutputError, PlanError, RecipeError
from visnet_aug.manifest import ManifestSplit, read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.shards import read_bytes, read_index, shard_of

RECIPE = Recipe(images=30 + 17)
"""All 30 images of the small dataset and 17 copies: 29 train, 6 query, 12 gallery."""

SHARDS: dict[str, Any] = {"workers": 2, "shards": 6}
TARS = ["gallery-000000", "gallery-000001", "query-000000", "train-000000", "train-000001",
        "train-000002"]  # fmt: skip


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A build in six shards, to be read only."""
    out = tmp_path_factory.mktemp("sharded") / "aug"
    result = build(market, out, recipe=RECIPE, **SHARDS, segmenter=ellipses)
    assert (result.made, result.found, result.was_there) == (47, 0, False)
    return out


@pytest.fixture(scope="module")
def in_files(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same build in files, to be read only."""
    out = tmp_path_factory.mktemp("files") / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    return out


def test_the_output_is_shards_with_their_tables_instead_of_folders(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == [
        "README.md", "build.json", "croissant.json", "manifest.csv", "masks", "masks.csv",
        "recipe.yaml", "rejected.csv", "report", "shards",
    ]  # fmt: skip
    there = sorted(path.name for path in (built / "shards").iterdir())
    assert there == sorted(f"{tar}.{suffix}" for tar in TARS for suffix in ("csv", "tar"))


def test_images_and_rows_are_those_of_the_build_in_files(built: Path, in_files: Path) -> None:
    """In the same order, too, which is the order that training draws batches from."""
    sharded, single = (read_manifest(root / "manifest.csv") for root in (built, in_files))
    assert [replace(row, path="") for row in sharded] == [replace(row, path="") for row in single]
    for row, file in zip(sharded, single, strict=True):
        assert re.fullmatch(rf"shards/{row.split}-00000\d\.tar/[^./]+\.jpg", row.path)
        assert read_bytes(built, row.path) == (in_files / file.path).read_bytes()


def test_plain_webdataset_reads_every_sample(built: Path) -> None:
    from webdataset import WebDataset

    rows = {row.path: row for row in read_manifest(built / "manifest.csv")}
    urls = [str(built / f"shards/{tar}.tar") for tar in TARS]
    pattern = str(built / "shards/train-{000000..000002}.tar")
    samples = list(WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(samples) == len(rows) == 47
    for sample in samples:
        row = rows[f"shards/{Path(sample['__url__']).name}/{sample['__key__']}.jpg"]
        assert sample["jpg"].shape == (row.height, row.width, 3)
        assert sample["json"] == image_record(row)
        assert None not in sample["json"].values()
        person = (sample["mask.png"] > 0).mean()
        assert np.isclose(person, row.mask_area or 0, atol=1e-6)
        assert (person > 0) == (row.mask is not None)
    training = WebDataset(pattern, shardshuffle=False).decode("pil").to_tuple("jpg", "json")
    assert sum(record["split"] == "train" for _, record in training) == 29


def test_the_code_in_the_card_reads_the_training_images(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r"```python\n(.*?)```", (built / "README.md").read_text(), re.DOTALL)
    assert code is not None
    scope: dict[str, Any] = {"seen": []}
    monkeypatch.chdir(built)
    exec(code[1].replace("...", "seen.append((image.size, mask.size, record['split']))"), scope)
    assert scope["seen"] == [((32, 64), (32, 64), "train")] * 29


def test_a_sample_holds_the_bytes_of_its_mask(built: Path) -> None:
    row = next(row for row in read_manifest(built / "manifest.csv") if row.kind == "augmented")
    mask = row.path.removesuffix(".jpg") + ".mask.png"
    assert read_bytes(built, mask) == (built / str(row.mask)).read_bytes()


def test_the_table_beside_a_shard_is_a_manifest_of_it(built: Path) -> None:
    whole = {row.path: row for row in read_manifest(built / "manifest.csv")}
    for tar in TARS:
        rows = read_manifest(built / f"shards/{tar}.csv")
        images = [name for name in read_index(built / f"shards/{tar}.tar") if "jpg" in name]
        assert sorted(row.path for row in rows) == sorted(f"{tar}.tar/{name}" for name in images)
        for row in rows:
            same = whole.pop(f"shards/{row.path}")
            assert replace(row, path=same.path, mask=same.mask) == same
            if row.mask is not None:
                assert read_bytes(built / "shards", row.mask)
    assert not whole


def test_a_shard_says_nothing_of_when_and_by_whom(built: Path) -> None:
    for tar in TARS:
        with tarfile.open(built / f"shards/{tar}.tar") as file:
            for member in file:
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o444)
                assert (member.uname, member.gname) == ("visnet", "visnet")


def test_build_json_has_the_checksums(built: Path) -> None:
    report = json.loads((built / "build.json").read_text())
    assert report["identity"]["shards"] == 6
    assert list(report["shards"]) == [f"shards/{tar}.tar" for tar in TARS]
    for path, sha256 in (report["shards"] | report["sha256"]).items():
        assert hashlib.sha256((built / path).read_bytes()).hexdigest() == sha256
    assert {f"shards/{tar}.csv" for tar in TARS} < set(report["sha256"])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bytes_whatever_the_workers(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path, workers: int
) -> None:
    build(
        market,
        tmp_path / "aug",
        recipe=RECIPE,
        **(SHARDS | {"workers": workers}),
        segmenter=ellipses,
    )
    assert tree(tmp_path / "aug") == tree(built)


def test_a_doubled_suffix_is_none_of_the_key(market: Path, built: Path) -> None:
    assert (market / "bounding_box_train/0002_c2s1_001022_00.jpg.jpg").exists()
    names = {row.source: Path(row.path).name for row in read_manifest(built / "manifest.csv")
             if row.kind == "original"}  # fmt: skip
    assert names["bounding_box_train/0002_c2s1_001022_00.jpg.jpg"] == "0002_c2s1_001022_00.jpg"


# What goes where.


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(["train", "val", "query", "gallery"]), st.integers(1, 60),
                    min_size=1),
    st.integers(1, 80),
)  # fmt: skip
def test_shards_are_shared_out_so_that_the_largest_are_small(
    sizes: dict[ManifestSplit, int], count: int
) -> None:
    assume(len(sizes) <= count <= sum(sizes.values()))
    shares = share_out(count, sizes)
    assert sum(shares.values()) == count
    assert all(1 <= shares[split] <= size for split, size in sizes.items())
    largest = max(sizes[split] / shares[split] for split in sizes)
    for split, size in sizes.items():  # no shard could have been spared for the largest
        assert shares[split] == 1 or size / (shares[split] - 1) >= largest


@pytest.fixture(scope="module")
def plan(market: Path) -> Plan:
    """All 30 images of three splits as they are."""
    records = read_dataset(market).records
    return Plan(tuple(Kept(record, f"{record.split}/{record.name}") for record in records), (), "")


@pytest.mark.parametrize(("count", "possible"), [(2, False), (3, True), (30, True), (31, False)])
def test_each_split_needs_a_shard_and_each_shard_an_image(
    plan: Plan, count: int, possible: bool
) -> None:
    told = r"each of train, query, gallery needs one.* ask for 3 to 30"
    with nullcontext() if possible else pytest.raises(PlanError, match=told):
        check_count(count, plan)


def test_a_splits_shards_are_even_and_shuffled(plan: Plan) -> None:

    def packed(seed: int) -> tuple[Shard, ...]:
        return pack(plan, 7, seed, lambda image: Provenance("", None))

    made = packed(1)
    assert [len(shard.members) for shard in made] == [4, 4, 4, 3, 3, 6, 6]
    where = {member.image.path: shard.path for shard in made for member in shard.members}
    assert where.keys() == {image.path for image in plan.images}
    assert packed(1) == made
    assert {m.image.path: s.path for s in packed(2) for m in s.members} != where
    train = [member.image.path for shard in made[:3] for member in shard.members]
    assert train != sorted(train)
    assert Counter(re.sub(r"\d+", "", shard.path) for shard in made) == {
        "shards/train-.tar": 3, "shards/query-.tar": 2, "shards/gallery-.tar": 2,
    }  # fmt: skip


def test_a_shard_that_is_stopped_leaves_nothing(market: Path, tmp_path: Path) -> None:
    records = read_dataset(market).split("query")
    plan = Plan(tuple(Kept(record, record.name) for record in records), (), "")
    (shard,) = pack(plan, 1, 0, lambda image: Provenance("", None))
    (tmp_path / "shards").mkdir()
    turns = iter([False, False, True])
    with pytest.raises(StoppedError):
        Worker(Context(RECIPE, tmp_path, "clone"), turns.__next__).make(shard)
    assert list((tmp_path / "shards").iterdir()) == []


def test_a_shard_on_a_full_disk_is_an_error_and_leaves_nothing(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    row = read_manifest(built / "manifest.csv")[0]
    monkeypatch.setattr(Path, "open", lambda path, mode: (path.touch(), FullDisk())[1])
    with pytest.raises(OutputError, match=r"x\.tar: cannot be written \(No space left"):
        write_shard(tmp_path / "x.tar", [Sample(b"image", row, b"mask")] * 100)
    assert list(tmp_path.iterdir()) == []


# Refused, or another build.


@pytest.mark.parametrize("passthrough", ["hardlink", "symlink"])
def test_links_cannot_be_in_a_tar(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, passthrough: Passthrough
) -> None:
    options: dict[str, Any] = {"shards": 6, "passthrough": passthrough}
    for refused in (build, dry_run):
        with pytest.raises(RecipeError, match=f"--shards with --passthrough {passthrough}"):
            refused(market, tmp_path / "aug", recipe=RECIPE, **options, segmenter=ellipses)
    assert not (tmp_path / "aug").exists()


def test_without_webdataset_it_is_said_how_to_get_it(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'visnet\[shards\]'"):
        build(market, tmp_path / "aug", recipe=RECIPE, **SHARDS, segmenter=ellipses)


@pytest.mark.parametrize("count", [2, 48])
def test_a_number_of_shards_that_cannot_be_is_refused(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, count: int
) -> None:
    for refused in (dry_run, build):
        with pytest.raises(PlanError, match=f"cannot make {count} shards: .* ask for 3 to 47"):
            refused(
                market,
                tmp_path / "aug",
                recipe=RECIPE,
                **(SHARDS | {"shards": count}),
                segmenter=ellipses,
            )


@pytest.mark.parametrize(
    ("there", "here"), [(6, None), (None, 6), (6, 7)], ids=["to files", "to shards", "others"]
)
def test_another_number_of_shards_is_another_build(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, there: int | None, here: int | None
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, shards=there, segmenter=ellipses)
    options: dict[str, Any] = {"workers": 1, "shards": here}
    with pytest.raises(OutputError, match="shards is"):
        build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
    build(market, out, recipe=RECIPE, **(options | {"force": True}), segmenter=ellipses)
    fresh = tmp_path / "fresh"
    build(market, fresh, recipe=RECIPE, **options, segmenter=ellipses)
    assert tree(out) == tree(fresh)


def test_a_foreign_file_beside_shards_is_refused_and_kept(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, **(SHARDS | {"workers": 1}), segmenter=ellipses)
    (out / "shards/mine.tar").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"mine\.tar: does not belong to this build"):
        build(market, out, recipe=RECIPE, **(SHARDS | {"force": True}), segmenter=ellipses)
    assert (out / "shards/mine.tar").read_bytes() == b"mine"
    assert (out / "shards/train-000000.tar").exists()


def test_a_probe_can_be_in_shards(market: Path, ellipses: SegmenterFactory, tmp_path: Path) -> None:
    recipe = probe_recipe(Recipe(), ["blur", "noise"])
    options: dict[str, Any] = {"workers": 1, "shards": 6}
    build_probe(market, tmp_path / "probe", recipe=recipe, **options, segmenter=ellipses)
    rows = read_manifest(tmp_path / "probe/manifest.csv")
    assert Counter(row.split for row in rows) == {
        "query": 6, "gallery": 9, "probe-query": 12, "probe-gallery": 18,
    }  # fmt: skip
    for row in rows:
        assert str(shard_of(row.path)).startswith(f"shards/{row.split}-00000")
        data = read_bytes(tmp_path / "probe", row.path)
        assert hashlib.sha256(data).hexdigest() == row.sha256


# Killed, damaged, changed.


def flip(tar: Path) -> None:
    """Change one bit."""
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from fake_segmenters import Ellipses
from benchmarks.killed import arm
from visnet_aug.cli.main import main
from visnet_aug.builder import build
from visnet_aug.masks.compute import SegmenterSource

arm(__name__)
build.build.__kwdefaults__["segmenter"] = lambda *_: SegmenterSource("ellipses", Ellipses)
if __name__ == "__main__":
    main()
"""


def test_killed_again_and_again_it_ends_with_the_same_bytes(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    tests, out = Path(__file__).parents[2], tmp_path / "aug"
    script = tmp_path / "killed.py"
    script.write_text(SCRIPT.format(tests=str(tests)))
    tar, table = r"shards/[^/]*\.tar", r"shards/[^/]*\.csv"
    kills = [
        Kill(str(out), "worker", 3, "all", tar),  # as a second shard is begun
        Kill(str(out), "worker", 2, "main", tar),  # before one gets its name
        Kill(str(out), "main", 5, "all", table),
        Kill(str(out), "main", 1, "all", r"/manifest\.csv$"),
    ]
    for kill in kills:
        process = subprocess.run(
            [sys.executable, str(script), "build", "--images", "47", "--workers", "2",
             "--shards", "6", "--src", str(market), "--out", str(out)],
            env={**kill.environment, "PYTHONPATH": f"{tests.parent}:{tests}/shared"},
            start_new_session=True, capture_output=True, check=False,
        )  # fmt: skip
        assert process.returncode == -signal.SIGKILL, process.stderr
        assert not (out / "manifest.csv").exists()
    flip(out / "shards/train-000001.tar")
    result = build(market, out, recipe=RECIPE, **SHARDS, segmenter=ellipses)
    assert (result.made, result.found) == (10, 37)
    assert tree(out) == tree(built)


def test_a_finished_builds_shards_are_made_again_where_they_are_harmed(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = shutil.copytree(built, tmp_path / "aug")
    (out / "shards/query-000000.tar").unlink()
    flip(out / "shards/train-000001.tar")
    result = build(market, out, recipe=RECIPE, **SHARDS, segmenter=ellipses)
    assert (result.made, result.found) == (6 + 10, 47 - 16)
    assert tree(out) == tree(built)


def test_an_impossible_number_is_refused_before_any_mask_is_computed(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    with pytest.raises(PlanError, match=r"cannot make 48 shards.* ask for 3 to 47"):
        build(market, out, recipe=RECIPE, **(SHARDS | {"shards": 48}), segmenter=ellipses)
    assert not out.exists()


def test_where_some_are_jpegs_and_some_pngs_the_card_sends_nobody_to_datasets(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    recipe = RECIPE.replace(encoding="png")
    build(market, tmp_path / "aug", recipe=recipe, **SHARDS, segmenter=ellipses)
    mixed, plain = (" ".join((root / "README.md").read_text().split())
                    for root in (tmp_path / "aug", built))  # fmt: skip
    assert "`load_dataset(" in plain
    assert "`load_dataset(" not in mixed
    assert "some are JPEGs, some PNGs" in mixed
