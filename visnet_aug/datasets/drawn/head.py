"""Heads: an ellipsoid seen from any side, with a face, hair and hats."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import RGB, Layer, Light, Points, tube
from visnet_aug.datasets.drawn.pose import Skeleton, Stance, View
from visnet_aug.datasets.drawn.textile import Colour, plain
from visnet_aug.datasets.drawn.wardrobe import Wardrobe

SIDE: Final = 0.045
FORWARD: Final = 0.054
UP: Final = 0.067
"""Half axes of a head in body heights."""

_FRONT: Final = (-1.0, -0.25, 0.0, 0.22, 0.45, 1.0)
_HAIRLINES: Final[dict[str, tuple[float, ...]]] = {
    "bald": (-0.2, 0.0, 0.2, 0.9, 1.2, 1.2),
    "short": (-0.62, -0.35, -0.1, 0.22, 0.45, 0.5),
    "bob": (-1.0, -1.0, -0.8, -0.35, 0.2, 0.36),
    "long": (-1.2, -1.2, -0.9, -0.4, 0.25, 0.45),
    "ponytail": (-0.6, -0.4, -0.05, 0.2, 0.5, 0.55),
    "bun": (-0.55, -0.35, 0.0, 0.25, 0.5, 0.55),
}
"""How low hair grows (up, -1 to 1) by how far forward on the head (-1 to 1)."""


def draw_head(
    layer: Layer, who: Wardrobe, body: Skeleton, stance: Stance, view: View, light: Light
) -> None:
    """Paint the head with hair, face and hat; the neck is the figure's."""
    heading = view.heading - stance.glance
    half_x = float(
        np.hypot(SIDE * np.cos(heading), FORWARD * np.sin(heading)) * view.scale * view.stretch
    )
    half_y = UP * view.scale
    centre = view.at(body.head)
    left, top = int(centre[0] - half_x * 1.4), int(centre[1] - half_y * 1.3)
    columns = np.arange(left, int(centre[0] + half_x * 1.4) + 1, dtype=np.float32)
    rows = np.arange(top, int(centre[1] + half_y * 1.2) + 1, dtype=np.float32)
    across = (columns[None, :] - centre[0]) / half_x
    down = np.broadcast_to((rows[:, None] - centre[1]) / half_y, (rows.size, columns.size))
    across = across * (1 + 0.22 * np.maximum(down, 0) ** 2)
    radius = across**2 + down**2
    volume = 1.22 if who.hair in ("long", "bob") else 1.14
    near = np.sqrt(np.maximum(1.0 - radius / volume, 0.0))
    tilt = view.pitch + stance.nod * np.cos(heading)
    up = -down * np.cos(tilt) + near * np.sin(tilt)
    toward = near * np.cos(tilt) + down * np.sin(tilt)
    forward = across * np.sin(heading) + toward * np.cos(heading)
    side = across * np.cos(heading) - toward * np.sin(heading)

    colour = _face(who, forward, side, up)
    hair = up > np.interp(forward, _FRONT, _HAIRLINES[who.hair])
    colour[hair] = who.hair_colour
    inside = (radius <= 1.0) | (hair & (radius <= volume))
    if who.hat != "none":
        hat = up > 0.34 + 0.1 * forward
        colour[hat] = who.hat_colour
        inside |= hat & (radius <= 1.25)
    gain = light.ambient + (1 - light.ambient) * 1.45 * np.maximum(
        across * light.x + down * light.y + near * light.z, 0
    )
    shaded = np.clip(colour * gain[..., None], 0, 255).astype(np.uint8)
    layer.stamp(left, top, shaded, np.where(inside, np.uint8(255), np.uint8(0)), True)
    if who.hat != "none":
        _brim(layer, who, centre, (half_x, half_y), heading, light)


def _face(
    who: Wardrobe, forward: NDArray[np.float32], side: NDArray[np.float32], up: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return skin with eyes, brows, nose and mouth where they lie on the ellipsoid."""
    colour = np.empty((*forward.shape, 3), np.float32)
    colour[:] = who.body.skin
    front = forward > 0.2
    eyes = front & (np.abs(up - 0.06) < (0.2 if who.glasses else 0.1))
    eyes &= np.abs(np.abs(side) - 0.36) < 0.2
    colour[eyes] *= 0.25 if who.glasses else 0.5
    brows = front & (np.abs(up - 0.26) < 0.06) & (np.abs(np.abs(side) - 0.38) < 0.22)
    colour[brows] *= 0.6
    nose = front & (np.abs(side) < 0.12) & (np.abs(up + 0.1) < 0.2)
    colour[nose] *= 1.08
    mouth = front & (np.abs(side) < 0.26) & (np.abs(up + 0.5) < 0.07)
    colour[mouth] *= (0.78, 0.55, 0.55)
    jaw = up < -0.62
    colour[jaw] *= 0.82
    ears = (np.abs(forward) < 0.16) & (np.abs(up) < 0.22)
    colour[ears] *= 0.9
    return colour


def _brim(
    layer: Layer,
    who: Wardrobe,
    centre: Points,
    half: tuple[float, float],
    heading: float,
    light: Light,
) -> None:
    tile = plain(who.hat_colour)
    half_x, half_y = half
    brow = centre - np.array((0, 0.36 * half_y), np.float32)
    if who.hat == "sunhat":
        turn = np.linspace(0, 2 * np.pi, 24, dtype=np.float32)
        disc = brow + np.stack((1.9 * half_x * np.cos(turn), 0.32 * half_y * np.sin(turn)), 1)
        layer.fill(disc.astype(np.float32), _dim(who.hat_colour, 0.85))
        return
    if np.cos(heading) < -0.5:
        return
    reach = np.array((np.sin(heading) * 1.7 * half_x, 0.14 * half_y), np.float32)
    start = brow + reach * 0.3
    width = half_x * (0.25 + 0.7 * abs(np.cos(heading))) * 0.35
    tube(layer, start, brow + reach, (width, width * 0.8), tile, light, dim=0.75)


def draw_back_hair(
    layer: Layer, who: Wardrobe, body: Skeleton, stance: Stance, view: View, light: Light
) -> None:
    """Paint the hair that falls behind the head: long hair, ponytail, bun."""
    unit = view.scale * view.stretch
    tile = _strands(who.hair_colour)
    top = body.head + np.array((0, -0.025, 0.02), np.float32)
    if who.hair == "long":
        tips = body.trunk(0.735, -0.055)
        radii = (0.046, 0.054, 0.052, 0.03)
    elif who.hair == "ponytail":
        top = body.head + np.array((0, -0.058, 0.02), np.float32)
        tips = body.trunk(0.80, -0.075)
        radii = (0.015, 0.024, 0.02, 0.008)
    elif who.hair == "bun":
        top = body.head + np.array((0, -0.045, 0.055), np.float32)
        tips = top + np.array((0, -0.01, 0.005), np.float32)
        radii = (0.026, 0.026, 0.026, 0.026)
    else:
        return
    del stance
    scaled = tuple(radius * unit for radius in radii)
    tube(layer, view.at(top), view.at(tips), scaled, tile, light)


def _strands(colour: Colour) -> RGB:
    tile = plain(colour).astype(np.float32)
    tile[:, ::5] *= 1.35
    tile[:, 3::7] *= 0.8
    return np.clip(tile, 0, 255).astype(np.uint8)


def _dim(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(channel * factor) for channel in colour)
    return red, green, blue
