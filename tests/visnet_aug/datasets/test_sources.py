from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visnet_aug.datasets.images import (
    UnusableImage,
    UsableImage,
    decode_known,
    decode_rgb,
    inspect_bytes,
)
from visnet_aug.datasets.record import Dataset, ImageRecord, Region, find_source
from visnet_aug.datasets.sources import (
    Look,
    SourceImage,
    image_bytes,
    inspect_source,
    read_again,
)
from visnet_aug.errors import DatasetError
from visnet_aug.files import sha256_of

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
PHOTO = Image.fromarray(PIXELS)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6

FILES = {
    "jpeg": encode(PHOTO, "JPEG"),
    "png": encode(PHOTO, "PNG"),
    "grey jpeg": encode(PHOTO.convert("L"), "JPEG"),
    "turned jpeg": encode(PHOTO, "JPEG", exif=TURNED),
    "bmp": encode(PHOTO, "BMP"),
    "webp": encode(PHOTO, "WEBP"),
    "gif": encode(PHOTO, "GIF"),
}


def record(path: Path, image: SourceImage) -> ImageRecord:
    return ImageRecord(
        path, "x", "x", "train", 1, 1, None, None, None, image.width, image.height, image.sha256,
        region=image.region, conversion=image.conversion,
    )  # fmt: skip


@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("region", [None, Region(2, 3, 12, 19), Region(-5, -5, 12, 500)])
def test_what_was_read_is_read_again_as_a_plain_image(
    data: bytes, region: Region | None, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    (image,) = inspect_source(path, [region], Look())
    assert isinstance(image, SourceImage)
    again = read_again(record(path, image))
    assert sha256_of(again) == image.sha256
    assert image_bytes(data, image.region) == again
    plain = inspect_bytes(again)
    assert isinstance(plain, UsableImage)
    assert (plain.width, plain.height) == (image.width, image.height)
    assert image.suffix == (".png" if again.startswith(b"\x89PNG") else ".jpg")
    assert np.array_equal(decode_known(again), decode_rgb(again))
    assert (again == data) == record(path, image).is_file


def test_a_part_of_a_lossless_picture_has_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILES["png"])
    found = inspect_source(path, [Region(0, 0, 10, 10), Region(10, 20, 99, 99)], Look())
    cut = [decode_rgb(read_again(record(path, i))) for i in found if isinstance(i, SourceImage)]
    assert np.array_equal(cut[0], PIXELS[:10, :10])
    assert np.array_equal(cut[1], PIXELS[20:, 10:])


@pytest.mark.parametrize(
    "region", [Region(30, 0, 40, 9), Region(0, 0, 1, 30), Region(5, 5, 2, 9), Region(-9, 0, 0, 9)]
)
def test_a_part_without_pixels_is_none(region: Region, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILES["png"])
    (found,) = inspect_source(path, [region], Look())
    assert isinstance(found, UnusableImage)
    assert found.reason == "empty_box"
    with pytest.raises(DatasetError, match="no region"):
        image_bytes(FILES["png"], Region(0, 0, 21, 30))


def test_strict_looks_convert_nothing_and_hashes_are_made_if_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(FILES["bmp"])
    (refused,) = inspect_source(path, [None], Look(strict=True))
    assert isinstance(refused, UnusableImage)
    assert refused.reason == "other_format"
    (hashed,) = inspect_source(path, [None], Look(hashed=True))
    assert isinstance(hashed, SourceImage)
    assert hashed.hashed is not None
    assert 0 <= hashed.hashed < 2**64
    with pytest.raises(DatasetError, match="cannot be decoded"):
        image_bytes(b"no image")


OTHER = encode(Image.new("RGB", (20, 30)), "PNG")


@pytest.mark.parametrize("data", [b"", b"text", OTHER, FILES["gif"][:100], None])
@pytest.mark.parametrize("kind", ["jpeg", "bmp"])
def test_a_source_that_changed_is_noticed(data: bytes | None, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(FILES[kind])
    (image,) = inspect_source(path, [None], Look())
    assert isinstance(image, SourceImage)
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    with pytest.raises(DatasetError, match="run again"):
        read_again(record(path, image))


@given(
    path=st.text(min_size=1).filter(lambda path: "#xywh=" not in path),
    corner=st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
    size=st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
)
def test_an_origin_leads_back_to_file_and_region(
    path: str, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    region = Region(*corner, corner[0] + size[0], corner[1] + size[1])
    assert find_source(f"{path}#xywh={region.fragment}") == (path, region)
    assert find_source(path) == (path, None)


def test_origins_tell_parts_of_a_frame_apart() -> None:
    whole = ImageRecord(
        Path("/set/img1/1.jpg"), "x", "x", "train", 1, 1, None, None, None, 8, 16, "0" * 64
    )
    part = replace(whole, region=Region(1, 2, 9, 18))
    dataset = Dataset(Path("/set"), "mot", {}, (whole, part))
    assert [dataset.origin(record) for record in dataset.records] == [
        "img1/1.jpg", "img1/1.jpg#xywh=1,2,8,16"
    ]  # fmt: skip
