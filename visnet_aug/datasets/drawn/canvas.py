"""The sheet that figures are painted on: supersampled, with cover and ownership per pixel.

Everything solid is a *tile* (a small RGB picture of cloth, skin or metal) laid into a polygon by
an affine frame and lit as a cylinder. Limbs, shirts, bags and bicycle tubes all go this way.
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
"""Size of a crop in pixels, as Market-1501 ships them."""

SUPERSAMPLING: Final = 3
"""Sheet pixels per crop pixel and axis; edges then have ten levels, as a camera's have."""

RGB = NDArray[np.uint8]
Points = NDArray[np.float32]

_SHIFT: Final = 4
_FOLDS: Final = 24
_FOLD_SHAPE: Final = (48, 32)
_ACROSS: Final = np.linspace(-0.98, 0.98, _FOLD_SHAPE[1], dtype=np.float32)
_OUTWARD: Final = np.sqrt(1 - _ACROSS**2)


@dataclass(frozen=True, slots=True)
class Light:
    """Where light comes from in the image (x right, y down, z to the viewer), and its softness.

    Attributes:
        x: Horizontal part of the direction towards the light.
        y: Vertical part; negative is from above.
        z: Part towards the viewer.
        ambient: Share of light that comes from everywhere, 0 to 1.
    """

    x: float
    y: float
    z: float
    ambient: float


class Layer:
    """A transparent sheet at three times the crop's size.

    Attributes:
        rgb: (384, 192, 3) uint8 colours.
        cover: (384, 192) uint8, 255 where something is painted.
        person: (384, 192) uint8, 255 where that something is the person (or worn by it).
    """

    def __init__(self) -> None:
        shape = (HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING)
        self.rgb: RGB = np.zeros((*shape, 3), np.uint8)
        self.cover: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.person: NDArray[np.uint8] = np.zeros(shape, np.uint8)

    def stamp(self, x: int, y: int, rgb: RGB, mask: NDArray[np.uint8], person: bool) -> None:
        """Copy ``rgb`` where ``mask`` is set, its top left corner at (x, y), clipped."""
        height, width = self.cover.shape
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + mask.shape[1], width), min(y + mask.shape[0], height)
        if left >= right or top >= bottom:
            return
        inner = (slice(top - y, bottom - y), slice(left - x, right - x))
        outer = (slice(top, bottom), slice(left, right))
        piece = np.ascontiguousarray(mask[inner])
        cv2.copyTo(np.ascontiguousarray(rgb[inner]), piece, self.rgb[outer])
        self.cover[outer] |= piece
        if person:
            self.person[outer] |= piece
        else:
            self.person[outer] &= ~piece

    def fill(self, polygon: Points, colour: tuple[int, int, int], person: bool = True) -> None:
        """Fill a polygon with one colour."""
        points = _fixed(polygon)
        for sheet, value in (
            (self.rgb, colour),
            (self.cover, 255),
            (self.person, 255 if person else 0),
        ):
            cv2.fillPoly(sheet, [points], value, cv2.LINE_8, _SHIFT)

    def stroke(
        self,
        points: Points,
        colour: tuple[int, int, int],
        thickness: float,
        person: bool = True,
        closed: bool = False,
    ) -> None:
        """Draw a polyline; ``thickness`` is in sheet pixels."""
        fixed, width = _fixed(points), max(1, round(thickness))
        for sheet, value in (
            (self.rgb, colour),
            (self.cover, 255),
            (self.person, 255 if person else 0),
        ):
            cv2.polylines(sheet, [fixed], closed, value, width, cv2.LINE_8, _SHIFT)

    def lay(
        self, polygon: Points, tile: RGB, corners: Points, person: bool = True
    ) -> None:
        """Paint ``tile`` into ``polygon``.

        Args:
            polygon: (N, 2) outline in sheet pixels.
            tile: Picture; its edge pixels continue outside its frame.
            corners: (3, 2) where the tile's top left, top right and bottom left corners lie.
            person: Whether this belongs to the person.
        """
        low = np.floor(polygon.min(axis=0)).astype(int)
        high = np.ceil(polygon.max(axis=0)).astype(int) + 1
        height, width = self.cover.shape
        x, y = max(int(low[0]), 0), max(int(low[1]), 0)
        right, bottom = min(int(high[0]), width), min(int(high[1]), height)
        if x >= right or y >= bottom:
            return
        origin = np.array((x, y), np.float32)
        rows, columns = tile.shape[:2]
        source = np.array(((0, 0), (columns, 0), (0, rows)), np.float32)
        matrix = cv2.getAffineTransform(source, (corners - origin).astype(np.float32))
        size = (right - x, bottom - y)
        rgb = cv2.warpAffine(tile, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillPoly(mask, [_fixed(polygon - origin)], 255, cv2.LINE_8, _SHIFT)
        self.stamp(x, y, rgb, mask, person)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


@cache
def _folds() -> NDArray[np.float32]:
    """Fold patterns of cloth: (24, 48, 32) factors about 1, diagonal and soft."""
    rng = np.random.default_rng(20)
    folds = np.empty((_FOLDS, *_FOLD_SHAPE), np.float32)
    for fold in folds:
        noise = rng.normal(size=(96, 96)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=8, sigmaY=2.2)
        turn = cv2.getRotationMatrix2D((48, 48), float(rng.uniform(-50, 50)), 1)
        turned = cv2.warpAffine(smooth, turn, (96, 96), borderMode=cv2.BORDER_REFLECT)
        piece = turned[24:72, 32:64]
        fold[:] = 1 + 0.13 * (piece - piece.mean()) / piece.std()
    return np.clip(folds, 0.6, 1.35)


def lit(tile: RGB, normal: Points, light: Light, crease: int | None, dim: float = 1.0) -> RGB:
    """Light a (48, 32, 3) tile as the visible half of a cylinder.

    Args:
        tile: Cloth; rows run along the cylinder, columns across it.
        normal: (2,) unit vector across the cylinder in the image, towards the last column.
        light: The light.
        crease: Which fold pattern lies on it; ``None`` for skin and hard things.
        dim: Factor on everything, for parts in the body's own shade.
    """
    facing = _ACROSS * (normal[0] * light.x + normal[1] * light.y) + _OUTWARD * light.z
    gain = dim * (light.ambient + (1 - light.ambient) * np.maximum(facing, 0) * 1.45)
    if crease is None:
        sheet = np.broadcast_to(gain, _FOLD_SHAPE)
    else:
        sheet = _folds()[crease % _FOLDS] * gain
    return cv2.multiply(tile, cv2.merge([np.ascontiguousarray(sheet)] * 3), dtype=cv2.CV_8U)


def smooth(polygon: Points, rounds: int = 2) -> Points:
    """Cut the corners of a closed polygon (Chaikin's scheme)."""
    for _ in range(rounds):
        following = np.roll(polygon, -1, axis=0)
        cut = np.stack((0.75 * polygon + 0.25 * following, 0.25 * polygon + 0.75 * following), 1)
        polygon = cut.reshape(-1, 2)
    return polygon.astype(np.float32)


def tube(
    layer: Layer,
    start: Points,
    end: Points,
    radii: tuple[float, ...],
    tile: RGB,
    light: Light,
    crease: int | None = None,
    dim: float = 1.0,
    person: bool = True,
    round_ends: tuple[bool, bool] = (True, True),
) -> None:
    """Paint a limb: a straight tube from ``start`` to ``end`` with radii at equal steps.

    Coordinates and radii are in sheet pixels. ``round_ends`` caps the ends with half discs.
    """
    axis = end - start
    length = max(float(np.hypot(axis[0], axis[1])), 1e-3)
    along = axis / length
    if length < radii[0] * 0.5:
        along = np.array((0, 1), np.float32)
    normal = np.array((along[1], -along[0]), np.float32)
    steps = np.linspace(0, 1, len(radii), dtype=np.float32)[:, None]
    centres = start + steps * axis
    offsets = np.array(radii, np.float32)[:, None] * normal
    outline = [centres + offsets]
    if round_ends[1]:
        outline.append(_cap(end, normal, along, radii[-1]))
    outline.append((centres - offsets)[::-1])
    if round_ends[0]:
        outline.append(_cap(start, -normal, -along, radii[0]))
    polygon = np.concatenate(outline).astype(np.float32)
    half = normal * max(radii)
    corners = np.stack((start - half, start + half, end - half)).astype(np.float32)
    layer.lay(polygon, lit(tile, normal, light, crease, dim), corners, person)


_CAP_ANGLES: Final = np.linspace(0, np.pi, 7, dtype=np.float32)[1:-1, None]


def _cap(centre: Points, normal: Points, along: Points, radius: float) -> Points:
    """Half a disc from +normal over along to -normal."""
    arc = np.cos(_CAP_ANGLES) * normal + np.sin(_CAP_ANGLES) * along
    return (centre + radius * arc).astype(np.float32)
