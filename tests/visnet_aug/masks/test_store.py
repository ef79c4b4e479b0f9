from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visnet_aug.errors import OutputError
from visnet_aug.files import sha256_of
from visnet_aug.masks.person import PersonMask, mask_area
from visnet_aug.masks.png import encode_mask
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import COLUMNS, MaskEntry, MaskStore, mask_key, read_mask, save_mask

SHAPE = (12, 8)
STEM = "0002_c1s1_000451_03"
IMAGE = "a" * 64
KEY = "b" * 64


def person() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:11, 2:6] = True
    return mask


ACCEPTED = PersonMask(person(), 0.375, 0.87654321, None, 0.7)
REJECTED = PersonMask(person(), 0.375, 0.1, "low_confidence")
NOBODY = PersonMask(None, 0.0, 0.0, "no_person")


def stored(out: Path, found: PersonMask = ACCEPTED, stem: str = STEM) -> MaskEntry:
    """Save one mask and return what a new store reads back."""
    store = MaskStore(out)
    store.note([save_mask(out, stem, IMAGE, KEY, found)])
    store.flush()
    return MaskStore(out).entries[stem]


def find(store: MaskStore, *, image: str = IMAGE, key: str = KEY) -> MaskEntry | None:
    return store.find(STEM, image, key, SHAPE)


def png(pixels: np.ndarray, mode: str = "L") -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, "PNG")
    return data.getvalue()


def test_an_accepted_mask_comes_back(tmp_path: Path) -> None:
    entry = stored(tmp_path)
    data = (tmp_path / "masks" / f"{STEM}.png").read_bytes()
    assert entry == MaskEntry(
        STEM, IMAGE, KEY, 0.375, 0.876543, 0.7, "accepted", "", "segmenter", sha256_of(data)
    )
    store = MaskStore(tmp_path)
    assert find(store) == entry
    assert not store.damaged
    np.testing.assert_array_equal(read_mask(store.path(STEM), SHAPE), person())


@pytest.mark.parametrize("found", [REJECTED, NOBODY])
def test_a_rejected_mask_has_a_line_and_no_file(tmp_path: Path, found: PersonMask) -> None:
    stored(tmp_path)
    entry = stored(tmp_path, found)
    assert (entry.verdict, entry.reason, entry.mask_sha256) == ("rejected", found.reason, "")
    assert not (tmp_path / "masks" / f"{STEM}.png").exists()
    assert find(MaskStore(tmp_path)) == entry


def test_the_png_has_one_bit_a_pixel_white_for_the_person(tmp_path: Path) -> None:
    stored(tmp_path)
    data = (tmp_path / "masks" / f"{STEM}.png").read_bytes()
    assert data[24:26] == bytes([1, 0])  # bit depth, greyscale
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "1"
        np.testing.assert_array_equal(np.array(image), person())


@settings(deadline=None, max_examples=50)
@given(mask=hnp.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_mask_survives_the_png(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray
) -> None:
    out = tmp_path_factory.mktemp("out")
    stored(out, PersonMask(mask, 0.5, 0.5, None))
    np.testing.assert_array_equal(read_mask(out / "masks" / f"{STEM}.png", mask.shape), mask)


def test_files_are_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    def contents(order: list[str]) -> dict[str, bytes]:
        out = tmp_path / "_".join(order)
        store = MaskStore(out)
        for stem in order:
            store.note([save_mask(out, stem, IMAGE, KEY, ACCEPTED)])
        store.flush()
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    files = contents(["b", "a", "c"])
    assert files == contents(["c", "b", "a"])
    assert sorted(files) == ["masks.csv", "masks/a.png", "masks/b.png", "masks/c.png"]
    lines = files["masks.csv"].decode().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert [line.split(",")[0] for line in lines[1:]] == ["a", "b", "c"]


def test_a_change_asks_for_a_new_mask(tmp_path: Path) -> None:
    stored(tmp_path)
    store = MaskStore(tmp_path)
    assert find(store, key="c" * 64) is None
    assert find(store, image="c" * 64) is None
    assert store.find("another", IMAGE, KEY, SHAPE) is None
    assert not store.damaged


def test_the_key_depends_on_everything() -> None:
    keys = {
        mask_key("image", "weights", MaskSettings()),
        mask_key("image 2", "weights", MaskSettings()),
        mask_key("image", "weights 2", MaskSettings()),
        mask_key("image", "weights", MaskSettings(min_area=0.11)),
    }
    assert len(keys) == 4
    assert mask_key("image", "weights", MaskSettings()) in keys


# --- damage ---------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_missing_png_is_counted_and_made_again(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    entry = stored(tmp_path)
    whole = MaskStore(tmp_path).path(STEM).read_bytes()
    harm(MaskStore(tmp_path).path(STEM))
    store = MaskStore(tmp_path)
    assert find(store) is None
    assert store.damaged == {"missing PNG": 1}
    assert stored(tmp_path) == entry
    assert store.path(STEM).read_bytes() == whole


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(b"text"), "not a complete PNG"),
        (_truncate, "not a complete PNG"),
        (_flip_a_bit, "not a complete PNG"),
        (lambda path: path.write_bytes(png(np.zeros((12, 12), np.uint8))), "12×12 pixels"),
        (lambda path: path.write_bytes(png(np.full(SHAPE, 7, np.uint8))), "neither 0 and 1"),
    ],
)
def test_a_png_that_is_no_mask_is_an_error_and_stays(
    tmp_path: Path, harm: Callable[[Path], object], message: str
) -> None:
    stored(tmp_path)
    path = MaskStore(tmp_path).path(STEM)
    harm(path)
    data = path.read_bytes()
    with pytest.raises(OutputError, match=f"{STEM}.png: not usable as a mask: .*{message}"):
        find(MaskStore(tmp_path))
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "harm",
    [
        lambda line: line[:-1],
        lambda line: line[:40],
        lambda line: line.replace("accepted", "perhaps"),
        lambda line: line.replace("accepted", "rejected"),
        lambda line: line.replace("accepted,", "accepted,border"),
        lambda line: line.replace("0.375000", "nan"),
        lambda line: line.replace("0.375000", "1.5"),
        lambda line: line.replace("0.375000", ""),
        lambda line: '"' + line,
        lambda line: line + ",",
        lambda line: line.replace(IMAGE, "\udcff"),
    ],
)
def test_a_torn_line_is_counted_and_harms_no_other(
    tmp_path: Path, harm: Callable[[str], str]
) -> None:
    stored(tmp_path)
    kept = stored(tmp_path, stem="later")
    table = tmp_path / "masks.csv"
    header, line, other = table.read_text().splitlines()
    text = "\n".join([header, harm(line), other]) + "\n"
    table.write_bytes(text.encode("utf-8", "surrogateescape"))
    store = MaskStore(tmp_path)
    assert dict(store.entries) == {"later": kept}
    assert store.damaged == {"torn line": 1}
    store.flush()
    assert not MaskStore(tmp_path).damaged


@pytest.mark.parametrize("end", [0, 10, 150, 300])
def test_a_table_cut_anywhere_is_read(tmp_path: Path, end: int) -> None:
    stored(tmp_path)
    table = tmp_path / "masks.csv"
    table.write_bytes(table.read_bytes()[:end])
    store = MaskStore(tmp_path)
    assert not store.entries
    assert store.damaged == {"torn line": 1}


@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=300))
def test_any_bytes_for_a_table_are_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    out = tmp_path_factory.mktemp("out")
    (out / "masks.csv").write_bytes(data)
    assert not MaskStore(out).entries


def test_our_own_png_without_a_line_is_computed_again(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "masks.csv").unlink()
    assert find(MaskStore(tmp_path)) is None


def test_a_png_that_a_person_put_there_before_any_build_is_an_edit(tmp_path: Path) -> None:
    store = MaskStore(tmp_path)
    store.path(STEM).parent.mkdir()
    store.path(STEM).write_bytes(png(edited()))
    entry = find(store)
    assert entry is not None
    assert (entry.origin, entry.verdict, entry.confidence) == ("edited", "accepted", 0.0)
    store.flush()
    assert find(MaskStore(tmp_path), key="c" * 64) == entry


def test_forgetting_reaches_the_disk(tmp_path: Path) -> None:
    """So that a new PNG beside an old line, left by a kill, does not pass for an edit."""
    stored(tmp_path)
    store = MaskStore(tmp_path)
    store.forget([STEM, "unknown"])
    changed = PersonMask(~person(), 0.6, 0.9, None)
    save_mask(tmp_path, STEM, IMAGE, "c" * 64, changed)  # killed before the flush
    assert find(MaskStore(tmp_path)) is None


# --- edits ----------------------------------------------------------------------------------


def edited() -> np.ndarray:
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[1:11, 1:7] = 255
    return pixels


def _inverted_alpha() -> bytes:
    """White everywhere, the background erased to transparency."""
    pixels = np.full((*SHAPE, 4), 255, np.uint8)
    pixels[..., 3] = edited()
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(png(edited(), mode) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")),
        png(np.where(edited() > 0, 130, 120).astype(np.uint8)),
        png(edited() // 255),
        png(np.kron(edited(), np.ones((2, 2), np.uint8))),
        _inverted_alpha(),
    ],
    ids=["1", "L", "P", "RGB", "RGBA", "LA", "greys", "0 and 1", "twice the size", "erased"],
)
@pytest.mark.parametrize("found", [ACCEPTED, REJECTED])
def test_an_edit_is_kept(tmp_path: Path, data: bytes, found: PersonMask) -> None:
    stored(tmp_path, found)
    store = MaskStore(tmp_path)
    store.path(STEM).parent.mkdir(exist_ok=True)
    store.path(STEM).write_bytes(data)
    entry = find(store)
    assert entry is not None
    assert (entry.verdict, entry.origin, entry.area) == ("accepted", "edited", 0.625)
    np.testing.assert_array_equal(read_mask(store.path(STEM), SHAPE), edited() > 0)
    assert store.path(STEM).read_bytes() == data
    assert not store.damaged


def test_an_edit_outlives_new_weights_but_not_a_new_image(tmp_path: Path) -> None:
    stored(tmp_path)
    store = MaskStore(tmp_path)
    store.path(STEM).write_bytes(png(edited()))
    entry = find(store, key="c" * 64)
    store.flush()
    again = MaskStore(tmp_path)
    assert find(again, key="d" * 64) == entry == again.entries[STEM]
    assert not again.damaged
    with pytest.raises(OutputError, match=f"{STEM}.png: its image has changed"):
        find(again, image="e" * 64)


def test_an_edit_can_be_edited_and_undone(tmp_path: Path) -> None:
    stored(tmp_path)
    store = MaskStore(tmp_path)
    store.path(STEM).write_bytes(png(edited()))
    find(store)
    store.path(STEM).write_bytes(png(np.full(SHAPE, 255, np.uint8)))
    entry = find(store)
    assert entry is not None
    assert (entry.area, entry.edited, entry.accepted) == (1.0, True, True)
    store.path(STEM).unlink()
    assert find(store) is None


def test_an_all_black_edit_rejects_the_image(tmp_path: Path) -> None:
    stored(tmp_path)
    store = MaskStore(tmp_path)
    store.path(STEM).write_bytes(png(np.zeros(SHAPE, np.uint8)))
    entry = find(store)
    store.flush()
    assert entry is not None
    assert (entry.verdict, entry.reason) == ("rejected", "no_person")
    assert find(MaskStore(tmp_path)) == entry


# --- folders that cannot be used ------------------------------------------------------------


def test_a_table_that_is_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "masks.csv").mkdir()
    with pytest.raises(OutputError, match=r"masks\.csv: cannot be read"):
        MaskStore(tmp_path)


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("")
    with pytest.raises(OutputError, match=r"masks: cannot be made"):
        save_mask(tmp_path, STEM, IMAGE, KEY, ACCEPTED)


@pytest.mark.parametrize("data", [None, b"", b"text"])
def test_reading_no_mask_is_one_clear_line(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "mask.png"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(OutputError, match=r"mask\.png: mask cannot be read"):
        read_mask(path, SHAPE)


def test_an_imported_mask_is_kept_like_an_edit(tmp_path: Path) -> None:
    store = MaskStore(tmp_path)
    entry = store.adopt(STEM, IMAGE, KEY, ACCEPTED, "cvat.json")
    store.flush()
    assert find(MaskStore(tmp_path), key="c" * 64) == entry
    assert (entry.origin, entry.edited, entry.computed) == ("cvat.json", False, False)
    assert entry.mask_quality is None  # it is the segmenter's word, and the mask is not


def test_saving_a_mask_again_without_a_change_is_no_edit(tmp_path: Path) -> None:
    entry = stored(tmp_path)
    path = MaskStore(tmp_path).path(STEM)
    ours = path.read_bytes()
    path.write_bytes(png(person().astype(np.uint8) * 255, "RGBA"))
    assert find(MaskStore(tmp_path)) == entry
    assert path.read_bytes() == ours


# --- tables of version 0.1.0 ----------------------------------------------------------------

OLD_HEADER = "stem,image_sha256,key,area,confidence,verdict,reason,mask_sha256"


def old_table(out: Path) -> dict[str, bytes]:
    """Write what version 0.1.0 wrote: masks of the network, and edits, in its own encoding."""
    masks = {"computed": person(), "edited": edited() > 0, "black": np.zeros(SHAPE, bool)}
    files = {stem: encode_mask(mask) for stem, mask in masks.items()}
    words = {"computed": "accepted,", "edited": "accepted,edited", "black": "rejected,edited"}
    lines = [
        f"{stem},{IMAGE},{KEY},{mask_area(masks[stem]):.6f},0.900000,{words[stem]},"
        f"{sha256_of(files[stem])}"
        for stem in sorted(files)
    ]
    lines.append(f"nobody,{IMAGE},{KEY},0.000000,0.000000,rejected,no_person,")
    (out / "masks").mkdir()
    for stem, data in files.items():
        (out / "masks" / f"{stem}.png").write_bytes(data)
    (out / "masks.csv").write_text("\n".join([OLD_HEADER, *lines, ""]))
    return files


def test_masks_of_version_0_1_0_are_known_and_its_edits_kept(tmp_path: Path) -> None:
    files = old_table(tmp_path)
    store = MaskStore(tmp_path)
    new = "c" * 64
    assert store.find("computed", IMAGE, new, SHAPE) is None
    assert store.find("nobody", IMAGE, new, SHAPE) is None
    found = {stem: store.find(stem, IMAGE, new, SHAPE) for stem in ("edited", "black")}
    assert {stem: entry and (entry.origin, entry.verdict, entry.reason, entry.mask_quality)
            for stem, entry in found.items()} == {
        "edited": ("edited", "accepted", "", None),
        "black": ("edited", "rejected", "no_person", None),
    }  # fmt: skip
    assert not store.damaged
    store.flush()
    again = MaskStore(tmp_path)
    assert (again.entries, again.damaged) == (store.entries, {})
    assert {stem: again.path(stem).read_bytes() for stem in files} == files


def test_a_damaged_line_of_version_0_1_0_is_counted(tmp_path: Path) -> None:
    old_table(tmp_path)
    table = tmp_path / "masks.csv"
    table.write_text(table.read_text().replace("accepted,edited", "accepted,edited,edited"))
    store = MaskStore(tmp_path)
    assert store.damaged == {"torn line": 1}
    assert set(store.entries) == {"computed", "black", "nobody"}


@pytest.mark.parametrize("origin", ["edited", "theirs"])
def test_a_line_with_a_quality_of_somebody_s_mask_is_torn(tmp_path: Path, origin: str) -> None:
    stored(tmp_path)
    table = tmp_path / "masks.csv"
    table.write_text(table.read_text().replace("segmenter", origin))
    assert MaskStore(tmp_path).damaged == {"torn line": 1}
