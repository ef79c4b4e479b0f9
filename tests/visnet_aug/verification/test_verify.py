from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visnet_aug.builder.build import build
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import DatasetError, ManifestError, OutputError
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.masks.store import MaskStore, read_mask
from visnet_aug.recipe import Recipe
from visnet_aug.verification.verdict import CHECKS, SHOWN
from visnet_aug.verification.verify import verify

QUERY = "query/0011_c1s1_001111_00.jpg"
ORIGINAL = "bounding_box_train/0001_c1s1_001011_00.jpg"
MASK = "masks/0001_c1s1_001011_00.png"

CopyOf = Callable[[str], Path]
Change = Callable[..., None]


def problems(root: Path, **options: Any) -> dict[str, list[str]]:
    found = verify(root, workers=1, **options).by_kind()
    return {str(kind): texts for kind, texts in found.items()}


def replace_query_by_a_file(root: Path) -> None:
    shutil.rmtree(root / "query")
    (root / "query").touch()


def first_copy(root: Path) -> ManifestRow:
    return next(row for row in read_manifest(root / "manifest.csv") if row.kind == "augmented")


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["match", "png", "published", "probe"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_finished_build_is_sound(builds: dict[str, Path], name: str, quick: bool) -> None:
    before = {path: path.stat().st_mtime_ns for path in builds[name].rglob("*")}
    verdict = verify(builds[name], quick=quick, workers=1)
    assert verdict.problems == []
    assert verdict.product == ("probe" if name == "probe" else "build")
    assert verdict.images == len(read_manifest(builds[name] / "manifest.csv"))
    assert {path: path.stat().st_mtime_ns for path in builds[name].rglob("*")} == before


@pytest.mark.parametrize("passthrough", ["hardlink", "symlink"])
def test_links_are_as_good_as_copies(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path, passthrough: Any
) -> None:
    out = tmp_path / "out"
    options = {"workers": 1, "passthrough": passthrough}
    build(market, out, recipe=Recipe(images=32), **options, segmenter=ellipses)
    assert problems(out) == {}
    if passthrough == "symlink":
        (out / QUERY).unlink()
        (out / QUERY).symlink_to(tmp_path / "gone.jpg")
        assert problems(out) == {"missing": [f"{QUERY}: a link to nothing"]}


def test_what_is_found_does_not_depend_on_the_processes(copy_of: CopyOf) -> None:
    root = copy_of("match")
    for path in sorted((root / "query").iterdir())[::2]:
        path.unlink()
    assert verify(root, workers=2) == verify(root, workers=1)


# Each damage: what is done, and all of what is found: kind and beginning of the text.

Damage = Callable[[Path], object]

FILES: dict[str, tuple[str, Damage, list[tuple[str, str]]]] = {
    "an image is gone": (
        "match",
        lambda root: (root / QUERY).unlink(),
        [("missing", QUERY)],
    ),
    "an image is cut": (
        "match",
        lambda root: (root / QUERY).write_bytes((root / QUERY).read_bytes()[:200]),
        [("changed", QUERY)],
    ),
    "an image is empty": (
        "match",
        lambda root: (root / ORIGINAL).write_bytes(b""),
        [("changed", f"{ORIGINAL}: it is empty")],
    ),
    "one bit is another": (
        "match",
        lambda root: flip(root / first_copy(root).path),
        [("changed", "bounding_box_train/")],
    ),
    "two images are exchanged": (
        "png",
        lambda root: exchange(root / QUERY, root / "query/0012_c1s1_001121_00.jpg"),
        [("changed", QUERY), ("changed", "query/0012")],
    ),
    "a file where a folder was": (
        "match",
        replace_query_by_a_file,
        [("tables", "query/metadata.csv: cannot be read (Not a directory)"),
         ("missing", "query/0011_c1s1_001111_00.jpg: Not a directory"),
         *[("missing", "query/")] * 5],
    ),
    "a half-written image": (
        "match",
        lambda root: (root / f"{QUERY}.part").write_bytes(b"half"),
        [("stray", f"{QUERY}.part")],
    ),
    "a half-written table": (
        "match",
        lambda root: (root / "manifest.csv.part").write_bytes(b"half"),
        [("stray", "manifest.csv.part")],
    ),
    "a file of somebody else": (
        "probe",
        lambda root: (root / "blur" / "query" / "notes.txt").write_text("mine"),
        [("stray", "blur/query/notes.txt")],
    ),
    "a folder among the images": (
        "match",
        lambda root: nested(root / "query" / "more" / "x.jpg"),
        [("stray", "query/more/x.jpg")],
    ),
    "a name that is no text": (
        "match",
        lambda root: Path(os.fsdecode(bytes(root / "query") + b"/\xff.jpg")).write_bytes(b""),
        [("stray", "query/\\udcff.jpg")],
    ),
    "a mask of nobody": (
        "match",
        lambda root: (root / "masks" / "9999.png").write_bytes(b""),
        [("stray", "masks/9999.png")],
    ),
    "a mask is gone": (
        "match",
        lambda root: (root / MASK).unlink(),
        [("mask", f"{MASK}: No such file")],
    ),
    "a mask is painted over": (
        "png",
        lambda root: Image.new("1", (32, 64), 1).save(root / MASK),
        [("mask", f"{MASK}: changed")],
    ),
    "a probe's mask is gone": (
        "probe",
        lambda root: (root / "masks" / f"{QUERY[:-4]}.png").unlink(),
        [("mask", "masks/query/0011")],
    ),
    "the card is edited": (
        "match",
        lambda root: (root / "README.md").write_text("mine"),
        [("tables", "README.md: changed")],
    ),
    "the recipe is edited": (
        "match",
        lambda root: (root / "recipe.yaml").write_text("build: {seed: 0}\n"),
        [("tables", "recipe.yaml: changed")],
    ),
    "the recipe is none": (
        "match",
        lambda root: (root / "recipe.yaml").write_text("no: recipe\n"),
        [("tables", "recipe.yaml: changed")],
    ),
    "a table in an image folder is edited": (
        "match",
        lambda root: (root / "query" / "metadata.csv").write_text("file_name\n"),
        [("tables", "query/metadata.csv: changed")],
    ),
    "rejected.csv is gone": (
        "match",
        lambda root: (root / "rejected.csv").unlink(),
        [("tables", "rejected.csv: cannot be read")],
    ),
    "build.json is gone": (
        "match",
        lambda root: (root / "build.json").write_text("{}"),
        [("tables", "build.json: damaged")],
    ),
    "build.json is no JSON": (
        "match",
        lambda root: (root / "build.json").write_text('{"identity"'),
        [("tables", "build.json: damaged")],
    ),
    "a line of masks.csv is torn": (
        "match",
        lambda root: (root / "masks.csv").write_text((root / "masks.csv").read_text()[:-30]),
        [
            ("tables", "masks.csv: 1 damaged line"),
            ("stray", "masks/0004_c3s1_001043_00.png"),
            ("mask", "0004_c3s1_001043_00: no line"),
        ],
    ),
    "a verdict is another": (
        "match",
lambda root: list_mask(root, "0" * 64),
        [("mask", "masks.csv: verdicts"), ("mask", f"{MASK}: changed")],
    ),
}  # fmt: skip


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def exchange(first: Path, second: Path) -> None:
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def nested(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x")


def list_mask(root: Path, digest: str) -> None:
    """Let ``masks.csv`` list another checksum of one mask."""
    before, line, after = re.split(rf"({Path(MASK).stem},.*\n)", (root / "masks.csv").read_text())
    line = re.sub("[0-9a-f]{64}\n", f"{digest}\n", line)
    (root / "masks.csv").write_text(before + line + after)


@pytest.mark.parametrize("name", FILES)
def test_each_damage_to_files_is_found_and_nothing_else(copy_of: CopyOf, name: str) -> None:
    made, damage, expected = FILES[name]
    root = copy_of(made)
    damage(root)
    for quick in (False, True):
        found = [(kind, text) for kind, texts in problems(root, quick=quick).items()
                 for text in texts]  # fmt: skip
        order = list(map(str, CHECKS))
        expected = sorted(expected, key=lambda item: order.index(item[0]))
        assert len(found) == len(expected), found
        for (kind, text), (wanted, beginning) in zip(found, expected, strict=True):
            assert (kind, text[: len(beginning)]) == (wanted, beginning)


# Rows that are changed and sealed: the tables agree with one another, but not with the truth.


def is_copy(row: ManifestRow) -> bool:
    return row.kind == "augmented"


def is_query(row: ManifestRow) -> bool:
    return row.path == QUERY


ROWS: dict[str, tuple[str, Callable[[ManifestRow], bool], dict[str, Any], dict[str, str]]] = {
    "somebody in query is trained on": (
        "match",
        lambda row: row.split == "query" and row.pid == 11,
        {"pid": 1},
        {"leak": "identity 1: 7 training images, and in query"},
    ),
    "somebody in the gallery is trained on": (
        "published",
        lambda row: row.split == "gallery" and row.pid == 12,
        {"pid": 2},
        {"leak": "identity 2: 6 training images, and in gallery"},
    ),
    "an image is of another size": (
        "match",
        is_query,
        {"width": 31},
        {"pixels": f"{QUERY}: 32×64 pixels instead of 31×64"},
    ),
    "an original is from elsewhere": (
        "match",
        is_query,
        {"source": "query/other.jpg"},
        {"source": f"{QUERY}: an original, but from query/other.jpg"},
    ),
    "a copy is of somebody else": (
        "match",
        lambda row: is_copy(row) and row.source == ORIGINAL and row.copy == 1,
        {"mask": MASK.replace("c1s1_001011", "c2s1_001012")},
        {"source": "another identity, camera or mask"},
    ),
    "copies are numbered from 2": (
        "match",
        lambda row: is_copy(row) and row.source == ORIGINAL and row.copy == 1,
        {"copy": 3},
        {"balance": f"{ORIGINAL}: its copies have the numbers"},
    ),
    "a source is a test image": (
        "match",
        lambda row: is_copy(row) and row.source == ORIGINAL,
        {"source": QUERY},
        {
            "source": f"its source {QUERY} is in query",
            "balance": "",
            "foreground": "the person is not the source's",
        },
    ),
    "a source is gone": (
        "match",
        lambda row: is_copy(row) and row.source == ORIGINAL,
        {"source": "bounding_box_train/gone.jpg"},
        {"source": "gone.jpg is not in train", "balance": ""},
    ),
    "a source that is not kept is another": (
        "published",
        lambda row: is_copy(row) and row.source == ORIGINAL,
        {"source": "bounding_box_train/gone.jpg"},
        {"source": "a copy, but from bounding_box_train/gone.jpg"},
    ),
    "a version is of another family": (
        "probe",
        lambda row: row.source == QUERY and row.family == "blur",
        {"family": "noise"},
        {"balance": f"{QUERY}: its versions are", "counts": "families blur"},
    ),
    "a family that is unknown": (
        "match",
        lambda row: is_copy(row) and row.source == ORIGINAL and row.copy == 1,
        {"family": "fog"},
        {"balance": "", "counts": "families"},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_say_what_is_not_so_are_found(
    copy_of: CopyOf, change_rows: Change, name: str
) -> None:
    made, which, values, expected = ROWS[name]
    root = copy_of(made)
    change_rows(root, which, **values)
    found = problems(root)
    assert set(found) == set(expected), found
    for kind, text in expected.items():
        assert text in "\n".join(found[kind])


def test_a_row_that_is_left_out_is_missed(copy_of: CopyOf, change_rows: Change) -> None:
    root = copy_of("match")
    change_rows(root, is_query, lambda row: [])
    assert problems(root) == {
        "counts": [
            "images: 46 instead of 47",
            "splits query images: 5 instead of 6",
            "splits query originals: 5 instead of 6",
        ],
        "stray": [QUERY],
    }


@pytest.mark.parametrize(("quick", "expected"), [(False, {"pixels"}), (True, set())])
def test_bytes_as_listed_that_are_no_image_are_found(
    copy_of: CopyOf, change_rows: Change, quick: bool, expected: set[str]
) -> None:
    root = copy_of("match")
    (root / QUERY).write_bytes(b"no image")
    change_rows(root, is_query, sha256=hashlib.sha256(b"no image").hexdigest())
    assert set(problems(root, quick=quick)) == expected


@pytest.mark.parametrize(
    ("size", "mode", "expected"),
    [
        ((32, 64), "L", "not of one bit a pixel (PNG depth 8, colour type 0)"),
        ((16, 64), "1", "16×64 pixels instead of its image's 32×64"),
        ((32, 64), "1", "it is all black"),
    ],
)
def test_masks_as_listed_that_are_none_are_found(
    copy_of: CopyOf, size: tuple[int, int], mode: str, expected: str
) -> None:
    root = copy_of("match")
    Image.new(mode, size).save(root / MASK)
    list_mask(root, hashlib.sha256((root / MASK).read_bytes()).hexdigest())
    texts = problems(root)["mask"]
    assert texts == ["masks.csv: verdicts or masks are not those that were used",
                     f"{MASK}: {expected}"]  # fmt: skip


def test_qualities_are_those_of_the_table_and_all_known(
    rated_copy: Path, change_rows: Change
) -> None:
    assert problems(rated_copy) == {}
    copy = first_copy(rated_copy)
    change_rows(rated_copy, lambda row: row.path == copy.path, mask_quality=0.7)
    said = "area, confidence and quality of its mask are not those in masks.csv"
    assert problems(rated_copy)["mask"] == [f"{copy.path}: {said}"]
    change_rows(rated_copy, lambda row: row.path == copy.path, mask_quality=copy.mask_quality)
    assert problems(rated_copy) == {}

    store = MaskStore(rated_copy)
    name = Path(str(copy.mask)).stem
    masks = len(store.entries)
    expected: dict[float | None, str] = {
        None: f"masks.csv: 1 of {masks} masks have no quality",
        0.64: f"{name}: accepted with a quality of 0.64, below 0.65",
    }
    for quality, problem in expected.items():
        store.note([replace(store.entries[name], mask_quality=quality)])
        store.flush()
        change_rows(rated_copy, lambda row: row.mask == copy.mask, mask_quality=quality)
        assert problems(rated_copy) == {"mask": [problem]}


def rewrite_copy(
    root: Path, change_rows: Change, edit: Callable[[np.ndarray, np.ndarray], None]
) -> str:
    """Change a copy's pixels; its row goes along."""
    row = first_copy(root)
    image = decode_rgb((root / row.path).read_bytes())
    edit(image, read_mask(root / str(row.mask), (row.height, row.width)))
    buffer = io.BytesIO()
    form = {"quality": 90} if row.path.endswith(".jpg") else {}
    Image.fromarray(image).save(buffer, "JPEG" if form else "PNG", **form)
    (root / row.path).write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    change_rows(root, lambda other: other.path == row.path, sha256=digest)
    return row.path


def touch_person(image: np.ndarray, mask: np.ndarray) -> None:
    y, x = np.argwhere(mask)[len(np.argwhere(mask)) // 2]
    image[y, x, 0] ^= 1


def touch_background(image: np.ndarray, mask: np.ndarray) -> None:
    image[~mask] ^= 255


def invert_person(image: np.ndarray, mask: np.ndarray) -> None:
    image[mask] = 255 - image[mask]


def test_one_pixel_of_a_person_in_a_png_is_found(copy_of: CopyOf, change_rows: Change) -> None:
    root = copy_of("png")
    path = rewrite_copy(root, change_rows, touch_person)
    assert problems(root) == {
        "foreground": [f"{path}: 1 pixels under the mask are not the source's"]
    }
    assert problems(root, quick=True) == {}


def test_the_background_may_be_anything(copy_of: CopyOf, change_rows: Change) -> None:
    root = copy_of("png")
    rewrite_copy(root, change_rows, touch_background)
    assert problems(root) == {}


def test_another_person_in_a_jpeg_is_found(copy_of: CopyOf, change_rows: Change) -> None:
    root = copy_of("match")
    path = rewrite_copy(root, change_rows, invert_person)
    found = problems(root)
    assert set(found) == {"foreground"}
    assert found["foreground"][0].startswith(f"{path}: the person is not the source's (")


def test_fidelity_is_the_mean_squared_error_under_the_masks(builds: dict[str, Path]) -> None:
    root = builds["match"]
    rows = {row.path: row for row in read_manifest(root / "manifest.csv")}
    squared, each = [], {}
    for row in rows.values():
        if is_copy(row):
            mask = read_mask(root / str(row.mask), (row.height, row.width))
            copy, source = (
                decode_rgb((root / path).read_bytes())[mask].astype(float)
                for path in (row.path, row.source)
            )
            squared.append(((copy - source) ** 2).ravel())
            each[row.path] = 10 * np.log10(255**2 / squared[-1].mean())
    (entry,) = verify(root, workers=1).fidelity
    assert (entry.encoding, entry.copies, entry.exact) == ("match (JPEG)", 17, 0)
    assert entry.psnr == pytest.approx(10 * np.log10(255**2 / np.concatenate(squared).mean()))
    assert entry.worst == min(each, key=lambda path: each[path])
    assert entry.lowest == pytest.approx(each[entry.worst])


def test_pngs_are_exact(builds: dict[str, Path]) -> None:
    verdict = verify(builds["png"], workers=1)
    (entry,) = verdict.fidelity
    assert (entry.encoding, entry.copies, entry.exact) == ("png (PNG)", 17, 17)
    assert "    png (PNG): 17 copies compared, all exact under the mask" in verdict.lines()
    assert verdict.as_json()["foreground"][0]["psnr"] is None


def test_a_published_set_is_compared_with_sources_from_elsewhere(
    builds: dict[str, Path], market: Path, make_market: Callable[[Path], Path], tmp_path: Path
) -> None:
    alone = verify(builds["published"], workers=1)
    assert (alone.fidelity, alone.uncompared) == ([], 24)
    assert "    24 copies not compared: the source is missing" in alone.lines()
    assert "--  not checked: every person is the same as in the source" in alone.lines()
    verdict = verify(builds["published"], source=market, workers=1)
    assert verdict.sound
    assert "ok  every person is the same as in the source" in verdict.lines()
    assert [(entry.encoding, entry.copies) for entry in verdict.fidelity] == [
        ("jpeg:95 (JPEG)", 24)
    ]
    other = make_market(tmp_path / "other")
    (other / ORIGINAL).write_bytes((other / QUERY).read_bytes())
    assert problems(builds["published"], source=other) == {"changed": [str(other / ORIGINAL)]}
    with pytest.raises(DatasetError, match="no such folder"):
        verify(builds["published"], source=tmp_path / "none", workers=1)


def test_a_test_image_as_the_source_of_published_copies_is_found(
    copy_of: CopyOf, change_rows: Change
) -> None:
    root = copy_of("published")
    digest = next(
        line.split(",")[1]
        for line in (root / "masks.csv").read_text().splitlines()
        if line.startswith("0001_c1s1_001011_00,")
    )
    change_rows(root, is_query, sha256=digest)
    found = problems(root)
    assert set(found) == {"source", "changed"}
    assert all(f"is the same file as {QUERY}" in text for text in found["source"])
    assert len(found["source"]) == 2


def test_near_duplicates_are_told_apart(copy_of: CopyOf, change_rows: Change) -> None:
    root = copy_of("match")
    data = (root / ORIGINAL).read_bytes()
    picture = Image.open(io.BytesIO(data))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)  # other bytes, the same look
    (root / QUERY).write_bytes(buffer.getvalue())
    change_rows(root, is_query, sha256=hashlib.sha256(buffer.getvalue()).hexdigest())
    verdict = verify(root, workers=1)
    assert verdict.sound
    pairs = {entry.splits: entry for entry in verdict.resemblances}
    assert set(pairs) == {("train", "query"), ("train", "gallery"), ("query", "gallery")}
    found = pairs["train", "query"]
    assert (found.pairs, found.same_camera, found.other_identity, found.nobody) == (1, 0, 1, 0)
    assert [(a, b) for a, b, _ in found.nearest] == [(ORIGINAL, QUERY)]
    assert any(ORIGINAL in line and QUERY in line for line in verdict.lines())
    assert verify(root, workers=1, quick=True).resemblances == []


def test_published_splits_that_share_sources_say_so(builds: dict[str, Path]) -> None:
    rows = [row for row in read_manifest(builds["published"] / "manifest.csv") if is_copy(row)]
    train, val = ({row.source for row in rows if row.split == name} for name in ("train", "val"))
    found = {e.splits: e for e in verify(builds["published"], workers=1).resemblances}
    assert found["train", "val"].shared_sources == len(train & val) > 0
    assert found["train", "val"].pairs == 0


def test_long_lists_are_cut_in_the_text_alone(copy_of: CopyOf) -> None:
    root = copy_of("match")
    for path in (root / "bounding_box_test").glob("*.jpg"):
        path.unlink()
    verdict = verify(root, workers=1)
    lines = list(verdict.lines())
    start = lines.index("!!  not so: every row has its file (12 problems)")
    assert lines[start + SHOWN + 1] == f"      and {12 - SHOWN} more"
    assert lines[-1] == f"{root}: build of 47 images: 12 problems"
    assert len(verdict.as_json()["problems"]["missing"]) == 12
    json.dumps(verdict.as_json(), allow_nan=False)


def test_what_is_no_finished_build_is_refused(copy_of: CopyOf, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        verify(tmp_path / "none", workers=1)
    root = copy_of("match")
    (root / ".visnet").mkdir()
    (root / ".visnet" / "journal.jsonl").touch()
    with pytest.raises(OutputError, match="unfinished"):
        verify(root, workers=1)
    (root / ".visnet" / "journal.jsonl").unlink()
    (root / "manifest.csv").write_text("path\n")
    with pytest.raises(ManifestError, match="missing column"):
        verify(root, workers=1)
