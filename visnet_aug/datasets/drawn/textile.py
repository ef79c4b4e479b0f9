"""Cloth: small textures that are wrapped around bodies.

A *wrap* is (48, 96, 3) and goes all the way around a trunk: column 0 is the middle of the front,
column 24 the wearer's left, column 48 the back. A *sleeve* is (48, 32, 3) and covers the visible
half of a limb. Both are cached and read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import cv2
import numpy as np

from visnet_aug.datasets.drawn.canvas import RGB, TILE_COLUMNS, TILE_ROWS, Colour

Pattern = Literal[
    "plain", "stripes", "pinstripes", "plaid", "dots", "flowers", "blocks", "print", "denim"
]

AROUND: Final = 3 * TILE_COLUMNS
"""Columns of a wrap."""


@dataclass(frozen=True, slots=True)
class Cloth:
    """A pattern in two colours.

    Attributes:
        pattern: Kind of pattern.
        colour: Background colour.
        accent: Colour of the stripes, dots or print.
        pitch: Period of the pattern in rows.
        seed: Seed of irregular patterns.
    """

    pattern: Pattern
    colour: Colour
    accent: Colour
    pitch: int
    seed: int


def dim(colour: Colour, factor: float) -> Colour:
    """Return the colour multiplied by a factor."""
    red, green, blue = (min(int(channel * factor), 255) for channel in colour)
    return red, green, blue


@lru_cache(maxsize=2048)
def plain(colour: Colour) -> RGB:
    """Return a sleeve of one colour."""
    return _frozen(np.full((TILE_ROWS, TILE_COLUMNS, 3), colour, np.uint8))


@lru_cache(maxsize=512)
def wrap(cloth: Cloth) -> RGB:
    """Return the cloth that goes around a trunk."""
    sheet = np.full((TILE_ROWS, AROUND, 3), cloth.colour, np.uint8)
    _PAINTERS[cloth.pattern](sheet, cloth)
    return _frozen(sheet)


@lru_cache(maxsize=512)
def sleeve(cloth: Cloth) -> RGB:
    """Return the cloth around a limb.

    A limb takes less cloth than a trunk, so the pattern is larger in its tile. A print on the
    chest does not extend to the sleeves.
    """
    if cloth.pattern == "print":
        return plain(cloth.colour)
    if cloth.pattern == "blocks":
        return plain(cloth.accent)
    piece = wrap(cloth)[: TILE_ROWS // 2, : TILE_COLUMNS // 2]
    return _frozen(piece.repeat(2, axis=0).repeat(2, axis=1))


def _frozen(sheet: RGB) -> RGB:
    sheet.flags.writeable = False
    return sheet


def _plain(sheet: RGB, cloth: Cloth) -> None:
    """Leave the cloth plain."""


def _stripes(sheet: RGB, cloth: Cloth) -> None:
    sheet[np.arange(TILE_ROWS) % cloth.pitch < cloth.pitch / 2] = cloth.accent


def _pinstripes(sheet: RGB, cloth: Cloth) -> None:
    sheet[:, np.arange(AROUND) % 6 < 2] = cloth.accent


def _plaid(sheet: RGB, cloth: Cloth) -> None:
    ground, figure = np.array(cloth.colour, float), np.array(cloth.accent, float)
    rows = (np.arange(TILE_ROWS) % cloth.pitch < cloth.pitch * 0.45)[:, None]
    columns = (np.arange(AROUND) % cloth.pitch < cloth.pitch * 0.45)[None, :]
    share = (rows.astype(float) + columns)[..., None] / 2
    sheet[:] = (ground * (1 - share) + figure * share).astype(np.uint8)


def _dots(sheet: RGB, cloth: Cloth) -> None:
    for row, y in enumerate(range(cloth.pitch // 2, TILE_ROWS, cloth.pitch)):
        for x in range((row % 2) * cloth.pitch // 2, AROUND, cloth.pitch):
            cv2.circle(sheet, (x, y), max(cloth.pitch // 4, 1), cloth.accent, -1)


def _flowers(sheet: RGB, cloth: Cloth) -> None:
    rng = np.random.default_rng(cloth.seed)
    for x, y, wide, high, angle in rng.integers((0, 0, 1, 1, 0), (AROUND, TILE_ROWS, 4, 4, 180),
                                                (60, 5)).tolist():  # fmt: skip
        colour = np.clip(np.array(cloth.accent) + rng.normal(0, 30, 3), 0, 255).tolist()
        cv2.ellipse(sheet, (x, y), (wide, high), angle, 0, 360, colour, -1)


def _blocks(sheet: RGB, cloth: Cloth) -> None:
    sheet[: TILE_ROWS // 3 + cloth.pitch] = cloth.accent


def _print(sheet: RGB, cloth: Cloth) -> None:
    """Print a blob, lines of text or a small badge on the chest, and sometimes on the back."""
    rng = np.random.default_rng(cloth.seed)
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.ellipse(sheet, (0, 18), (7, 7), 0, 0, 360, cloth.accent, -1)
        cv2.ellipse(sheet, (AROUND - 1, 18), (7, 7), 0, 0, 360, cloth.accent, -1)
    elif kind == 1:
        for y in range(12, 27, 5):
            reach = int(rng.integers(5, 10))
            sheet[y : y + 3, :reach] = cloth.accent
            sheet[y : y + 3, -reach:] = cloth.accent
    else:
        sheet[12:16, 8:12] = cloth.accent
    if rng.random() < 0.5:
        sheet[12:20, 38:58] = cloth.accent


def _denim(sheet: RGB, cloth: Cloth) -> None:
    """Fade the middle of each leg, as in worn jeans."""
    half = TILE_COLUMNS // 2
    worn = np.sin((np.arange(AROUND) % half + 0.5) * np.pi / half)[None, :, None] ** 4
    sheet[:] = np.clip(np.array(cloth.colour) * (0.88 + 0.32 * worn), 0, 255)


_PAINTERS: Final[dict[Pattern, Callable[[RGB, Cloth], None]]] = {
    "plain": _plain,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "plaid": _plaid,
    "dots": _dots,
    "flowers": _flowers,
    "blocks": _blocks,
    "print": _print,
    "denim": _denim,
}
