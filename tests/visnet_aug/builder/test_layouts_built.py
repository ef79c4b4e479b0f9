"""Sets built from other layouts than Market-1501's: names, sources, verification, replay."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from visnet_aug.builder.build import build, build_probe, dry_run
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.datasets.market1501 import MARKET1501
from visnet_aug.datasets.rejected import read_rejected
from visnet_aug.errors import OutputError, PlanError
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe, load_recipe
from visnet_aug.report.site import write_report
from visnet_aug.reproduction import Replayer
from visnet_aug.verification.verify import verify

ALONE = {"workers": 1}

PEOPLE = {"train": (1, 2, 3), "query": (11,), "gallery": (11, 12)}
"""Identities of the small sets by split; two images of each, from two cameras."""


@dataclass(frozen=True)
class Source:
    """A small set in some layout.

    Attributes:
        root: Its folder.
        recipe: How to read it.
        layout: What it is.
    """

    root: Path
    recipe: Recipe
    layout: str


def make_msmt17(root: Path, jpeg: Callable[..., bytes]) -> Recipe:
    lists: dict[str, list[str]] = {}
    for seed, (split, pid, camid) in enumerate(images()):
        folder = "train" if split == "train" else "test"
        number = pid - 1 if split == "train" else pid - 11
        name = f"{number:04}/{number:04}_{seed:03}_{camid:02}_0303morning_0008_0.jpg"
        put(root / folder / name, jpeg(seed))
        lists.setdefault(split, []).append(f"{name} {number}\n")
    (root / "list_val.txt").write_text(lists["train"].pop())
    for split, lines in lists.items():
        (root / f"list_{split}.txt").write_text("".join(lines))
    return Recipe()


def make_table(root: Path, jpeg: Callable[..., bytes]) -> Recipe:
    lines = ["path,pid,camid,split\n"]
    for seed, (split, pid, camid) in enumerate(images()):
        put(root / f"all of them/{seed}.jpg", jpeg(seed))
        lines.append(f"all of them/{seed}.jpg,{pid},{camid},{split}\n")
    (root / "labels.csv").write_text("".join(lines))
    return Recipe(table=str(root / "labels.csv"))


def make_pattern(root: Path, jpeg: Callable[..., bytes]) -> Recipe:
    for seed, (split, pid, camid) in enumerate(images()):
        if split == "train":
            put(root / f"{pid}/{camid}-{seed}.jpg", jpeg(seed))
    return Recipe(pattern=r"(?P<pid>\d+)/(?P<camid>\d+)-.*")


def images() -> list[tuple[str, int, int]]:
    return [
        (split, pid, camid) for split, pids in PEOPLE.items() for pid in pids for camid in (1, 2)
    ]


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


MAKERS: Mapping[str, Callable[[Path, Callable[..., bytes]], Recipe]] = {
    "msmt17": make_msmt17,
    "table": make_table,
    "pattern": make_pattern,
}


@pytest.fixture(params=MAKERS)
def source(request: pytest.FixtureRequest, tmp_path: Path, jpeg: Callable[..., bytes]) -> Source:
    recipe = MAKERS[request.param](tmp_path / "set", jpeg)
    return Source(tmp_path / "set", recipe, request.param)


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.parent != root / "report"
    }


def test_whatever_the_layout_the_output_is_market1501s_and_tells_its_sources(
    source: Source, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    result = build(source.root, out, recipe=source.recipe, **ALONE, segmenter=ellipses)
    rows = read_manifest(out / "manifest.csv")
    kept = {row.source: row for row in rows if row.kind == "original"}
    read = 6 if source.layout == "pattern" else 12
    assert len(kept) == read
    assert result.summary.total == len(rows) == read + 3  # train: 6 × 19,772 / 12,936 = 9
    for row in kept.values():
        folder, _, name = row.path.partition("/")
        assert folder in ("bounding_box_train", "query", "bounding_box_test")
        assert MARKET1501.pattern.fullmatch(name)
        assert (out / row.path).read_bytes() == (source.root / row.source).read_bytes()
    for row in rows:
        assert row.path.startswith(kept[row.source].path.removesuffix(".jpg"))
    assert {row.pid for row in rows if row.split == "train"} == {1, 2, 3}
    assert verify(out, workers=1).sound
    assert load_recipe(out / "recipe.yaml").layout == source.layout
    assert write_report(out, workers=1).is_file()


def test_auto_and_the_layouts_name_are_one_build(
    source: Source, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    build(source.root, out, recipe=source.recipe, **ALONE, segmenter=ellipses)
    explicit = source.recipe.replace(layout=source.layout)
    assert build(source.root, out, recipe=explicit, **ALONE, segmenter=ellipses).was_there
    recorded = load_recipe(out / "recipe.yaml")
    assert build(source.root, out, recipe=recorded, **ALONE, segmenter=ellipses).was_there
    assert dry_run(source.root, out, recipe=explicit, **ALONE, segmenter=ellipses).plan.tasks


def test_where_a_dataset_lies_says_nothing_to_a_build_but_where_in_it_does(
    tmp_path: Path, jpeg: Callable[..., bytes], ellipses: SegmenterFactory
) -> None:
    recipe = make_pattern(tmp_path / "set", jpeg)
    build(tmp_path / "set", tmp_path / "aug", recipe=recipe, **ALONE, segmenter=ellipses)
    moved = shutil.copytree(tmp_path / "set", tmp_path / "elsewhere")
    build(moved, tmp_path / "again", recipe=recipe, **ALONE, segmenter=ellipses)
    assert files(tmp_path / "again") == files(tmp_path / "aug")
    image = next((moved / "1").iterdir())
    image.rename(image.with_stem("1-another"))
    with pytest.raises(OutputError, match="holds another build: source is"):
        build(moved, tmp_path / "aug", recipe=recipe, **ALONE, segmenter=ellipses)


def test_copies_are_replayed_by_any_of_their_names(
    tmp_path: Path, jpeg: Callable[..., bytes], ellipses: SegmenterFactory
) -> None:
    out = tmp_path / "aug"
    build(
        tmp_path / "set",
        out,
        recipe=make_msmt17(tmp_path / "set", jpeg),
        **ALONE,
        segmenter=ellipses,
    )
    rows = read_manifest(out / "manifest.csv")
    copy = next(row for row in rows if row.kind == "augmented")
    kept = next(row for row in rows if row.kind == "original" and row.source == copy.source)
    replayer = Replayer(out)
    for name in (copy.path, Path(kept.path).stem, copy.source, Path(copy.source).name):
        assert copy in replayer.find([name]), name
    assert replayer.replay(copy).outcome == "same"


def test_the_published_composition_finds_its_sources_by_src(
    tmp_path: Path,
    jpeg: Callable[..., bytes],
    shunning: Callable[[Path], SegmenterFactory],
) -> None:
    root, out = tmp_path / "set", tmp_path / "aug"
    recipe = make_table(root, jpeg).replace(composition="published", images=12)
    shunned = root / "all of them/0.jpg"
    build(root, out, recipe=recipe, **ALONE, segmenter=shunning(shunned))
    verdict = verify(out, source=root, workers=1)
    assert (verdict.sound, verdict.uncompared) == (True, 0)
    (copy, *_) = (row for row in read_manifest(out / "manifest.csv") if row.kind == "augmented")
    assert Replayer(out, root).replay(copy).outcome == "same"
    (left_out,) = read_rejected(out / "rejected.csv")
    assert left_out.path == "bounding_box_train/0001_c1s1_000000_00.jpg"
    assert left_out.detail.endswith(", from all of them/0.jpg")


def test_two_originals_of_one_file_are_found(
    tmp_path: Path, jpeg: Callable[..., bytes], ellipses: SegmenterFactory
) -> None:
    out = tmp_path / "aug"
    build(
        tmp_path / "set",
        out,
        recipe=make_table(tmp_path / "set", jpeg),
        **ALONE,
        segmenter=ellipses,
    )
    with (out / "manifest.csv").open() as file:
        header, *rows = csv.reader(file)
    first, second = [row for row in rows if row[6] == "original" and row[1] == "gallery"][:2]
    second[header.index("source")] = first[header.index("source")]
    with (out / "manifest.csv").open("w") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    problems = [problem.text for problem in verify(out, workers=1).problems]
    assert f"{second[0]}: an original, but from {first[header.index('source')]}" in problems


def test_no_probe_without_test_images(
    tmp_path: Path, jpeg: Callable[..., bytes], ellipses: SegmenterFactory
) -> None:
    recipe = probe_recipe(make_pattern(tmp_path / "set", jpeg))
    with pytest.raises(PlanError, match="has neither query nor gallery, which a probe is made of"):
        build_probe(tmp_path / "set", tmp_path / "p", recipe=recipe, **ALONE, segmenter=ellipses)
    assert not (tmp_path / "p").exists()
