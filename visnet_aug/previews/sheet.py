"""Lay out pictures in labelled tables, one below the other, for a screen at 100 %."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visnet_aug.arrays import Image as Picture
from visnet_aug.arrays import Mask
from visnet_aug.masks.look import LINE, OUTLINE, PERSON, TINT, mark

Colour: TypeAlias = tuple[int, int, int]

PLACE: Final = 256
"""Longest side of a picture, in pixels: a 64×128 crop at twice its size."""

MARGIN: Final = 32
GAP: Final = 12
LABELS: Final = 132
"""Width of the column of row labels."""

FIRST: Final = 172
"""Least width of the first column where there are none: the names of files are there."""

NARROWEST: Final = 620
"""Least width of a sheet, so that there is room for its texts."""

PAPER: Final[Colour] = (250, 250, 248)
INK: Final[Colour] = (28, 30, 34)
GREY: Final[Colour] = (112, 116, 124)
WARNING: Final[Colour] = (190, 62, 12)

TINT_SHARE: Final = 0.45


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text.

    Attributes:
        text: What it says.
        colour: `INK`, `GREY` or `WARNING`.
        size: In pixels.
        wrap: Go on in further lines where there is no room, instead of being cut.
    """

    text: str
    colour: Colour = GREY
    size: int = 14
    wrap: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture with lines under it."""

    picture: Image.Image
    lines: Sequence[Text] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of cells, with its label beside it if its table has labels."""

    cells: Sequence[Cell]
    label: Sequence[Text] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of pictures.

    Attributes:
        lead: A picture above the table, with lines to its right; ``None`` for none.
        columns: Headings of the columns of pictures.
        rows: Top to bottom; of one table, all with labels or none.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    lead: Cell | None = None


def draw_sheet(title: str, note: str, tables: Sequence[Table]) -> Image.Image:
    """Draw a sheet as large as it needs to be, RGB."""
    blocks = [_lines([Text(title, INK, 26), Text(note)], NARROWEST)]
    for table in tables:
        if table.lead is not None:
            blocks.append(_lead(table.lead))
        blocks.append(_table(table))
    width = max(NARROWEST, *(block.width for block in blocks))
    height = sum(block.height + GAP for block in blocks) - GAP
    sheet = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), PAPER)
    y = MARGIN
    for block in blocks:
        sheet.paste(block, (MARGIN, y))
        y += block.height + GAP
    return sheet


def fit(picture: Picture) -> Image.Image:
    """Bring a picture to its size on a sheet, in whole pixels where it is enlarged.

    Args:
        picture: RGB uint8, H×W×3.
    """
    width, height = size_of(picture.shape[:2])
    image = Image.fromarray(picture)
    if width > picture.shape[1]:
        return image.resize((width, height), Image.Resampling.NEAREST)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def size_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height on a sheet of a picture of some height and width."""
    height, width = shape
    factor = PLACE / max(width, height)
    if factor >= 1:
        factor = int(factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def outline(picture: Picture, mask: Mask) -> Image.Image:
    """Show a person on a sheet, as ``masks/look.py`` has it.

    Args:
        picture: RGB uint8, H×W×3.
        mask: Where the person is, H×W.
    """
    image = np.array(fit(picture))
    height, width = image.shape[:2]
    person = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    regions = mark(person > 0)
    # The grey background keeps its structure, so that a missed leg shows under the tint.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    tinted = ((1 - TINT_SHARE) * grey + TINT_SHARE * np.array(TINT)).astype(np.uint8)
    shown = np.where(regions[..., None] == PERSON, image, tinted)
    shown[regions == LINE] = OUTLINE
    return Image.fromarray(shown)


def _lead(lead: Cell) -> Image.Image:
    """Draw a picture with its lines to the right."""
    beside = max((_width(line) for line in lead.lines), default=0)
    text = _lines(lead.lines, beside)
    size = (lead.picture.width + GAP + text.width, max(lead.picture.height, text.height))
    block = Image.new("RGB", size, PAPER)
    block.paste(lead.picture, (0, 0))
    block.paste(text, (lead.picture.width + GAP, 0))
    return block


def _table(table: Table) -> Image.Image:
    """Draw the headings and the rows."""
    left = LABELS + GAP if any(row.label for row in table.rows) else 0
    widths = [
        max(row.cells[column].picture.width for row in table.rows)
        for column in range(len(table.columns))
    ]
    widths[0] = widths[0] if left else max(widths[0], FIRST)
    lefts = [left + sum(widths[:column]) + column * GAP for column in range(len(widths))]
    headings = [Text(heading, INK) for heading in table.columns]
    rows = [_row(row, lefts, widths) for row in table.rows]
    top = _lines(headings[:1], 0).height
    block = Image.new(
        "RGB", (lefts[-1] + widths[-1], top + sum(row.height + GAP for row in rows) - GAP), PAPER
    )
    for heading, x, width in zip(headings, lefts, widths, strict=True):
        block.paste(_lines([heading], width), (x, 0))
    y = top
    for row in rows:
        block.paste(row, (0, y))
        y += row.height + GAP
    return block


def _row(row: Row, lefts: Sequence[int], widths: Sequence[int]) -> Image.Image:
    cells = [_cell(cell, width) for cell, width in zip(row.cells, widths, strict=True)]
    label = _lines(row.label, LABELS)
    height = max(label.height, *(cell.height for cell in cells))
    block = Image.new("RGB", (lefts[-1] + widths[-1], height), PAPER)
    block.paste(label, (0, 0))
    for cell, x in zip(cells, lefts, strict=True):
        block.paste(cell, (x, 0))
    return block


def _cell(cell: Cell, width: int) -> Image.Image:
    text = _lines(cell.lines, width)
    block = Image.new("RGB", (width, cell.picture.height + 3 + text.height), PAPER)
    block.paste(cell.picture, (0, 0))
    block.paste(text, (0, cell.picture.height + 3))
    return block


def _lines(lines: Sequence[Text], width: int) -> Image.Image:
    """Draw lines of text within a width."""
    laid = [(part, line) for line in lines for part in _parts(line, width)]
    heights = [round(1.45 * line.size) for _, line in laid]
    block = Image.new("RGB", (max(width, 1), max(sum(heights), 1)), PAPER)
    draw = ImageDraw.Draw(block)
    y = 0
    for (part, line), height in zip(laid, heights, strict=True):
        draw.text((0, y + line.size + 1), part, line.colour, _font(line.size), anchor="ls")
        y += height
    return block


def _parts(line: Text, width: int) -> Iterator[str]:
    """Bring a text into a width: words into further lines, or the end away."""
    text = ""
    for word in line.text.split(" ") if line.wrap else ():
        longer = f"{text} {word}".strip()
        if text and _font(line.size).getlength(longer) > width:
            yield _cut(text, line.size, width)
            longer = word
        text = longer
    yield _cut(text or line.text, line.size, width)


def _width(line: Text) -> int:
    return int(_font(line.size).getlength(line.text)) + 1


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, the same on every machine."""
    return ImageFont.load_default(size)


def _cut(text: str, size: int, width: float) -> str:
    """Cut a text that is too long for its place."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
