from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image

from visnet_aug.errors import ManifestError, OutputError
from visnet_aug.manifest import ManifestRow, write_manifest
from visnet_aug.masks.person import PersonMask, Reason
from visnet_aug.masks.store import MaskStore, save_mask
from visnet_aug.report.family_sheet import describe_params
from visnet_aug.report.mask_sheets import REASONS
from visnet_aug.report.material import read_material
from visnet_aug.report.page import MARGIN, PAPER
from visnet_aug.report.sheets import write_sheets

SHAPE = (32, 16)
VARIANTS = ("gaussian", "salt_and_pepper")
REJECTED: dict[int, Reason] = {8: "no_person", 9: "border"}
"""Numbers of the images without a mask."""

HEADER = "path,split,stage,reason,detail\n"


def write_image(path: Path, number: int) -> None:
    pixels = np.random.default_rng(number).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")


def row(number: int, kind: str = "original") -> ManifestRow:
    """One of ten originals, or the copy of one; two identities a camera, two cameras."""
    name = f"{number // 2 + 1:04d}_c{number % 2 + 1}s1_{number:06d}_00"
    accepted, copy = number not in REJECTED, kind == "augmented"
    path = f"train/{name}_1_noise.png" if copy else f"train/{name}.png"
    return ManifestRow(
        path=path,
        split="train",
        pid=number // 2 + 1,
        camid=number % 2 + 1,
        sequence=1,
        frame=number,
        kind="augmented" if copy else "original",
        source=f"bounding_box_train/{name}.jpg.jpg",
        copy=1 if copy else None,
        family="noise" if copy else None,
        variant=VARIANTS[number % 2] if copy else None,
        intensity=number / 10 if copy else None,
        seed=7 if copy else None,
        params={"variant": VARIANTS[number % 2], "sigma_levels": 12.5} if copy else None,
        mask=f"masks/{name}.png" if accepted else None,
        mask_area=0.5 if accepted else None,
        mask_confidence=0.9 if accepted else None,
        width=SHAPE[1],
        height=SHAPE[0],
        sha256="0" * 64,
    )


def stem(number: int) -> str:
    return Path(row(number).path).stem


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_build(tmp_path / "out", originals=True)


def make_build(out: Path, *, originals: bool) -> Path:
    """A finished build of ten images, two without a mask, and a copy of each of the others."""
    rows = [row(n) for n in range(10)] if originals else []
    rows += [row(n, "augmented") for n in range(10) if n not in REJECTED]
    out.mkdir()
    for number, described in enumerate(rows):
        write_image(out / described.path, number)
    write_manifest(out / "manifest.csv", rows)
    store = MaskStore(out)
    mask = np.zeros(SHAPE, bool)
    mask[4:28, 4:12] = True
    for number in range(10):
        reason = REJECTED.get(number)
        found = None if reason == "no_person" else mask
        judged = PersonMask(found, 0.375, 0.9, reason)
        store.note([save_mask(out, stem(number), "1" * 64, "2" * 64, judged)])
    store.flush()
    lines = [f"train/{stem(n)}.png,train,mask,{reason},text" for n, reason in REJECTED.items()]
    lines += ['query/b.jpg,query,read,truncated,"cut, short"', "query/a.jpg,query,read,truncated,x"]
    (out / "rejected.csv").write_text(HEADER + "\n".join(lines) + "\n")
    return out


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def section_count(path: Path) -> int:
    """Count the rules across the page, one for each section."""
    page = np.array(Image.open(path).convert("RGB"))[:, MARGIN:-MARGIN]
    flat = (page == page[:, :1]).all(axis=(1, 2))
    return int((flat & (page[:, 0, 0] == 218)).sum())


def test_all_sheets_are_written(out: Path) -> None:
    paths = write_sheets(out)
    assert names(paths) == ["family-noise.png", "masks.png", "rejected-masks.png", "unreadable.txt"]
    assert sorted((out / "report").iterdir()) == sorted(paths)
    assert [section_count(path) for path in paths[:3]] == [2, 2, 2]
    assert all(Image.open(path).width <= 1600 for path in paths[:3])


def test_unreadable_files_are_listed_by_reason(out: Path) -> None:
    text = write_sheets(out)[-1].read_text()
    assert text == "truncated: 2\n  query/b.jpg  cut, short\n  query/a.jpg  x\n"


def test_the_same_build_gives_the_same_bytes(out: Path) -> None:
    first = [path.read_bytes() for path in write_sheets(out, samples=2)]
    assert [path.read_bytes() for path in write_sheets(out, samples=2)] == first
    other = [path.read_bytes() for path in write_sheets(out, samples=2, seed=1)]
    assert other != first


def test_samples_counts_pairs_and_twice_as_many_singles(out: Path) -> None:
    def shown(sheet: int, samples: int) -> int:
        page = np.array(Image.open(write_sheets(out, samples=samples)[sheet]))
        filled = (page != PAPER).any(axis=-1).astype(np.uint8)
        pictures = cv2.erode(cv2.medianBlur(filled, 5), np.ones((99, 99), np.uint8))
        return int(cv2.connectedComponents(pictures)[0]) - 1

    families, masks = 0, 1
    assert [shown(families, samples) for samples in (1, 2, 4, 99)] == [4, 8, 16, 16]
    assert [shown(masks, samples) for samples in (1, 2, 99)] == [4, 8, 8]


def test_rejections_are_those_of_the_mask_stage(out: Path) -> None:
    assert read_material(out).reasons == {"no_person": 1, "border": 1}


def test_sheets_of_an_earlier_build_go_away(out: Path) -> None:
    write_sheets(out)
    (out / "report" / "family-old.png").write_bytes(b"")
    (out / "report" / "notes.txt").write_text("mine")
    (out / "rejected.csv").write_text(HEADER)
    assert names(write_sheets(out)) == ["family-noise.png", "masks.png"]
    assert sorted(names(list((out / "report").iterdir()))) == [
        "family-noise.png",
        "masks.png",
        "notes.txt",
    ]


def test_a_set_without_originals_shows_masks_instead(tmp_path: Path) -> None:
    out = make_build(tmp_path / "out", originals=False)
    paths = write_sheets(out)
    assert names(paths)[:3] == ["family-noise.png", "masks.png", "rejected-masks.png"]
    page = np.array(Image.open(paths[0]))
    assert (page == (255, 214, 0)).all(axis=-1).sum() > 1000, "the masks' outlines"


def test_masks_edited_by_hand_have_their_section(out: Path) -> None:
    store = MaskStore(out)
    edit = io.BytesIO()
    Image.new("1", (SHAPE[1], SHAPE[0]), 1).save(edit, "PNG")
    store.path(stem(0)).write_bytes(edit.getvalue())
    assert store.find(stem(0), "1" * 64, "2" * 64, SHAPE) is not None
    store.flush()
    assert section_count(write_sheets(out)[1]) == 3


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def _begin_again(out: Path) -> None:
    (out / ".visnet").mkdir()
    (out / ".visnet" / "journal.jsonl").write_text("{}\n")


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (_begin_again, OutputError, "unfinished; run the same build command again"),
        (lambda out: (out / "manifest.csv").unlink(), OutputError, r"no manifest\.csv in it"),
        (lambda out: _truncate(out / "manifest.csv"), ManifestError, r"manifest\.csv: row 1"),
        (lambda out: _truncate(out / "masks.csv"), OutputError, r"masks\.csv: 1 damaged line;"),
        (
            lambda out: (out / "rejected.csv").unlink(),
            OutputError,
            r"rejected\.csv: cannot be read",
        ),
        (
            lambda out: (out / "rejected.csv").write_text("a,b\n1,2\n"),
            OutputError,
            r"rejected\.csv",
        ),
        (lambda out: (out / "rejected.csv").write_bytes(b"\xff"), OutputError, "damaged"),
        (lambda out: _truncate(out / row(3).path), OutputError, r"000003_00\.png: cannot be shown"),
        (lambda out: (out / row(3).path).unlink(), OutputError, r"000003_00\.png: cannot be shown"),
        (lambda out: (out / str(row(3).mask)).unlink(), OutputError, r"mask cannot be read"),
        (
            lambda out: Image.new("1", (3, 3)).save(out / str(row(3).mask)),
            OutputError,
            r"masks/0002_c2s1_000003_00\.png: not of its image's size",
        ),
        (lambda out: (out / "report").write_text(""), OutputError, r"report: cannot be made"),
    ],
)
def test_a_broken_build_is_one_clear_line(
    out: Path, harm: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    harm(out)
    with pytest.raises(error, match=message) as caught:
        write_sheets(out)
    assert "\n" not in str(caught.value)


def test_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        write_sheets(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, ""),
        ({"variant": "hue", "intensity": 0.5, "hue_degrees": -74.52}, "hue -74.5 deg"),
        ({"angle_degrees": 107, "length_pixels": 13}, "angle 107 deg, length 13 px"),
        ({"fraction": 0.125, "seed": 12345}, "fraction 0.125"),
        ({"saturation_factor": 1.5}, "saturation 1.5 x"),
        ({"colours": [[1, 2, 3]], "opaque": True, "opacity": 1.0}, "opacity 1"),
        ({"factor": 1.25}, "factor 1.25"),
    ],
)
def test_params_are_said_in_words(params: dict[str, object], text: str) -> None:
    assert describe_params(params) == text


def test_every_reason_has_its_words() -> None:
    assert set(REASONS) == {*get_args(Reason), "edited"}
