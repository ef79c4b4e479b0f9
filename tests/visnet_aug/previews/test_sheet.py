from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visnet_aug.masks.look import OUTLINE
from visnet_aug.previews.sheet import (
    FIRST,
    INK,
    LABELS,
    MARGIN,
    NARROWEST,
    PAPER,
    PLACE,
    Cell,
    Row,
    Table,
    Text,
    draw_sheet,
    fit,
    outline,
    size_of,
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def count(sheet: np.ndarray, picture: np.ndarray) -> int:
    """How often a picture stands on a sheet."""
    height, width = picture.shape[:2]
    corners = np.argwhere((sheet[: 1 - height, : 1 - width] == picture[0, 0]).all(axis=-1))
    return sum(
        np.array_equal(sheet[y : y + height, x : x + width], picture) for y, x in corners.tolist()
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((128, 64), (128, 256)),
        ((100, 50), (100, 200)),
        ((200, 100), (100, 200)),
        ((256, 128), (128, 256)),
        ((480, 640), (256, 192)),
        ((3200, 1600), (128, 256)),
        ((1, 1), (256, 256)),
        ((1, 4096), (256, 1)),
    ],
)
def test_pictures_are_enlarged_in_whole_pixels_or_shrunk(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    assert size_of(shape) == size == fit(noise(*shape)).size


@settings(deadline=None)
@given(st.integers(1, 4096), st.integers(1, 4096))
def test_no_picture_is_larger_than_its_place(height: int, width: int) -> None:
    assert 1 <= min(size_of((height, width))) <= max(size_of((height, width))) <= PLACE


def test_a_crop_is_doubled_pixel_by_pixel() -> None:
    crop = noise(128, 64)
    np.testing.assert_array_equal(np.array(fit(crop)), crop.repeat(2, axis=0).repeat(2, axis=1))


def test_every_picture_is_on_the_sheet_once() -> None:
    pictures = [noise(128, 64, seed) for seed in range(8)]
    cells = [Cell(Image.fromarray(picture), [Text("name")]) for picture in pictures]
    sheet = draw_sheet(
        "title",
        "note",
        [
            Table(["a", "b", "c"], [Row(cells[:3]), Row(cells[3:6])]),
            Table(["d"], [Row(cells[6:7], [Text("label")])], lead=cells[7]),
        ],
    )
    assert [count(np.array(sheet), picture) for picture in pictures] == [1] * 8


@pytest.mark.parametrize("labels", [(), (Text("a label that is far too long", wrap=True),)])
def test_texts_stay_in_their_places(labels: tuple[Text, ...]) -> None:
    black = Image.new("RGB", (128, 256))
    long = [Text("a name that is far too long for its place.jpg", INK), Text("word " * 30, INK)]
    wrapped = Text("some words and anunreasonablylongwordwithnothingbetween " * 3, INK, wrap=True)
    table = Table(["a heading that is too long"], [Row([Cell(black, [*long, wrapped])], labels)])
    sheet = np.array(draw_sheet("t", "a note " * 99, [table]))
    assert sheet.shape[1] == NARROWEST + 2 * MARGIN
    right = MARGIN + (LABELS + 12 + 128 if labels else FIRST)
    below = sheet[MARGIN + 100 :]
    assert (below[:, right:] == PAPER).all()
    assert not (below[:, right - 30 : right] == PAPER).all()
    assert (sheet[:MARGIN] == PAPER).all()
    assert (sheet[-MARGIN:] == PAPER).all()


def test_wrapped_texts_make_a_sheet_higher() -> None:
    def height(text: Text) -> int:
        return draw_sheet(
            "", "", [Table([""], [Row([Cell(Image.new("RGB", (9, 9)), [text])])])]
        ).height

    words = "some words that need more than one line, and even more than two of them"
    assert height(Text(words, wrap=True)) > height(Text("one line", wrap=True))
    assert height(Text(words)) == height(Text("one line"))


@pytest.mark.parametrize(("shape", "factor"), [((128, 64), 2), ((64, 32), 4), ((200, 100), 1)])
def test_the_outline_shows_the_person_untouched(shape: tuple[int, int], factor: int) -> None:
    image = noise(*shape)
    mask = np.zeros(shape, bool)
    mask[10:50, 8:24] = True
    shown = np.array(outline(image, mask))
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    person = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(shown[person], large[person])
    line = (shown == OUTLINE).all(axis=-1) & ~person
    assert line.sum() == 2 * factor * (40 + 16) + 4
    background = ~person & ~line
    assert (shown[background] != large[background]).any(axis=-1).mean() > 0.9


def test_a_picture_that_is_shrunk_is_outlined_at_its_size() -> None:
    mask = np.zeros((1000, 500), bool)
    mask[200:800, 100:400] = True
    shown = np.array(outline(noise(1000, 500), mask))
    assert shown.shape == (256, 128, 3)
    assert abs((shown == OUTLINE).all(axis=-1).sum() - 2 * (154 + 77)) < 12
