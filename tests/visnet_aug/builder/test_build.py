from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visnet_aug.builder.build import Observer, build, dry_run, make_masks
from visnet_aug.builder.engine import Passthrough
from visnet_aug.errors import DatasetError, OutputError, PlanError, WeightsError
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe, load_recipe

RECIPE = Recipe(images=30 + 17)
"""All 30 images of the small dataset and 17 copies."""

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
TABLES = {f"{folder}/metadata.csv" for folder in FOLDERS}
"""What is beside the images in their folders."""

Market = Callable[[Path], Path]


def tree(root: Path) -> dict[str, bytes]:
    """All files of a set; how long it took, in ``report``, is no part of it."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.parent != root / "report"
    }


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An uninterrupted build by two workers, to be read only."""
    out = tmp_path_factory.mktemp("built") / "aug"
    result = build(market, out, recipe=RECIPE, workers=2, segmenter=ellipses)
    assert (result.made, result.found, result.was_there) == (47, 0, False)
    return out


def test_the_output_is_the_layout_with_its_tables_and_nothing_else(
    built: Path, market: Path
) -> None:
    assert sorted(path.name for path in built.iterdir()) == [
        "README.md", "bounding_box_test", "bounding_box_train", "build.json", "croissant.json",
        "manifest.csv", "masks", "masks.csv", "query", "recipe.yaml", "rejected.csv", "report",
    ]  # fmt: skip
    rows = read_manifest(built / "manifest.csv")
    files = {path for path in tree(built) if "/" in path and not path.startswith("masks/")}
    assert {row.path for row in rows} | TABLES == files
    assert Counter((row.split, row.kind) for row in rows) == {
        ("train", "original"): 12,
        ("train", "augmented"): 17,
        ("query", "original"): 6,
        ("gallery", "original"): 12,
    }
    for row in rows:
        if row.kind == "original":
            assert row.path == row.source
            assert (built / row.path).read_bytes() == (market / row.source).read_bytes()


def test_the_manifest_says_where_each_image_comes_from(built: Path) -> None:
    rows = {row.path: row for row in read_manifest(built / "manifest.csv")}
    doubled = rows["bounding_box_train/0002_c2s1_001022_00.jpg.jpg"]
    assert (doubled.pid, doubled.camid, doubled.sequence, doubled.frame) == (2, 2, 1, 1022)
    assert doubled.mask == "masks/0002_c2s1_001022_00.png"
    assert rows["query/0011_c1s1_001111_00.jpg"].mask is None
    junk = [row for row in rows.values() if row.pid == -1]
    assert {row.split for row in junk} == {"gallery"}
    for row in rows.values():
        if row.kind == "augmented":
            source = rows[row.source]
            assert (row.pid, row.camid, row.mask) == (source.pid, source.camid, source.mask)
            assert (built / str(row.mask)).is_file()
            stem = row.source.rpartition("/")[2].split(".")[0]
            assert row.path == f"bounding_box_train/{stem}_{row.copy}_{row.family}.jpg"
            assert row.params is not None
            assert row.params["variant"] == row.variant


def test_build_json_and_the_card_tell_the_truth(built: Path) -> None:
    report = json.loads((built / "build.json").read_text())
    assert report["images"] == 47
    assert report["splits"]["train"] == {
        "images": 29, "identities": 4, "cameras": 3, "originals": 12, "copies": 17,
    }  # fmt: skip
    assert report["splits"]["gallery"]["identities"] == 2
    assert sum(report["families"].values()) == 17
    assert report["masks"] == {"accepted": 12, "rejected": {}, "edited": 0}
    assert {"visnet", "opencv", "numpy", "pillow", "albumentations", "jpeg", "zlib"} <= set(
        report["identity"]["versions"]
    )
    for name, digest in report["sha256"].items():
        assert hashlib.sha256((built / name).read_bytes()).hexdigest() == digest
    assert set(report["sha256"]) == TABLES | {
        "manifest.csv", "recipe.yaml", "rejected.csv", "README.md", "croissant.json",
    }  # fmt: skip
    card = (built / "README.md").read_text()
    assert "| train | 29 | 12 | 17 | 4 | 3 |" in card
    assert "12 originals + 17 copies + 6 query + 12 gallery = 47" in card
    assert load_recipe(built / "recipe.yaml") == RECIPE.resolved("market1501")


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bytes_whatever_the_workers(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path, workers: int
) -> None:
    build(market, tmp_path / "aug", recipe=RECIPE, workers=workers, segmenter=ellipses)
    assert tree(tmp_path / "aug") == tree(built)


def test_a_script_gives_paths_as_text_and_the_number_of_images_by_itself(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(str(market), str(out), images=47, workers=1, segmenter=ellipses)
    assert tree(out) == tree(built)


@pytest.mark.parametrize("passthrough", ["hardlink", "symlink"])
def test_links_give_the_same_images(
    built: Path,
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    passthrough: Passthrough,
) -> None:
    out, options = tmp_path / "aug", {"workers": 1, "passthrough": passthrough}
    build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
    linked, copied = tree(out), tree(built)
    assert linked.pop("build.json") != copied.pop("build.json")
    assert linked == copied
    query = out / "query" / "0011_c1s1_001111_00.jpg"
    assert query.samefile(market / "query" / query.name)
    assert build(market, out, recipe=RECIPE, **options, segmenter=ellipses).was_there


def test_the_same_bytes_wherever_the_source_lies(
    built: Path, make_market: Market, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    elsewhere = make_market(tmp_path / "elsewhere")
    build(elsewhere, tmp_path / "aug", recipe=RECIPE, workers=1, segmenter=ellipses)
    assert tree(tmp_path / "aug") == tree(built)


def test_a_finished_build_is_left_alone(
    built: Path, market: Path, ellipses: SegmenterFactory
) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}

    key = ellipses("builtin", "cpu", RECIPE.masks).key
    stored = SegmenterSource(key, lambda: pytest.fail("the masks are stored"))
    result = build(market, built, recipe=RECIPE, segmenter=lambda *_: stored)
    assert (result.was_there, result.made, result.found) == (True, 0, 47)
    assert result.summary.total == 47
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


@pytest.mark.parametrize(
    "name", ["README.md", "croissant.json", "recipe.yaml", "bounding_box_train/metadata.csv"]
)
def test_a_table_that_is_missing_is_made_again(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "aug"
    shutil.copytree(built, out)
    (out / name).unlink()
    result = build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert (result.was_there, result.made, result.found) == (False, 0, 47)
    assert tree(out) == tree(built)


def test_a_table_that_was_half_written_at_a_kill_does_not_stay(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    shutil.copytree(built, out)
    (out / "manifest.parquet.part").touch()
    assert build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses).was_there
    assert tree(out) == tree(built)


def test_replacing_goes_on_with_the_same_build_if_it_was_interrupted(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out, options = tmp_path / "aug", {"workers": 1, "force": True}

    class Stop(Observer):
        def stage(self, name: str) -> AbstractContextManager[Advance]:
            if name == "render":
                raise KeyboardInterrupt
            return super().stage(name)

    other = RECIPE.replace(seed=9)
    build(market, out, recipe=other, workers=1, segmenter=ellipses)
    with pytest.raises(KeyboardInterrupt):
        build(market, out, recipe=RECIPE, **options, segmenter=ellipses, observer=Stop())
    result = build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
    assert (result.made, result.found) == (17, 30)
    assert tree(out) == tree(built)
    assert build(market, out, recipe=RECIPE, **options, segmenter=ellipses).made == 47


POINTS = [
    ("visnet_aug.masks.store:MaskStore.flush", 1),
    ("visnet_aug.builder.plan:make_plan", 1),
    ("visnet_aug.builder.journal:Journal._append", 1),
    ("visnet_aug.builder.journal:Journal.finish", 2),
    ("visnet_aug.builder.journal:Journal.finish", 20),
    ("visnet_aug.builder.tables:write_file", 3),
    ("visnet_aug.builder.build:release", 1),
]


@pytest.mark.parametrize(("point", "call"), POINTS)
def test_killed_anywhere_the_same_command_ends_with_the_same_bytes(
    built: Path,
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    kill: Callable[..., None],
    point: str,
    call: int,
) -> None:
    out = tmp_path / "aug"
    kill(point, call, out, "build", "recipe=Recipe(images=47)")
    result = build(market, out, recipe=RECIPE, workers=2, segmenter=ellipses)
    assert not result.was_there
    assert tree(out) == tree(built)


def test_missing_and_damaged_files_are_made_again(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    copy = next(path for path in tree(out) if path.endswith("_blur.jpg"))
    (out / copy).unlink()
    (out / "query" / "0011_c1s1_001111_00.jpg").write_bytes(b"damaged")
    result = build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert (result.made, result.found) == (2, 45)
    assert tree(out) == tree(built)


def test_masks_made_before_are_used(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    masks = make_masks(market, out, recipe=RECIPE, segmenter=ellipses)
    assert (masks.computed, len(masks.accepted)) == (12, 12)
    assert sorted(path.name for path in out.iterdir()) == ["masks", "masks.csv"]
    result = build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert result.masks is not None
    assert (result.masks.computed, result.masks.reused) == (0, 12)
    assert tree(out) == tree(built)
    with pytest.raises(OutputError, match="holds a build with its masks"):
        make_masks(market, out, recipe=RECIPE, segmenter=ellipses)


@pytest.mark.parametrize(
    ("change", "options", "difference"),
    [
        ({"seed": 1}, {}, "recipe.seed is 0 there and 1 here; --force starts over"),
        ({"images": 48}, {}, "recipe.images is 47 there and 48 here"),
        ({}, {"passthrough": "symlink"}, 'passthrough is "clone" there and "symlink" here'),
        ({"masks": {"min_area": 0.2}}, {}, "recipe.masks.min_area is"),
    ],
)
def test_another_build_in_the_folder_is_refused(
    built: Path,
    market: Path,
    ellipses: SegmenterFactory,
    change: dict[str, object],
    options: dict[str, Any],
    difference: str,
) -> None:
    before = tree(built)
    with pytest.raises(OutputError) as caught:
        build(market, built, recipe=RECIPE.replace(**change), **options, segmenter=ellipses)
    assert difference in str(caught.value)
    assert tree(built) == before


def test_replacing_starts_over_and_leaves_what_it_did_not_make(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    other = RECIPE.replace(composition="published", images=20, encoding="png", seed=3)
    build(market, out, recipe=other, workers=1, segmenter=ellipses)
    assert len(list((out / "bounding_box_val").glob("*.png"))) == 24 - 2
    (out / "notes.txt").write_text("mine")
    result = build(market, out, recipe=RECIPE, workers=1, force=True, segmenter=ellipses)
    assert result.masks is not None
    assert result.masks.computed == 0
    left = tree(out)
    assert left.pop("notes.txt") == b"mine"
    assert left == tree(built)


def test_a_changed_source_is_another_build(
    make_market: Market, ellipses: SegmenterFactory, tmp_path: Path, jpeg: Callable[..., bytes]
) -> None:
    source, out = make_market(tmp_path / "set"), tmp_path / "aug"
    build(source, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    (source / "query" / "0011_c1s1_001111_00.jpg").write_bytes(jpeg(999))
    with pytest.raises(OutputError, match=r"source is .* there and .* here; --force"):
        build(source, out, recipe=RECIPE, workers=1, segmenter=ellipses)


@pytest.mark.parametrize("lost", [False, True], ids=["whole", "a copy is missing"])
def test_masks_edited_after_a_build_are_noticed_and_used_when_replaced(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, lost: bool
) -> None:
    out, options = tmp_path / "aug", {"workers": 1}
    build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
    first, second, *_ = sorted((out / "masks").iterdir())
    paint(first, 1)
    copy = next((out / "bounding_box_train").glob(f"{first.stem}_*"))
    before = copy.read_bytes()
    if lost:
        copy.unlink()
    for _ in range(2):  # the table knows of the edit from the first refusal on
        with pytest.raises(OutputError, match=f"1 mask was edited .* such as {first.stem}; --f"):
            build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
        assert not (out / ".visnet").exists()
    result = build(market, out, recipe=RECIPE, **(options | {"force": True}), segmenter=ellipses)
    assert result.masks is not None
    assert (result.masks.computed, result.masks.edited) == (0, 1)
    rows = {row.path: row for row in read_manifest(out / "manifest.csv")}
    assert rows[copy.relative_to(out).as_posix()].mask_area == 1.0
    assert copy.read_bytes() != before
    assert build(market, out, recipe=RECIPE, **options, segmenter=ellipses).was_there
    paint(first, 0)
    paint(second, 1)
    with pytest.raises(OutputError, match="2 masks were edited by hand since it was built"):
        build(market, out, recipe=RECIPE, **options, segmenter=ellipses)


def paint(mask: Path, value: int) -> None:
    """Do to a mask what a person may do: all white (1) or all black (0)."""
    Image.new("1", (32, 64), value).save(mask)


def test_an_edit_that_changes_no_pixel_leaves_the_build_alone(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    mask = next((out / "masks").iterdir())
    Image.open(mask).convert("RGBA").save(mask)
    assert build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses).was_there


def test_masks_edited_before_a_build_are_used(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    make_masks(market, out, recipe=RECIPE, segmenter=ellipses)
    mask = next((out / "masks").iterdir())
    paint(mask, 0)
    result = build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert result.masks is not None
    assert (result.masks.edited, len(result.masks.accepted)) == (1, 11)
    assert not list((out / "bounding_box_train").glob(f"{mask.stem}_*"))


def test_a_mask_that_was_lost_is_made_again(
    built: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    next((out / "masks").iterdir()).unlink()
    result = build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert result.masks is not None
    assert (result.masks.computed, result.made) == (1, 0)
    assert tree(out) == tree(built)


def test_unusable_images_are_left_out_and_listed(
    make_market: Market, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    source, out = make_market(tmp_path / "set"), tmp_path / "aug"
    bad = source / "bounding_box_train" / "0001_c1s1_001011_00.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"0001_c1s1_001011_00.jpg: truncated"):
        build(source, out, recipe=RECIPE, on_error="stop", segmenter=ellipses)
    assert not out.exists()
    build(source, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    lines = list(csv.DictReader((out / "rejected.csv").open()))
    assert [(line["path"], line["stage"], line["reason"]) for line in lines] == [
        ("bounding_box_train/0001_c1s1_001011_00.jpg", "read", "truncated")
    ]
    rows = read_manifest(out / "manifest.csv")
    assert len(rows) == 47
    assert not any("0001_c1s1_001011_00" in row.path for row in rows)


def test_an_image_without_a_usable_mask_stays_as_an_original(
    market: Path, shunning: Callable[[Path], SegmenterFactory], tmp_path: Path
) -> None:
    shunned = market / "bounding_box_train" / "0003_c3s1_001033_00.jpg"
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=shunning(shunned))
    rows = [row for row in read_manifest(out / "manifest.csv") if shunned.stem in row.path]
    assert [(row.kind, row.mask) for row in rows] == [("original", None)]
    (line,) = csv.DictReader((out / "rejected.csv").open())
    assert (line["stage"], line["reason"]) == ("mask", "border")
    assert json.loads((out / "build.json").read_text())["masks"] == {
        "accepted": 11, "rejected": {"border": 1}, "edited": 0,
    }  # fmt: skip


def test_an_impossible_number_leaves_no_folder(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match="ask for at least 30"):
        build(market, tmp_path / "aug", recipe=Recipe(images=3), segmenter=ellipses)
    assert list(tmp_path.iterdir()) == []


def test_bad_weights_leave_no_folder(market: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--weights none.pt: .*no such file"):
        build(market, tmp_path / "aug", recipe=Recipe(weights="none.pt"))
    assert list(tmp_path.iterdir()) == []


def test_a_preview_writes_nothing_and_plans_what_is_known(
    market: Path, ellipses: SegmenterFactory, built: Path, tmp_path: Path
) -> None:
    unknown = dry_run(market, tmp_path / "aug", recipe=RECIPE, segmenter=ellipses)
    assert list(tmp_path.iterdir()) == []
    assert (len(unknown.masks.unknown), unknown.plan.total) == (12, 47)
    before = tree(built)
    known = dry_run(market, built, recipe=RECIPE, segmenter=ellipses)
    assert (len(known.masks.accepted), known.masks.unknown) == (12, frozenset())
    assert tree(built) == before
    assert {task.path for task in known.plan.tasks} < set(before)


def test_a_preview_downloads_no_weights(
    built: Path, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "visnet_aug.masks.weights.download_weights", lambda name: pytest.fail(f"{name} downloaded")
    )
    recipe = RECIPE.replace(weights="yolov8n-seg.pt")
    result = dry_run(market, tmp_path / "aug", recipe=recipe)
    assert (len(result.masks.unknown), result.plan.total) == (12, 47)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match=r"recipe.weights is .builtin. there and .yolov8n-seg.pt"):
        dry_run(market, built, recipe=recipe)
    with pytest.raises(WeightsError, match=r"none.pt: no such file"):
        dry_run(market, tmp_path / "aug", recipe=RECIPE.replace(weights="none.pt"))
