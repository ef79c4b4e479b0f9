from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.builder.rows import RECORD_COLUMNS, UNTOUCHED
from visnet_aug.builder.tables import metadata_columns, metadata_files
from visnet_aug.manifest import ManifestRow

ORIGINAL = ManifestRow(
    path="bounding_box_train/0002_c1s1_000451_03.jpg",
    split="train",
    pid=2,
    camid=1,
    sequence=1,
    frame=451,
    kind="original",
    source="bounding_box_train/0002_c1s1_000451_03.jpg",
    copy=None,
    family=None,
    variant=None,
    intensity=None,
    seed=None,
    params=None,
    mask=None,
    mask_area=None,
    mask_confidence=None,
    mask_quality=None,
    width=64,
    height=128,
    sha256="0" * 64,
)
COPY = replace(
    ORIGINAL,
    path="bounding_box_train/0002_c1s1_000451_03_1_blur.jpg",
    kind="augmented",
    copy=1,
    family="blur",
    variant="motion",
    intensity=0.5,
    seed=2**64 - 1,
    params={},
    mask="masks/0002_c1s1_000451_03.png",
    mask_area=0.5,
    mask_confidence=0.9,
    mask_quality=None,
)
QUERY = replace(ORIGINAL, path="query/0003_c1s1_000451_03.jpg", split="query", pid=3)


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_each_folder_has_a_table_of_its_images() -> None:
    rows = [ORIGINAL, COPY, QUERY]
    files = metadata_files(rows, metadata_columns(rows))
    assert set(files) == {"bounding_box_train/metadata.csv", "query/metadata.csv"}
    original, copy = read(files["bounding_box_train/metadata.csv"])
    assert tuple(original) == RECORD_COLUMNS
    assert original | {"family": "blur"} == {
        "file_name": "0002_c1s1_000451_03.jpg", "split": "train", "pid": "2", "camid": "1",
        "sequence": "1", "frame": "451", "kind": "original", "source": ORIGINAL.source,
        "copy": "0", "family": "blur", "variant": UNTOUCHED, "intensity": "0.0",
    }  # fmt: skip
    assert copy == original | {
        "file_name": "0002_c1s1_000451_03_1_blur.jpg", "kind": "augmented", "copy": "1",
        "family": "blur", "variant": "motion", "intensity": "0.5",
    }  # fmt: skip
    assert [row["pid"] for row in read(files["query/metadata.csv"])] == ["3"]


@pytest.mark.parametrize("missing", [("sequence",), ("frame",), ("sequence", "frame")])
def test_what_some_image_has_not_is_left_out_everywhere(missing: tuple[str, ...]) -> None:
    rows = [ORIGINAL, replace(QUERY, **cast(Any, dict.fromkeys(missing)))]
    columns = metadata_columns(rows)
    assert set(columns) == set(RECORD_COLUMNS).difference(missing)
    for data in metadata_files(rows, columns).values():
        assert tuple(read(data)[0]) == columns


def test_what_is_in_shards_has_its_rows_there() -> None:
    rows = [replace(QUERY, path="shards/query-000000.tar/0003_c1s1_000451_03.jpg"), ORIGINAL]
    files = metadata_files(rows, metadata_columns(rows))
    assert set(files) == {"bounding_box_train/metadata.csv"}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(
            replace,
            st.sampled_from([ORIGINAL, COPY, QUERY]),
            sequence=st.none() | st.integers(0, 9),
            source=st.text("ab,\"' é/", min_size=1).map(lambda text: f"x{text}.jpg"),
        ),
        min_size=1,
    )
)
def test_no_cell_is_empty_and_every_row_comes_back(rows: list[ManifestRow]) -> None:
    columns = metadata_columns(rows)
    found = [row for data in metadata_files(rows, columns).values() for row in read(data)]
    assert all(all(row.values()) and tuple(row) == columns for row in found)
    assert sorted(row["source"] for row in found) == sorted(row.source for row in rows)
