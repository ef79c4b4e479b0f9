"""Cloth: small pictures that are wrapped round bodies.

A *wrap* is (48, 96, 3): the whole way round a trunk, column 0 the middle of the front, the wearer's
left at column 24, the back at 48. A *sleeve* is (48, 32, 3): the visible half of a limb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Pattern = Literal["plain", "stripes", "pinstripes", "plaid", "dots", "flowers", "blocks", "print"]

ROWS: Final = 48
AROUND: Final = 96
ACROSS: Final = 32


@dataclass(frozen=True, slots=True)
class Cloth:
    """A pattern in two colours.

    Attributes:
        pattern: What is on it.
        colour: The ground.
        accent: The figure: stripes, dots, the print.
        pitch: Rows of one repeat.
        seed: Where the irregular patterns lie.
    """

    pattern: Pattern
    colour: Colour
    accent: Colour
    pitch: int
    seed: int


def plain(colour: Colour) -> NDArray[np.uint8]:
    """Return a sleeve of one colour."""
    return np.full((ROWS, ACROSS, 3), colour, np.uint8)


def wrap(cloth: Cloth) -> NDArray[np.uint8]:
    """Return the cloth the whole way round a trunk."""
    sheet = np.full((ROWS, AROUND, 3), cloth.colour, np.uint8)
    _PAINTERS[cloth.pattern](sheet, cloth)
    return sheet


def sleeve(cloth: Cloth) -> NDArray[np.uint8]:
    """Return the cloth round a limb; a print on the chest doesn't reach the sleeves."""
    if cloth.pattern in ("print", "blocks"):
        colour = cloth.accent if cloth.pattern == "blocks" else cloth.colour
        return plain(colour)
    return np.ascontiguousarray(wrap(cloth)[:, :ACROSS])


def _plain(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    del sheet, cloth


def _stripes(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    rows = np.arange(ROWS) % cloth.pitch < cloth.pitch / 2
    sheet[rows] = cloth.accent


def _pinstripes(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    sheet[:, np.arange(AROUND) % 6 < 2] = cloth.accent


def _plaid(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    ground, figure = np.array(cloth.colour, float), np.array(cloth.accent, float)
    rows = (np.arange(ROWS) % cloth.pitch < cloth.pitch * 0.45).astype(float)[:, None]
    columns = (np.arange(AROUND) % cloth.pitch < cloth.pitch * 0.45).astype(float)[None, :]
    share = ((rows + columns) / 2)[..., None]
    sheet[:] = (ground * (1 - share) + figure * share).astype(np.uint8)


def _dots(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    for row, y in enumerate(range(cloth.pitch // 2, ROWS, cloth.pitch)):
        for x in range((row % 2) * cloth.pitch // 2, AROUND, cloth.pitch):
            cv2.circle(sheet, (x, y), max(cloth.pitch // 4, 1), cloth.accent, -1)


def _flowers(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    rng = np.random.default_rng(cloth.seed)
    for _ in range(60):
        centre = (int(rng.integers(AROUND)), int(rng.integers(ROWS)))
        colour = np.clip(np.array(cloth.accent) + rng.normal(0, 30, 3), 0, 255)
        size = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        cv2.ellipse(sheet, centre, size, float(rng.uniform(0, 180)), 0, 360, colour.tolist(), -1)


def _blocks(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    sheet[: ROWS // 3 + cloth.pitch] = cloth.accent


def _print(sheet: NDArray[np.uint8], cloth: Cloth) -> None:
    rng = np.random.default_rng(cloth.seed)
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.ellipse(sheet, (6, 18), (6, 7), 0, 0, 360, cloth.accent, -1)
        cv2.ellipse(sheet, (90, 18), (8, 7), 0, 0, 360, cloth.accent, -1)
    elif kind == 1:
        for y in range(14, 28, 5):
            reach = int(rng.integers(5, 10))
            sheet[y : y + 3, :reach] = cloth.accent
            sheet[y : y + 3, -reach:] = cloth.accent
    else:
        sheet[12:16, 8:12] = cloth.accent
    if rng.random() < 0.5:
        sheet[12:20, 38:58] = cloth.accent


_PAINTERS = {
    "plain": _plain,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "plaid": _plaid,
    "dots": _dots,
    "flowers": _flowers,
    "blocks": _blocks,
    "print": _print,
}
