from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visnet_aug.errors import OutputError
from visnet_aug.report.measures import measure
from visnet_aug.report.sprites import PER_SHEET, Sheet, Tile, choose_tile, cut_sheets, draw_sheet

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@pytest.mark.parametrize(
    ("images", "tile"),
    [
        ([(64, 128)], Tile(64, 128)),
        ([(64, 128), (64, 128), (500, 100)], Tile(64, 128)),
        ([(128, 256), (60, 124), (62, 120)], Tile(64, 128)),
        ([(300, 300)], Tile(96, 96)),
        ([(10, 1000)], Tile(48, 160)),
        ([], Tile(96, 96)),
        ([(1000, 10)], Tile(160, 48)),
    ],
)
def test_places_suit_most_images(images: list[tuple[int, int]], tile: Tile) -> None:
    assert choose_tile(images) == tile


@settings(deadline=None, max_examples=200)
@given(sizes, sizes)
def test_pictures_fit_their_place_and_keep_their_shape(
    place: tuple[int, int], size: tuple[int, int]
) -> None:
    tile = Tile(*place)
    width, height = tile.fit(*size)
    assert 1 <= width <= max(1, min(size[0], tile.width))
    assert 1 <= height <= max(1, min(size[1], tile.height))
    assert abs(width * size[1] - height * size[0]) <= size[0] + size[1]  # but for rounding
    assert (width, height) == size or width == tile.width or height == tile.height


def test_every_image_is_on_a_sheet() -> None:
    paths = [f"{number}.png" for number in range(2 * PER_SHEET + 1)]
    sheets = cut_sheets(paths, [(1, 1)] * len(paths))
    assert [path for sheet in sheets for path in sheet.paths] == paths
    assert [len(sheet.paths) for sheet in sheets] == [PER_SHEET, PER_SHEET, 1]
    assert [sheet.name for sheet in sheets] == [f"images-000{n}.jpg" for n in range(3)]


def write(path: Path, pixels: np.ndarray) -> str:
    Image.fromarray(pixels).save(path, quality=95)
    return path.name


def draw(root: Path, paths: list[str], images: list[tuple[int, int]], *, masks: bool = False):  # type: ignore[no-untyped-def]
    sheet = Sheet(0, paths, images, masks)
    drawn = draw_sheet(sheet, root, root, Tile(64, 128))
    with Image.open(root / sheet.name) as image:
        return drawn, np.asarray(image.convert("RGBA"))


def test_pictures_stand_where_the_page_looks_for_them(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    crops = [np.full((128, 64, 3), colour, np.uint8) for colour in colours]
    crops[1] = np.full((300, 300, 3), colours[1], np.uint8)
    paths = [write(tmp_path / f"{number}.jpg", crop) for number, crop in enumerate(crops)]
    many = (paths * 6)[:17]
    shapes = ([(64, 128), (300, 300), (64, 128)] * 6)[:17]
    drawn, page = draw(tmp_path, many, shapes)
    assert page.shape == (2 * 128, 16 * 64, 4)
    for place in range(17):
        top, left = place // 16 * 128, place % 16 * 64
        # Colours of the next picture reach one pixel far, as a JPEG's half-size chroma does.
        whole = page[top + 1 : top + 127, left + 1 : left + 63, :3].astype(int)
        assert np.abs(whole - colours[place % 3]).max() < 12  # the rest of a place repeats its edge
    assert drawn.measures[0] == pytest.approx(measure(np.asarray(Image.open(tmp_path / paths[0]))))
    assert not drawn.unseen


def test_what_is_no_image_leaves_its_place_empty(tmp_path: Path) -> None:
    good = write(tmp_path / "good.png", np.full((128, 64, 3), 255, np.uint8))
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    header = b"IHDR" + struct.pack(">2I5B", 2**15, 2**15, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(whole[:12] + header + whole[29:])
    paths = ["gone.jpg", "bad.jpg", "short.png", "bomb.png", good]
    drawn, page = draw(tmp_path, paths, [(64, 128)] * 5)
    assert [path for path, _ in drawn.unseen] == paths[:-1]
    assert all(reason and "\n" not in reason for _, reason in drawn.unseen)
    assert [of is None for of in drawn.measures] == [True, True, True, True, False]
    assert page[0, 4 * 64 + 1, 0] > 240
    assert page[:, : 4 * 64, :3].max() < 12


def test_masks_tint_the_background_and_leave_the_person_clear(tmp_path: Path) -> None:
    mask = np.zeros((128, 64), np.uint8)
    mask[32:96, 16:48] = 255
    Image.fromarray(mask).convert("1").save(tmp_path / "mask.png")
    (tmp_path / "broken.png").write_bytes(b"")
    drawn, page = draw(tmp_path, ["mask.png", "broken.png"], [(64, 128)] * 2, masks=True)
    opacity = page[:128, :64, 3]
    assert (opacity[32:96, 16:48] == 0).all()
    assert opacity[0, 0] == 150
    outline = opacity == 255
    assert outline[31, 15:49].all()
    assert outline.sum() == 34 * 66 - 32 * 64
    assert (page[:128, 64:128, 3] == 0).all()
    assert [path for path, _ in drawn.unseen] == ["broken.png"]


def test_large_masks_are_shown_smaller(tmp_path: Path) -> None:
    mask = np.zeros((512, 256), np.uint8)
    mask[128:384, 64:192] = 255
    Image.fromarray(mask).convert("1").save(tmp_path / "mask.png")
    _, page = draw(tmp_path, ["mask.png"], [(256, 512)], masks=True)
    assert (page[:128, :64, 3] == 0).sum() == 64 * 32


def test_a_sheet_that_cannot_be_written_is_an_error(
    jpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(0))
    sheet = Sheet(0, ["one.jpg"], [(32, 64)], masks=False)
    with pytest.raises(OutputError, match="cannot be written"):
        draw_sheet(sheet, tmp_path, tmp_path / "nowhere", Tile(64, 128))


def test_large_jpegs_are_decoded_at_their_size_on_the_sheet(
    jpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    data = jpeg(1, (640, 1280), 95)
    (tmp_path / "large.jpg").write_bytes(data)
    _, page = draw(tmp_path, ["large.jpg"], [(640, 1280)])
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(image.resize((64, 128), Image.Resampling.BOX)).astype(int)
    assert np.abs(page[:, :64, :3] - wanted).mean() < 4


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.zeros((8, 4, 3)), (0, 0, 0, 0)),
        (np.full((8, 4, 3), 255), (255, 0, 0, 0)),
        (np.full((8, 4, 3), (255, 0, 0)), (76, 0, 255, 0)),
        (np.stack([np.tile([[0, 200], [200, 0]], (4, 4))] * 3, -1), (100, 100, 0, 800)),
    ],
)
def test_measures_of_plain_pictures(picture: np.ndarray, expected: tuple[float, ...]) -> None:
    assert measure(picture.astype(np.uint8)) == pytest.approx(expected)
