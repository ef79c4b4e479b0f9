from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fake_segmenters import Blind
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from visnet_aug.backgrounds.settings import BackgroundSettings, BlurSettings
from visnet_aug.builder.build import build, build_probe
from visnet_aug.builder.probe import draft_probe, probe_recipe
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.errors import OutputError, PlanError, RecipeError
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.masks.store import mask_name, read_mask
from visnet_aug.recipe import Recipe, load_recipe

FAMILIES = ("color_shift", "texture", "noise", "blur", "pattern", "gradient")
RECIPE = probe_recipe(Recipe(encoding="png"))
"""PNG, so that pixels can be compared."""

FOLDERS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.parent != root / "report")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def probed(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A whole probe made by two workers, to be read only."""
    out = tmp_path_factory.mktemp("probed") / "probe"
    make(market, out, ellipses, workers=2)
    return out


def make(
    source: Path,
    out: Path,
    segmenter: SegmenterFactory,
    recipe: Recipe = RECIPE,
    sample: int | None = None,
    workers: int = 1,
) -> None:
    build_probe(source, out, recipe=recipe, workers=workers, sample=sample, segmenter=segmenter)


def test_a_probe_is_the_test_images_and_a_version_of_each_for_each_family(
    probed: Path, market: Path
) -> None:
    assert sorted(path.name for path in probed.iterdir()) == sorted(
        ("README.md", "bounding_box_test", "build.json", "croissant.json", "manifest.csv", "masks",
         "masks.csv", "query", "recipe.yaml", "rejected.csv", "report", *FAMILIES)
    )  # fmt: skip
    rows = read_manifest(probed / "manifest.csv")
    files = {path for path in tree(probed) if "/" in path and not path.startswith("masks/")}
    tables = {f"{row.path.rpartition('/')[0]}/metadata.csv" for row in rows}
    assert len(tables) == 2 * (1 + len(FAMILIES))
    assert {row.path for row in rows} | tables == files
    expected: dict[tuple[str, str, str | None], int] = {
        ("query", "original", None): 6,
        ("gallery", "original", None): 9,  # no junk
        **{("probe-query", "augmented", family): 6 for family in FAMILIES},
        **{("probe-gallery", "augmented", family): 9 for family in FAMILIES},
    }
    assert Counter((row.split, row.kind, row.family) for row in rows) == expected
    order = ["query", "gallery", "probe-query", "probe-gallery"]
    assert [(row.split, row.path) for row in rows] == sorted(
        ((row.split, row.path) for row in rows), key=lambda key: (order.index(key[0]), key[1])
    )
    for row in rows:
        if row.kind == "original":
            assert row.path == row.source
            assert (probed / row.path).read_bytes() == (market / row.source).read_bytes()


def test_no_row_is_there_to_train_on(probed: Path) -> None:
    rows = read_manifest(probed / "manifest.csv")
    assert not [row for row in rows if row.split in ("train", "val")]
    assert not [row for row in rows if row.pid == -1]
    assert not [path for path in tree(probed) if "train" in path]


def test_the_person_is_the_sources_and_the_background_is_not(probed: Path) -> None:
    changed: Counter[str | None] = Counter()
    rows = {row.path: row for row in read_manifest(probed / "manifest.csv")}
    for row in rows.values():
        if row.kind == "augmented":
            source = rows[row.source]
            assert (row.pid, row.camid, row.mask) == (source.pid, source.camid, source.mask)
            before, after = decoded(probed / row.source), decoded(probed / row.path)
            mask = read_mask(probed / str(row.mask), (row.height, row.width))
            assert (after[mask] == before[mask]).all()
            changed[row.family] += int((after != before).any())
    assert min(changed[family] for family in FAMILIES) == 15


def decoded(path: Path) -> NDArray[np.uint8]:
    return decode_rgb(path.read_bytes())


def test_images_of_one_name_on_both_sides_keep_apart(probed: Path) -> None:
    """The small dataset has each query's name in its gallery, too, with other pixels."""
    name = "0011_c1s1_001111_00"
    rows = {row.path: row for row in read_manifest(probed / "manifest.csv")}
    query = rows[f"noise/query/{name}_1_noise.png"]
    gallery = rows[f"noise/bounding_box_test/{name}_1_noise.png"]
    assert query.sha256 != gallery.sha256
    assert query.seed != gallery.seed
    assert (query.mask, gallery.mask) == (f"masks/query/{name}.png", f"masks/gallery/{name}.png")
    assert all((probed / str(row.mask)).is_file() for row in (query, gallery))


def test_build_json_and_the_card_tell_the_truth(probed: Path) -> None:
    report = json.loads((probed / "build.json").read_text())
    assert (report["identity"]["command"], report["identity"]["sample"]) == ("probe", None)
    assert report["images"] == 15 * 7
    assert report["families"] == dict.fromkeys(sorted(FAMILIES), 15)
    card = (probed / "README.md").read_text()
    assert "**Test images. Do not train on them**" in card
    assert "| probe-gallery | 54 | 0 | 54 | 2 | 3 |" in card
    assert "6 query + 9 gallery = 15 untouched; 15 of them maskable × 6 families = 90" in card
    assert "recipe.yaml\n" in card
    assert load_recipe(probed / "recipe.yaml") == RECIPE.resolved("market1501")


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bytes_whatever_the_workers(
    probed: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path, workers: int
) -> None:
    make(market, tmp_path / "probe", ellipses, workers=workers)
    assert tree(tmp_path / "probe") == tree(probed)


def test_what_says_nothing_to_a_probe_changes_nothing(
    probed: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    recipe = Recipe(
        encoding="png",
        images=7,
        composition="published",
        backgrounds=BackgroundSettings(blur=BlurSettings(weight=5)),
    )
    make(market, tmp_path / "probe", ellipses, probe_recipe(recipe))
    assert tree(tmp_path / "probe") == tree(probed)


@pytest.mark.parametrize(
    ("point", "call"),
    [
        ("visnet_aug.masks.store:MaskStore.flush", 1),
        ("visnet_aug.builder.journal:Journal.finish", 20),
        ("visnet_aug.builder.build:release", 1),
    ],
)
def test_killed_anywhere_the_same_command_ends_with_the_same_bytes(
    probed: Path,
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    kill: Callable[..., None],
    point: str,
    call: int,
) -> None:
    out = tmp_path / "probe"
    kill(point, call, out, "build_probe", "recipe=Recipe(encoding='png')")
    assert out.exists()
    make(market, out, ellipses)
    assert tree(out) == tree(probed)


def test_a_finished_probe_is_left_alone(
    probed: Path, market: Path, ellipses: SegmenterFactory
) -> None:
    before = {path: path.stat().st_mtime_ns for path in probed.rglob("*")}
    assert build_probe(market, probed, recipe=RECIPE, segmenter=ellipses).was_there
    assert {path: path.stat().st_mtime_ns for path in probed.rglob("*")} == before


def test_fewer_families_are_the_same_versions_of_these(
    probed: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "probe", probe_recipe(RECIPE, ("pattern", "blur"))
    assert recipe.backgrounds.names() == ("blur", "pattern")
    make(market, out, ellipses, recipe)
    images = {path: data for path, data in tree(out).items() if path.endswith((".png", ".jpg"))}
    whole = tree(probed)
    assert images == {path: whole[path] for path in images}
    assert {path.split("/")[0] for path in images} == {
        "query", "bounding_box_test", "masks", "blur", "pattern",
    }  # fmt: skip


def test_a_family_that_the_recipe_leaves_out_can_be_asked_for() -> None:
    recipe = Recipe().replace(
        backgrounds={
            "noise": {"weight": 0},
            "other": {"rain": {"transform": "RandomRain"}, "fog": {"transform": "RandomFog"}},
        }
    )
    assert probe_recipe(recipe).backgrounds.names() == (
        "color_shift", "texture", "blur", "pattern", "gradient", "fog", "rain",
    )  # fmt: skip
    assert probe_recipe(recipe, ["noise", "fog"]).backgrounds.names() == ("noise", "fog")
    with pytest.raises(RecipeError, match=r"'snow' is unknown: have color_shift, .*, fog, rain"):
        probe_recipe(recipe, ["snow"])


@pytest.mark.parametrize("name", ["query", "bounding_box_test", "masks", "report"])
def test_a_family_named_as_a_folder_of_the_output_is_refused(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, name: str
) -> None:
    recipe = Recipe().replace(backgrounds={"other": {name: {"transform": "RandomFog"}}})
    with pytest.raises(RecipeError, match=rf"other\.{name}: a probe has a folder of this name"):
        make(market, tmp_path / "probe", ellipses, probe_recipe(recipe))
    assert not (tmp_path / "probe").exists()


def test_an_image_without_a_usable_mask_has_no_version_and_is_listed(
    market: Path, shunning: Callable[[Path], SegmenterFactory], tmp_path: Path
) -> None:
    shunned = market / "query" / "0012_c2s1_001122_00.jpg"
    out = tmp_path / "probe"
    make(market, out, shunning(shunned), probe_recipe(RECIPE, ["blur"]))
    source = f"query/{shunned.name}"
    rows = [row for row in read_manifest(out / "manifest.csv") if row.source == source]
    assert [(row.split, row.mask) for row in rows] == [("query", None)]
    assert (out / source).read_bytes() == shunned.read_bytes()
    (line,) = csv.DictReader((out / "rejected.csv").open())
    assert (line["path"], line["split"], line["stage"], line["reason"]) == (
        source, "query", "mask", "border",
    )  # fmt: skip
    assert "14 of them maskable" in (out / "README.md").read_text()


def test_without_any_mask_there_is_no_probe(market: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no query or gallery image has a usable person mask"):
        make(market, tmp_path / "probe", lambda *_: SegmenterSource("blind", cast(Any, Blind)))


def test_a_probe_and_a_build_refuse_each_others_folders(
    probed: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    before = tree(probed)
    with pytest.raises(OutputError, match='command is "probe" there and "build" here'):
        build(market, probed, recipe=RECIPE, segmenter=ellipses)
    with pytest.raises(OutputError, match="sample is null there and 1 here"):
        make(market, probed, ellipses, sample=1)
    assert tree(probed) == before

    out = tmp_path / "aug"
    options: dict[str, Any] = {"workers": 1}
    build(market, out, recipe=RECIPE, **options, segmenter=ellipses)
    with pytest.raises(OutputError, match='command is "build" there and "probe" here'):
        make(market, out, ellipses)
    built = tree(out)
    again: dict[str, Any] = options | {"force": True}
    build_probe(market, out, recipe=RECIPE, **again, segmenter=ellipses)
    assert not (out / "bounding_box_train").exists()
    build(market, out, recipe=RECIPE, **again, segmenter=ellipses)
    left = tree(out)
    assert {path for path in left if path not in built} == {
        path for path in before if path.startswith("masks/")
    }
    assert not [name for name in FAMILIES if (out / name).exists()]


def test_replacing_leaves_what_stands_beside_a_version(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "probe"
    options: dict[str, Any] = {"workers": 1, "force": True}
    make(market, out, ellipses, probe_recipe(RECIPE, ["blur"]))
    (out / "blur" / "notes.txt").write_text("mine")
    recipe = probe_recipe(RECIPE, ["noise"])
    build_probe(market, out, recipe=recipe, **options, segmenter=ellipses)
    assert [path.name for path in (out / "blur").iterdir()] == ["notes.txt"]


def test_a_mended_mask_is_used(market: Path, ellipses: SegmenterFactory, tmp_path: Path) -> None:
    out, recipe = tmp_path / "probe", probe_recipe(RECIPE, ["noise"])
    make(market, out, ellipses, recipe)
    Image.new("1", (32, 64), 1).save(out / "masks/query/0011_c1s1_001111_00.png")
    with pytest.raises(OutputError, match=r"1 mask was edited .* such as query/0011_c1s1"):
        make(market, out, ellipses, recipe)
    options: dict[str, Any] = {"workers": 1, "force": True}
    build_probe(market, out, recipe=recipe, **options, segmenter=ellipses)
    rewritten = decoded(out / "noise/query/0011_c1s1_001111_00_1_noise.png")
    assert (rewritten == decoded(out / "query/0011_c1s1_001111_00.jpg")).all()


def record(split: Split, pid: int, number: int) -> ImageRecord:
    stem = f"{pid:04}_c1s1_{number:06}_00"
    name = f"{stem}.jpg"
    path = Path("/set") / FOLDERS[split] / name
    return ImageRecord(path, name, stem, split, pid, 1, 1, number, 0, 64, 128, "0" * 64)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Draw training and test images: pids from 1 have queries, 0, -1 and 900 have none."""
    images = st.integers(0, 4)
    records = [record("train", 500, 0)]
    for pid in range(1, draw(st.integers(1, 8)) + 1):
        records += [record("query", pid, n) for n in range(1 + draw(images))]
        records += [record("gallery", pid, n) for n in range(draw(images))]
    for pid in (0, -1, 900):
        records += [record("gallery", pid, n) for n in range(draw(st.integers(0, 12)))]
    return Dataset(Path("/set"), "market1501", FOLDERS, tuple(records))


@settings(deadline=None, max_examples=60)
@given(datasets(), st.data())
def test_a_sample_is_whole_identities_and_their_share_of_distractors(
    dataset: Dataset, data: st.DataObject
) -> None:
    recipe = RECIPE.replace(seed=data.draw(st.integers(0, 99)))
    everybody = draft_probe(dataset, recipe).dataset.records
    assert everybody == tuple(r for r in dataset.records if r.split != "train" and r.pid != -1)
    pids = {r.pid for r in everybody if r.split == "query"}
    count = data.draw(st.integers(1, len(pids)))
    sample = draft_probe(dataset, recipe, count).dataset.records

    drawn = {r.pid for r in sample if r.split == "query"}
    assert len(drawn) == count
    assert [r for r in sample if r.pid in drawn] == [r for r in everybody if r.pid in drawn]
    others = [r for r in everybody if r.pid not in pids]
    kept = [r for r in sample if r.pid not in drawn]
    assert set(kept) <= set(others)
    assert abs(len(kept) - len(others) * count / len(pids)) <= 0.5
    larger = draft_probe(dataset, recipe, len(pids)).dataset.records
    assert larger == everybody
    with pytest.raises(PlanError, match=f"cannot sample {len(pids) + 1} identities: the query has"):
        draft_probe(dataset, recipe, len(pids) + 1)


def test_a_larger_sample_holds_the_smaller_and_another_seed_draws_another() -> None:
    records = [record("query", pid, 0) for pid in range(1, 41)]
    records += [record("gallery", 0, n) for n in range(80)]
    dataset = Dataset(Path("/set"), "market1501", FOLDERS, tuple(records))

    def sample(count: int, seed: int = 0) -> set[ImageRecord]:
        return set(draft_probe(dataset, RECIPE.replace(seed=seed), count).dataset.records)

    assert len(sample(10)) == 10 + 20
    assert sample(10) < sample(11) < sample(40)
    assert sample(10) != sample(10, seed=1)


@settings(deadline=None, max_examples=40)
@given(datasets(), st.data())
def test_a_plan_has_a_version_of_each_maskable_image_and_family(
    dataset: Dataset, data: st.DataObject
) -> None:
    names = data.draw(st.sets(st.sampled_from(FAMILIES), min_size=1))
    recipe = probe_recipe(RECIPE, names)
    draft = draft_probe(dataset, recipe)
    every = [mask_name(r.split, r.stem) for r in draft.dataset.records]
    maskable = data.draw(st.sets(st.sampled_from(every), min_size=1))
    plan = draft.plan(maskable)

    assert plan.total == len(every) + len(maskable) * len(names)
    assert len({image.path for image in plan.images}) == plan.total
    versions = defaultdict(set)
    for task in plan.tasks:
        versions[task.family].add(mask_name(task.source.split, task.source.stem))
        folder = FOLDERS[task.source.split]
        assert task.path == f"{task.family}/{folder}/{task.source.stem}_1_{task.family}.png"
        assert task.split == f"probe-{task.source.split}"
    assert versions == dict.fromkeys(names, maskable)
    assert len({task.seed for task in plan.tasks}) == len(plan.tasks)


def test_a_sampled_probe_is_a_part_of_the_whole_one(
    probed: Path, market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "probe"
    make(market, out, ellipses, sample=1)
    rows, whole = read_manifest(out / "manifest.csv"), read_manifest(probed / "manifest.csv")
    assert set(map(key, rows)) < set(map(key, whole))
    assert Counter((row.split, min(row.pid, 1)) for row in rows) == {
        ("query", 1): 3,
        ("gallery", 1): 3,
        ("gallery", 0): 2,  # half of 3, rounded half up
        ("probe-query", 1): 18,
        ("probe-gallery", 1): 18,
        ("probe-gallery", 0): 12,
    }
    assert "--recipe recipe.yaml --sample 1\n" in (out / "README.md").read_text()


def key(row: ManifestRow) -> tuple[str, str]:
    return row.path, row.sha256
