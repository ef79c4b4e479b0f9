"""Lay out pictures with captions on one tall page, for a screen at 100 %."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Picture: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

PICTURE: Final = (128, 256)
"""Width and height that a picture is fitted into: a 64×128 crop at twice its size."""

MARGIN: Final = 36
CONTENT: Final = 1396
"""Width of five pairs of pictures, or of ten single ones."""

GAP_IN_PAIR: Final = 4
CELL_GAP: Final = {1: 12, 2: 24}
"""Space between cells by the number of pictures in each."""

PAPER: Final[Colour] = (250, 250, 248)
INK: Final[Colour] = (28, 30, 34)
GREY: Final[Colour] = (112, 116, 124)
RULE: Final[Colour] = (218, 219, 222)
ACCENT: Final[Colour] = (32, 104, 196)
"""Blue that stands out on paper and beside photographs."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One or two pictures side by side with two lines under them.

    Attributes:
        pictures: RGB uint8 H×W×3, one for a single, two for a pair.
        caption: First line, dark.
        detail: Second line, grey.
        level: In 0..1, drawn as a bar under the pictures; ``None`` for no bar.
    """

    pictures: tuple[Picture, ...]
    caption: str
    detail: str = ""
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its cells, all with the same number of pictures.

    Attributes:
        title: Heading.
        note: Grey text after the heading.
        cells: In reading order.
    """

    title: str
    note: str
    cells: Sequence[Cell] = field(default=())


def draw_page(title: str, note: str, sections: Sequence[Section]) -> Image.Image:
    """Draw a page.

    Args:
        title: Large heading.
        note: Grey line under it.
        sections: Top to bottom.

    Returns:
        An RGB image 1,468 pixels wide, as high as it needs.
    """
    blocks = [_heading(title, note), *(block for s in sections for block in _section(s))]
    height = 2 * MARGIN + sum(block.height for block in blocks)
    page = Image.new("RGB", (CONTENT + 2 * MARGIN, height), PAPER)
    y = MARGIN
    for block in blocks:
        page.paste(block, (MARGIN, y))
        y += block.height
    return page


def _heading(title: str, note: str) -> Image.Image:
    block = Image.new("RGB", (CONTENT, 76), PAPER)
    draw = ImageDraw.Draw(block)
    draw.text((0, 30), title, INK, _font(34), anchor="ls")
    draw.text((0, 60), _fit(note, 17, CONTENT), GREY, _font(17), anchor="ls")
    return block


def _section(section: Section) -> Iterator[Image.Image]:
    """Yield a rule with the heading, then the rows."""
    block = Image.new("RGB", (CONTENT, 64), PAPER)
    draw = ImageDraw.Draw(block)
    draw.line((0, 12, CONTENT, 12), RULE)
    draw.text((0, 44), section.title, INK, _font(22), anchor="ls")
    x = draw.textlength(section.title, _font(22)) + 16
    draw.text((x, 44), _fit(section.note, 16, CONTENT - x), GREY, _font(16), anchor="ls")
    yield block
    pictures = len(section.cells[0].pictures) if section.cells else 1
    width = _cell_width(pictures)
    per_row = (CONTENT + CELL_GAP[pictures]) // (width + CELL_GAP[pictures])
    for first in range(0, len(section.cells), per_row):
        yield _row(section.cells[first : first + per_row], width + CELL_GAP[pictures])


def _row(cells: Sequence[Cell], step: int) -> Image.Image:
    row = Image.new("RGB", (CONTENT, PICTURE[1] + 64), PAPER)
    for index, cell in enumerate(cells):
        _draw_cell(row, index * step, cell)
    return row


def _draw_cell(row: Image.Image, left: int, cell: Cell) -> None:
    draw = ImageDraw.Draw(row)
    width = _cell_width(len(cell.pictures))
    for index, picture in enumerate(cell.pictures):
        row.paste(enlarge(picture), (left + index * (PICTURE[0] + GAP_IN_PAIR), 0))
    y = PICTURE[1] + 5
    if cell.level is not None:
        draw.rectangle((left, y, left + width - 1, y + 3), RULE)
        draw.rectangle((left, y, left + round(cell.level * (width - 1)), y + 3), ACCENT)
        y += 6
    room = width + CELL_GAP[len(cell.pictures)] - 4
    lines = [(cell.caption, 14, INK, 16), (cell.detail, 12, GREY, 17)]
    for text, size, colour, step in lines:
        if text:
            y += step
            draw.text((left, y), _fit(text, size, room), colour, _font(size), anchor="ls")


def enlarge(picture: Picture) -> Image.Image:
    """Fit a picture into its place, whole pixels where its size allows it.

    Args:
        picture: RGB uint8 H×W×3.

    Returns:
        An RGB image of the place's size, centred on the paper's colour.
    """
    height, width = picture.shape[:2]
    factor = min(PICTURE[0] / width, PICTURE[1] / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = Image.Resampling.NEAREST if factor.is_integer() else Image.Resampling.LANCZOS
    place = Image.new("RGB", PICTURE, PAPER)
    fitted = Image.fromarray(picture).resize(size, method)
    place.paste(fitted, ((PICTURE[0] - size[0]) // 2, (PICTURE[1] - size[1]) // 2))
    return place


def _cell_width(pictures: int) -> int:
    return pictures * PICTURE[0] + (pictures - 1) * GAP_IN_PAIR


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, the same on every machine."""
    return ImageFont.load_default(size)


def _fit(text: str, size: int, width: float) -> str:
    """Cut a text that is too long for its place."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
