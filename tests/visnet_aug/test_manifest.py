from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.errors import ManifestError
from visnet_aug.manifest import (
    COLUMNS,
    PROBE_SPLITS,
    ManifestRow,
    ManifestSplit,
    iter_manifest,
    read_manifest,
    write_manifest,
)

GOLDEN = Path(__file__).parents[1] / "golden/manifest.csv"

ORIGINAL = ManifestRow(
    path="bounding_box_train/0002_c1s1_000451_03.jpg.jpg",
    split="train",
    pid=2,
    camid=1,
    sequence=1,
    frame=451,
    kind="original",
    source="bounding_box_train/0002_c1s1_000451_03.jpg.jpg",
    copy=None,
    family=None,
    variant=None,
    intensity=None,
    seed=None,
    params=None,
    mask="masks/0002_c1s1_000451_03.png",
    mask_area=0.25,
    mask_confidence=0.9,
    mask_quality=0.875,
    width=64,
    height=128,
    sha256="0" * 64,
)
AUGMENTED = replace(
    ORIGINAL,
    path="bounding_box_train/0002_c1s1_000451_03_1_noise.jpg",
    kind="augmented",
    copy=1,
    family="noise",
    variant="salt_and_pepper",
    intensity=1 / 3,
    seed=2**64 - 1,
    params={"variant": "salt_and_pepper", "amount": 0.1, "levels": [0, 255], "é": None},
    sha256="1" * 64,
)
JUNK = replace(
    ORIGINAL,
    path="bounding_box_test/-1_c6s3_000451_03.jpg",
    split="gallery",
    pid=-1,
    camid=6,
    sequence=None,
    frame=None,
    source="bounding_box_test/-1_c6s3_000451_03.jpg",
    mask=None,
    mask_area=None,
    mask_confidence=None,
    mask_quality=None,
)
ODD_NAMES = replace(
    AUGMENTED,
    path='bounding_box_val/a, "b" é…c.jpg',
    split="val",
    intensity=0.0,
    mask_area=1e-07,
    mask_confidence=1.0,
    mask_quality=None,
    params={},
)
PROBE = replace(
    AUGMENTED,
    path="noise/bounding_box_test/0000_c6s3_000451_03_1_noise.jpg",
    split="probe-gallery",
    pid=0,
    camid=6,
    source="bounding_box_test/0000_c6s3_000451_03.jpg",
    variant="gaussian",
    params={"variant": "gaussian"},
    mask="masks/gallery/0000_c6s3_000451_03.png",
)
ROWS = [ORIGINAL, AUGMENTED, ODD_NAMES, JUNK, PROBE]


def write_cells(path: Path, *rows: Sequence[str], header: Sequence[str] = COLUMNS) -> Path:
    """Write unquoted cells, whatever they say."""
    path.write_text("".join(",".join(cells) + "\n" for cells in (header, *rows)), newline="")
    return path


def cells(row: ManifestRow, **changed: str) -> list[str]:
    """Return a row's cells as they would be written, with some of them changed."""
    values = {"params": "{}"} if row.params is not None else {}
    for name in COLUMNS:
        value = getattr(row, name)
        values.setdefault(name, "" if value is None else str(value))
    return [(values | changed)[name] for name in COLUMNS]


def changed(row: ManifestRow, **values: Any) -> ManifestRow:
    """Return a row with values that its types may not allow."""
    return replace(row, **values)


def test_the_format_is_the_golden_file_byte_for_byte(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", ROWS)
    assert (tmp_path / "manifest.csv").read_bytes() == GOLDEN.read_bytes()


def test_the_golden_file_reads_back() -> None:
    assert read_manifest(GOLDEN) == ROWS
    assert next(iter_manifest(GOLDEN)) == ORIGINAL


def test_the_columns_are_those_of_the_design() -> None:
    assert ",".join(COLUMNS) == (
        "path,split,pid,camid,sequence,frame,kind,source,copy,family,variant,intensity,seed,"
        "params,mask,mask_area,mask_confidence,mask_quality,width,height,sha256"
    )


def test_no_rows_are_a_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [])
    assert read_manifest(tmp_path / "manifest.csv") == []


names = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\:"), min_size=1
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
shares = st.floats(0, 1).map(abs)  # abs: no negative zero
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # One of JSON's escapes: halves of a surrogate pair join when read.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def manifest_rows(draw: st.DrawFn) -> ManifestRow:
    augmented = draw(st.booleans())
    originals: tuple[ManifestSplit, ...] = ("train", "val", "query", "gallery")
    copies: tuple[ManifestSplit, ...] = ("train", "val", "probe-query", "probe-gallery")
    split = draw(st.sampled_from(copies if augmented else originals))
    masked = augmented or draw(st.booleans())
    counts = st.integers(0, 2**63 - 1)
    made: dict[str, Any] = dict.fromkeys(
        ("copy", "family", "variant", "intensity", "seed", "params")
    )
    if augmented:
        made = {
            "copy": draw(st.integers(1, 99)),
            "family": draw(texts),
            "variant": draw(texts),
            "intensity": draw(shares),
            "seed": draw(st.integers(0, 2**64 - 1)),
            "params": draw(st.dictionaries(st.text(), json_values)),
        }
    return ManifestRow(
        path=draw(paths),
        split=split,
        pid=draw(st.integers(-1 if split.endswith("gallery") else 1, 9999)),
        camid=draw(st.integers(1, 20)),
        sequence=draw(st.none() | counts),
        frame=draw(st.none() | counts),
        kind="augmented" if augmented else "original",
        source=draw(paths),
        mask=draw(paths) if masked else None,
        mask_area=draw(shares) if masked else None,
        mask_confidence=draw(shares) if masked else None,
        mask_quality=draw(st.none() | shares) if masked else None,
        width=draw(st.integers(1, 9999)),
        height=draw(st.integers(1, 9999)),
        sha256=draw(sha256s),
        **made,
    )


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(manifest_rows(), max_size=3, unique_by=lambda row: row.path))
def test_rows_survive_the_round_trip(
    rows: list[ManifestRow], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    write_manifest(path, rows)
    assert read_manifest(path) == rows
    written = path.read_bytes()
    write_manifest(path, read_manifest(path))
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("path", value) for value in ("", "/etc/passwd", "../x.jpg", "a/../b.jpg", "a/..")),
        *(("path", value) for value in (".", "./x.jpg", "a/./b.jpg", "a//b.jpg", "a/", "a/.")),
        *(("path", value) for value in ("a\\b.jpg", "C:/x.jpg", "c:x.jpg", "\\\\host\\x.jpg")),
        *(("path", value) for value in ("a\0.jpg", "a\t.jpg", "a\x7f.jpg")),
        *(("source", value) for value in ("", "/x.jpg", "../x.jpg", "D:/x.jpg")),
        *(("mask", value) for value in ("", "/x.png", "masks/../../x.png")),
        *(("split", value) for value in ("", "test", "Train", "query", "gallery", "probe")),
        *(("kind", value) for value in ("", "copy")),
        *(("pid", value) for value in ("", "x", "1.0", " 1", "1_0", "٢", "-2", "0", "-1")),
        *(("pid", value) for value in (str(2**63), "9" * 30, "nan")),
        *(("camid", value) for value in ("", "0", "-1", "c1")),
        *(("sequence", value) for value in ("-1", "s1")),
        *(("frame", value) for value in ("-1", "451.0")),
        *(("copy", value) for value in ("", "0", "-1")),
        *(("family", value) for value in ("", "a\tb")),
        ("variant", ""),
        *(("intensity", value) for value in ("", "nan", "NaN", "inf", "-inf", "-0.1", "1.1")),
        *(("intensity", value) for value in ("1_0", " 0.5", "0x1", "1e400", "½")),
        *(("seed", value) for value in ("", "-1", str(2**64), "1e3")),
        *(("params", value) for value in ("", "[]", "1", "null", "x", "{", "{}}")),
        *(("params", value) for value in ("{NaN:1}", "[" * 100_000)),
        *(("mask_area", value) for value in ("", "nan", "2")),
        *(("mask_confidence", value) for value in ("", "nan", "-1")),
        *(("mask_quality", value) for value in ("nan", "-1", "1.1")),
        *(("width", value) for value in ("", "0", "-64", "64.0")),
        *(("height", value) for value in ("", "0", "-64", "64.0")),
        *(("sha256", value) for value in ("", "0" * 63, "0" * 65, "g" * 64, "A" * 64)),
    ],
)
def test_a_bad_cell_is_named_by_file_row_and_column(
    column: str, value: str, tmp_path: Path
) -> None:
    other = {"path": "bounding_box_train/other.jpg", column: value}
    path = write_cells(tmp_path / "manifest.csv", cells(AUGMENTED), cells(AUGMENTED, **other))
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    message = str(error.value)
    assert message.startswith(f"{path}: row 3, column {column}: ")
    assert message.isprintable()
    assert len(message) < 500


@pytest.mark.parametrize("params", ['{"a":NaN}', '{"a":[-Infinity]}', '{"a":1e999}'])
def test_parameters_are_finite(params: str, tmp_path: Path) -> None:
    quoted = '"' + params.replace('"', '""') + '"'
    path = write_cells(tmp_path / "manifest.csv", cells(AUGMENTED, params=quoted))
    with pytest.raises(ManifestError, match=r"column params: .*NaN or infinite"):
        read_manifest(path)


@pytest.mark.parametrize("column", ["copy", "family", "variant", "intensity", "seed", "params"])
def test_an_original_has_nothing_drawn(column: str, tmp_path: Path) -> None:
    value = {"params": "{}", "family": "noise", "variant": "gaussian"}.get(column, "1")
    path = write_cells(tmp_path / "manifest.csv", cells(ORIGINAL, **{column: value}))
    with pytest.raises(ManifestError, match=f"column {column}: filled for an original"):
        read_manifest(path)


@pytest.mark.parametrize("split", PROBE_SPLITS)
def test_a_probe_split_holds_no_original(split: str, tmp_path: Path) -> None:
    path = write_cells(tmp_path / "manifest.csv", cells(JUNK, split=split, pid="1"))
    with pytest.raises(ManifestError, match=f"row 2, column split: an original image in {split}"):
        read_manifest(path)


def test_nobody_is_in_the_gallery_alone(tmp_path: Path) -> None:
    path = write_cells(tmp_path / "manifest.csv", cells(PROBE, split="probe-query"))
    with pytest.raises(ManifestError, match=r"0 is nobody's, .* gallery and probe-gallery may"):
        read_manifest(path)


def test_mask_columns_are_given_together(tmp_path: Path) -> None:
    path = write_cells(tmp_path / "manifest.csv", cells(JUNK, mask_area="0.5"))
    with pytest.raises(ManifestError, match=r"column mask_area: .* together or not at all"):
        read_manifest(path)


def test_without_a_mask_there_is_no_quality(tmp_path: Path) -> None:
    path = write_cells(tmp_path / "manifest.csv", cells(JUNK, mask_quality="0.5"))
    with pytest.raises(ManifestError, match="column mask_quality: filled where there is no mask"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (COLUMNS[:-1], "row 1: missing column sha256;"),
        (("path", "split"), "row 1: missing column pid, camid, "),
        ((*COLUMNS, "box"), "row 1: unknown column box;"),
        ((*COLUMNS[1:], "path"), "row 1: columns repeated or out of order;"),
        ((*COLUMNS, "path"), "row 1: columns repeated or out of order;"),
        ((";".join(COLUMNS),), "row 1: missing column path, split"),
        ((), "row 1: missing column path, split"),
    ],
)
def test_other_columns_are_refused(header: Sequence[str], message: str, tmp_path: Path) -> None:
    path = write_cells(tmp_path / "manifest.csv", header=header)
    with pytest.raises(ManifestError, match=f"^{path}: {message}"):
        read_manifest(path)


def test_rows_of_one_path_are_refused(tmp_path: Path) -> None:
    rows = (ORIGINAL, JUNK, ORIGINAL)
    path = write_cells(tmp_path / "manifest.csv", *map(cells, rows))
    with pytest.raises(ManifestError, match=r"row 4, column path: .* is in row 2 already"):
        read_manifest(path)
    with pytest.raises(ManifestError, match=r"row 4, column path: .* is in row 2 already"):
        write_manifest(path, rows)


@pytest.mark.parametrize("number", [0, len(COLUMNS) - 1, len(COLUMNS) + 1])
def test_a_row_of_another_length_is_refused(number: int, tmp_path: Path) -> None:
    row = [*cells(ORIGINAL), "x"][:number]
    path = write_cells(tmp_path / "manifest.csv", row)
    with pytest.raises(ManifestError, match=f"row 2: {number} cells instead of {len(COLUMNS)}"):
        read_manifest(path)


def test_every_cut_within_a_line_is_refused(tmp_path: Path) -> None:
    data = GOLDEN.read_bytes()
    path = tmp_path / "manifest.csv"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if data[:length].endswith(b"\n"):
            rows = data[:length].count(b"\n") - 1
            assert read_manifest(path) == ROWS[:rows]
        else:
            with pytest.raises(ManifestError, match=r"ends within this line|empty"):
                read_manifest(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "row 1: saved by a spreadsheet"),
        (lambda data: data.replace(b"\n", b"\r\n"), "row 1: saved by a spreadsheet"),
        (lambda data: data.replace(b"451", b"45\r1"), "row 2: saved by a spreadsheet"),
        (lambda data: data.replace(b"\xc3\xa9", b"\xe9"), "row 4: .*decode byte 0xe9"),
        (lambda data: data.replace(b'""', b'"'), "row 3: .*expected after"),
        (lambda data: data.replace(b'""b', b"\n"), "row 4: unexpected end of data"),
    ],
)
def test_edited_files_are_refused(
    edit: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(edit(GOLDEN.read_bytes()))
    with pytest.raises(ManifestError, match=message):
        read_manifest(path)


def test_what_is_no_file_is_a_manifest_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "nowhere.csv")
    with pytest.raises(ManifestError, match="Is a directory"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("path", "/etc/passwd"),
        ("path", "a\udcff.jpg"),
        ("path", "a\nb.jpg"),
        ("family", "a\udcff"),
        ("pid", None),
        ("pid", 2.5),
        ("pid", True),
        ("intensity", math.nan),
        ("intensity", 2.0),
        ("params", {"a": math.nan}),
        ("params", {"a": {1, 2}}),
        ("params", {1: 2, "a": 3}),
        ("params", [1]),
        ("seed", None),
    ],
)
def test_the_writer_refuses_what_the_reader_would(
    column: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("before")
    with pytest.raises(ManifestError, match=f"row 3, column {column}: "):
        write_manifest(path, [ORIGINAL, changed(AUGMENTED, **{column: value})])
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("manifest.csv", "before")
    ]


def test_numpy_scalars_are_numbers(tmp_path: Path) -> None:
    row = changed(
        AUGMENTED,
        pid=np.int64(2),
        intensity=np.float64(0.1),
        mask_area=np.float32(0.5),
    )
    write_manifest(tmp_path / "manifest.csv", [row])
    assert read_manifest(tmp_path / "manifest.csv") == [row]


def test_importing_the_schema_stays_light() -> None:
    heavy = ("numpy", "cv2", "torch", "PIL", "pydantic", "albumentations")
    code = "import sys, visnet_aug.manifest; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & set(heavy)
