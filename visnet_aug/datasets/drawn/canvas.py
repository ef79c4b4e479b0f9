"""The supersampled canvas that figures are painted on, with a cover and a person channel.

Every solid object is a *tile* (a small texture of cloth, skin or metal) that is mapped into a
polygon by an affine transform and shaded as half a cylinder. Limbs, shirts, bags and bicycle
frames are all painted this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 64
HEIGHT: Final = 128
"""Height and width of a crop in pixels, as in Market-1501."""

SUPERSAMPLING: Final = 3
"""Supersampling factor per axis, high enough for smooth edges."""

TILE_ROWS: Final = 48
TILE_COLUMNS: Final = 32
"""Shape of a tile: rows run along the cylinder, columns across its visible half."""

RGB = NDArray[np.uint8]
Points = NDArray[np.float32]
Colour = tuple[int, int, int]

_SHIFT: Final = 4
_FOLDS: Final = 24
_ACROSS: Final = np.linspace(-0.98, 0.98, TILE_COLUMNS, dtype=np.float32)
_OUTWARD: Final = np.sqrt(1 - 0.85 * _ACROSS**2)
"""How much a column faces the viewer; a true cylinder's edges (factor 1) look like tin."""


@dataclass(frozen=True, slots=True)
class Light:
    """Direction and softness of the light.

    Attributes:
        x: Direction towards the light, to the right.
        y: The same, downwards; negative is from above.
        z: The same, towards the viewer.
        ambient: Fraction of ambient light, 0 to 1.
    """

    x: float
    y: float
    z: float
    ambient: float

    def gain(self, facing: Points) -> Points:
        """Return the brightness of surfaces by the cosine of their angle to the light."""
        direct = 1.45 * np.maximum(facing, 0)
        return np.asarray(self.ambient + (1 - self.ambient) * direct, np.float32)


class Layer:
    """A transparent layer at three times the crop's size.

    Attributes:
        rgb: (384, 192, 3) uint8 colours.
        cover: (384, 192) uint8, 255 where something is painted.
        person: (384, 192) uint8, 255 where the person, or something they wear, is painted.
    """

    def __init__(self) -> None:
        shape = (HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING)
        self.rgb: RGB = np.zeros((*shape, 3), np.uint8)
        self.cover: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.person: NDArray[np.uint8] = np.zeros(shape, np.uint8)

    def stamp(
        self, corner: tuple[int, int], rgb: RGB, mask: NDArray[np.uint8], person: bool = True
    ) -> None:
        """Copy ``rgb`` where ``mask`` is 255, its top left corner at (x, y), clipped."""
        x, y = corner
        height, width = self.cover.shape
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + mask.shape[1], width), min(y + mask.shape[0], height)
        if left >= right or top >= bottom:
            return
        inner = (slice(top - y, bottom - y), slice(left - x, right - x))
        outer = (slice(top, bottom), slice(left, right))
        piece = mask[inner]
        cv2.copyTo(rgb[inner], piece, self.rgb[outer])
        self.cover[outer] |= piece
        if person:
            self.person[outer] |= piece
        else:
            self.person[outer] &= ~piece

    def fill(self, polygon: Points, colour: Colour, person: bool = True) -> None:
        """Fill a polygon with one colour."""
        points = _fixed(polygon)
        for sheet, value in self._inks(colour, person):
            cv2.fillPoly(sheet, [points], value, cv2.LINE_8, _SHIFT)

    def stroke(
        self,
        points: Points,
        colour: Colour,
        thickness: float,
        person: bool = True,
        closed: bool = False,
    ) -> None:
        """Draw a polyline; ``thickness`` is in sheet pixels."""
        fixed, width = _fixed(points), max(1, round(thickness))
        for sheet, value in self._inks(colour, person):
            cv2.polylines(sheet, [fixed], closed, value, width, cv2.LINE_8, _SHIFT)

    def _inks(
        self, colour: Colour, person: bool
    ) -> tuple[tuple[NDArray[np.uint8], Colour | int], ...]:
        return ((self.rgb, colour), (self.cover, 255), (self.person, 255 * person))

    def lay(self, polygon: Points, tile: RGB, corners: Points, person: bool = True) -> None:
        """Paint ``tile`` into ``polygon``.

        Args:
            polygon: (N, 2) outline in sheet pixels.
            tile: Texture; its edge pixels are repeated outside its frame.
            corners: (3, 2) positions of the tile's top left, top right and bottom left corners.
            person: Whether this belongs to the person.
        """
        left, top, wide, high = cv2.boundingRect(polygon)
        height, width = self.cover.shape
        x, y = max(left, 0), max(top, 0)
        size = (min(left + wide, width) - x, min(top + high, height) - y)
        if min(size) <= 0:
            return
        origin = np.array((x, y), np.float32)
        matrix = cv2.getAffineTransform(_TILE_CORNERS, corners - origin)
        rgb = cv2.warpAffine(
            tile, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(mask, [_fixed(polygon - origin)], 255, cv2.LINE_8, _SHIFT)
        self.stamp((x, y), rgb, mask, person)


_TILE_CORNERS: Final = np.array(((0, 0), (TILE_COLUMNS, 0), (0, TILE_ROWS)), np.float32)


def _fixed(points: Points) -> NDArray[np.int32]:
    """Convert points to OpenCV's fixed-point format with a resolution of 1/16 pixel."""
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


@cache
def _folds() -> NDArray[np.float32]:
    """Return soft, slanted fold patterns of cloth: (24, 48, 32) factors around 1."""
    rng = np.random.default_rng(20)
    folds = np.empty((_FOLDS, TILE_ROWS, TILE_COLUMNS), np.float32)
    for fold in folds:
        noise = rng.normal(size=(96, 96)).astype(np.float32)
        soft = cv2.GaussianBlur(noise, (0, 0), sigmaX=8, sigmaY=2.2)
        turn = cv2.getRotationMatrix2D((48, 48), float(rng.uniform(-50, 50)), 1)
        turned = cv2.warpAffine(soft, turn, (96, 96), borderMode=cv2.BORDER_REFLECT)
        piece = turned[24 : 24 + TILE_ROWS, 32 : 32 + TILE_COLUMNS]
        fold[:] = 1 + 0.13 * (piece - piece.mean()) / piece.std()
    return np.clip(folds, 0.6, 1.35)


def lit(tile: RGB, normal: Points, light: Light, crease: int | None, dim: float = 1.0) -> RGB:
    """Shade a tile as the visible half of a cylinder.

    Args:
        tile: (48, 32, 3) cloth.
        normal: (2,) unit vector across the cylinder in the image, towards the last column.
        light: The light.
        crease: Index of the fold pattern; ``None`` for skin and rigid objects.
        dim: Brightness factor for parts shaded by the body.
    """
    slant = float(normal[0]) * light.x + float(normal[1]) * light.y
    gain = dim * light.gain(_ACROSS * slant + _OUTWARD * light.z)
    if crease is None:
        sheet = np.repeat(gain[None], TILE_ROWS, axis=0)
    else:
        sheet = _folds()[crease % _FOLDS] * gain
    lighted: RGB = cv2.multiply(tile, cv2.merge((sheet, sheet, sheet)), dtype=cv2.CV_8U)
    return lighted


def smooth(polygon: Points, rounds: int = 2) -> Points:
    """Smooth a closed polygon by corner cutting (Chaikin's algorithm)."""
    for _ in range(rounds):
        following = np.concatenate((polygon[1:], polygon[:1]))
        cut = np.empty((2 * len(polygon), 2), np.float32)
        cut[::2] = 0.75 * polygon + 0.25 * following
        cut[1::2] = 0.25 * polygon + 0.75 * following
        polygon = cut
    return polygon


@cache
def _tube_outline(
    rings: int, round_start: bool, round_end: bool
) -> tuple[Points, Points, Points, NDArray[np.intp]]:
    """Return the outline of a unit-radius tube: axial positions, offsets, ring indices."""
    steps = np.linspace(0, 1, rings, dtype=np.float32)
    arc = np.linspace(0, np.pi, 7, dtype=np.float32)[1:-1]
    start, end = arc[: arc.size * round_start], arc[: arc.size * round_end]
    index = np.arange(rings)
    share = np.concatenate((steps, np.ones_like(end), steps[::-1], np.zeros_like(start)))
    across = np.concatenate((np.ones(rings), np.cos(end), -np.ones(rings), -np.cos(start)))
    along = np.concatenate((np.zeros(rings), np.sin(end), np.zeros(rings), -np.sin(start)))
    ring = np.concatenate(
        (index, np.full(end.size, rings - 1), index[::-1], np.zeros(start.size, int))
    )
    return share[:, None], across.astype(np.float32), along.astype(np.float32), ring


def tube(
    layer: Layer,
    ends: tuple[Points, Points],
    radii: tuple[float, ...],
    tile: RGB,
    light: Light,
    *,
    crease: int | None = None,
    dim: float = 1.0,
    person: bool = True,
    rounded: tuple[bool, bool] = (True, True),
) -> None:
    """Paint a straight limb.

    Args:
        layer: The sheet.
        ends: Two (2,) points in sheet pixels.
        radii: Radii in sheet pixels at equal steps from one end to the other.
        tile: (48, 32, 3) cloth or skin.
        light: The light.
        crease: Fold pattern, see :func:`lit`.
        dim: Factor on the light.
        person: Whether this belongs to the person.
        rounded: Which ends get round caps.
    """
    start, axis = ends[0], ends[1] - ends[0]
    length = float(np.hypot(axis[0], axis[1]))
    along = axis / length if length > radii[0] * 0.5 else _DOWN
    normal = np.array((along[1], -along[0]), np.float32)
    share, across, ahead, ring = _tube_outline(len(radii), *rounded)
    radius = np.array(radii, np.float32)[ring]
    polygon = (
        start
        + share * axis
        + (radius * across)[:, None] * normal
        + (radius * ahead)[:, None] * along
    )
    half = normal * max(radii)
    corners = np.array((start - half, start + half, ends[1] - half), np.float32)
    layer.lay(polygon.astype(np.float32), lit(tile, normal, light, crease, dim), corners, person)


_DOWN: Final = np.array((0, 1), np.float32)
