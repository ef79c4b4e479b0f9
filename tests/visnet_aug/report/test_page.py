from __future__ import annotations

import numpy as np
import pytest

from visnet_aug.report.overlay import OUTLINE, overlay
from visnet_aug.report.page import (
    CONTENT,
    MARGIN,
    PAPER,
    PICTURE,
    Cell,
    Section,
    draw_page,
    enlarge,
)

WIDTH = CONTENT + 2 * MARGIN


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def count(page: np.ndarray, picture: np.ndarray) -> int:
    """How often a picture, doubled, stands on a page."""
    doubled = picture.repeat(2, axis=0).repeat(2, axis=1)
    height, width = doubled.shape[:2]
    corners = np.argwhere((page[: 1 - height, : 1 - width] == doubled[0, 0]).all(axis=-1))
    return sum(
        np.array_equal(page[y : y + height, x : x + width], doubled) for y, x in corners.tolist()
    )


def test_a_crop_is_doubled_pixel_by_pixel() -> None:
    crop = noise(128, 64)
    np.testing.assert_array_equal(np.array(enlarge(crop)), crop.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((256, 128), (0, 0, 128, 256)),
        ((64, 64), (0, 64, 128, 192)),
        ((512, 64), (48, 0, 80, 256)),
        ((100, 40), (13, 0, 115, 256)),
        ((1, 1000), (0, 127, 128, 128)),
    ],
)
def test_other_sizes_are_fitted_and_centred(
    shape: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    place = np.array(enlarge(np.zeros((*shape, 3), np.uint8)))
    assert place.shape == (PICTURE[1], PICTURE[0], 3)
    expected = np.full_like(place, PAPER)
    x0, y0, x1, y1 = box
    expected[y0:y1, x0:x1] = 0
    np.testing.assert_array_equal(place, expected)


@pytest.mark.parametrize("pictures", [1, 2])
def test_every_picture_is_on_the_page(pictures: int) -> None:
    cells = [
        Cell(tuple(noise(128, 64, seed=2 * i + j) for j in range(pictures)), f"{i}", "name")
        for i in range(12)
    ]
    page = np.array(
        draw_page("title", "note", [Section("a", "", cells[:7]), Section("b", "", cells[7:])])
    )
    assert page.shape[1] == WIDTH <= 1600
    assert [count(page, picture) for cell in cells for picture in cell.pictures] == [1] * (
        12 * pictures
    )


def test_rows_hold_five_pairs_or_ten_singles() -> None:
    def height(cells: int, pictures: int) -> int:
        cell = Cell((noise(128, 64),) * pictures, "")
        return draw_page("", "", [Section("", "", [cell] * cells)]).height

    assert height(1, 1) == height(10, 1) == height(1, 2) == height(5, 2)
    assert height(11, 1) == height(20, 1) == height(6, 2) == height(10, 2) > height(10, 1)


def test_the_bar_is_as_long_as_the_level() -> None:
    def blue(level: float) -> int:
        cell = Cell((np.zeros((128, 64, 3), np.uint8),) * 2, "", "", level)
        page = np.array(draw_page("", "", [Section("", "", [cell])]), np.int16)
        return int(((page[..., 2] - page[..., 0]) > 100).sum())

    none, half, full = blue(0.0), blue(0.5), blue(1.0)
    assert none < 10 < half < full
    assert abs(2 * half - full) < 10


def test_text_stays_in_its_place() -> None:
    black = np.zeros((128, 64, 3), np.uint8)
    long = Cell((black,), "a caption that is far too long for its place", "and a detail " * 9)
    page = np.array(draw_page("t", "a note " * 99, [Section("s", "note " * 99, [long])]))
    cell_end = MARGIN + PICTURE[0] + 12
    last_row = page[-MARGIN - 64 : -MARGIN]
    assert (last_row[:, cell_end:] == PAPER).all()
    assert not (last_row[:, :cell_end] == PAPER).all()
    assert (page[:, -MARGIN:] == PAPER).all()


def test_a_page_without_cells() -> None:
    page = draw_page("title", "note", [Section("no_person", "66 images", [])])
    assert page.width == WIDTH


@pytest.mark.parametrize(("shape", "factor"), [((128, 64), 2), ((64, 32), 4), ((300, 200), 1)])
def test_the_overlay_shows_the_person_untouched(shape: tuple[int, int], factor: int) -> None:
    image = noise(*shape)
    mask = np.zeros(shape, bool)
    mask[10:50, 8:24] = True
    shown = overlay(image, mask)
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    person = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(shown[person], large[person])
    outline = (shown == OUTLINE).all(axis=-1) & ~person
    assert outline.sum() == 2 * factor * (40 + 16) + 4
    background = ~person & ~outline
    assert (shown[background] != large[background]).any(axis=-1).mean() > 0.9
