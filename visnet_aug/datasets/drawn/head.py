"""Paint heads: an ellipsoid seen from any side, with a face, hair and hats."""

from __future__ import annotations

from math import cos, hypot, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import RGB, Points, tube
from visnet_aug.datasets.drawn.figure import Figure
from visnet_aug.datasets.drawn.pose import vector
from visnet_aug.datasets.drawn.textile import Cloth, dim, plain, sleeve
from visnet_aug.datasets.drawn.wardrobe import Hair, Wardrobe

_SIDE: Final = 0.045
_FORWARD: Final = 0.054
_UP: Final = 0.067
"""Semi-axes of a head in body heights."""

_FRONT: Final = (-1.0, -0.25, 0.0, 0.22, 0.45, 1.0)
_HAIRLINES: Final[dict[Hair, tuple[float, ...]]] = {
    "bald": (-0.2, 0.0, 0.2, 0.9, 1.2, 1.2),
    "short": (-0.62, -0.35, -0.1, 0.22, 0.45, 0.5),
    "bob": (-1.0, -1.0, -0.8, -0.35, 0.2, 0.36),
    "long": (-1.2, -1.2, -0.9, -0.4, 0.25, 0.45),
    "ponytail": (-0.6, -0.4, -0.05, 0.2, 0.5, 0.55),
    "bun": (-0.55, -0.35, 0.0, 0.25, 0.5, 0.55),
}
"""Lower edge of the hair (up, -1 to 1) as a function of the forward position (-1 to 1)."""

_VOLUMES: Final[dict[Hair, float]] = {"long": 1.22, "bob": 1.25, "bald": 1.02}
"""Squared size of the hair relative to the head; 1.14 for styles that are not listed."""


def paint_head(figure: Figure) -> None:
    """Paint the head with hair, face and hat; the neck is painted with the body."""
    who, view, light = figure.who, figure.view, figure.light
    heading = view.heading - figure.stance.glance
    half_x = hypot(_SIDE * cos(heading), _FORWARD * sin(heading)) * view.unit
    half_y = _UP * view.scale
    centre = view.at(figure.body.head)
    left, top = int(centre[0] - half_x * 1.4), int(centre[1] - half_y * 1.3)
    columns = np.arange(left, int(centre[0] + half_x * 1.4) + 1, dtype=np.float32)
    rows = np.arange(top, int(centre[1] + half_y * 1.2) + 1, dtype=np.float32)
    down = ((rows - float(centre[1])) / half_y)[:, None]
    across = ((columns - float(centre[0])) / half_x) * (1 + 0.22 * np.maximum(down, 0) ** 2)
    radius = across**2 + down**2
    volume = _VOLUMES.get(who.hair, 1.14)
    near = np.sqrt(np.maximum(1 - radius / volume, 0))

    tilt = view.pitch + figure.stance.nod * cos(heading)
    up = near * sin(tilt) - down * cos(tilt)
    toward = near * cos(tilt) + down * sin(tilt)
    forward = across * sin(heading) + toward * cos(heading)
    side = across * cos(heading) - toward * sin(heading)

    colour = _face(who, forward, side, up)
    hair = up > np.interp(forward, _FRONT, _HAIRLINES[who.hair]) - who.fringe * (forward > 0.45)
    colour[hair] = who.hair_colour
    inside = (radius <= 1) | (hair & (radius <= volume))
    if who.hat != "none":
        hat = up > 0.34 + 0.1 * forward
        colour[hat] = who.hat_colour
        inside |= hat & (radius <= 1.25)
    gain = light.gain(across * light.x + down * light.y + near * light.z)
    shaded = np.clip(colour * gain[..., None], 0, 255).astype(np.uint8)
    figure.layer.stamp((left, top), shaded, inside.astype(np.uint8) * 255)
    if who.hat != "none":
        _paint_brim(figure, centre, (half_x, half_y), heading)


def _face(
    who: Wardrobe, forward: NDArray[np.float32], side: NDArray[np.float32], up: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the skin with eyes, brows, nose, mouth and ears at their places on the ellipsoid."""
    colour = np.empty((*forward.shape, 3), np.float32)
    colour[:] = who.body.skin
    front = forward > 0.2
    aside = np.abs(side)
    tall, dark = (0.2, 0.3) if who.glasses else (0.1, 0.55)
    colour[front & (np.abs(up - 0.06) < tall) & (np.abs(aside - 0.36) < 0.2)] *= dark
    colour[front & (np.abs(up - 0.26) < 0.06) & (np.abs(aside - 0.38) < 0.22)] *= 0.6
    colour[front & (np.abs(up + 0.1) < 0.2) & (aside < 0.12)] *= 1.05
    colour[front & (np.abs(up + 0.5) < 0.07) & (aside < 0.26)] *= (0.85, 0.68, 0.68)
    colour[up < -0.62] *= 0.82
    colour[(np.abs(forward) < 0.16) & (np.abs(up) < 0.22)] *= 0.9
    return colour


def _paint_brim(figure: Figure, centre: Points, half: tuple[float, float], heading: float) -> None:
    colour, (half_x, half_y) = figure.who.hat_colour, half
    brow = centre - np.array((0, 0.36 * half_y), np.float32)
    if figure.who.hat == "sunhat":
        turn = np.linspace(0, 2 * np.pi, 24)
        disc = np.stack((1.9 * half_x * np.cos(turn), 0.32 * half_y * np.sin(turn)), 1)
        figure.layer.fill((disc + brow).astype(np.float32), dim(colour, 0.85))
    elif cos(heading) > -0.5:
        reach = np.array((sin(heading) * 1.7 * half_x, 0.14 * half_y), np.float32)
        width = half_x * (0.09 + 0.25 * abs(cos(heading)))
        ends = (brow + reach * 0.3, brow + reach)
        tube(figure.layer, ends, (width, width * 0.8), plain(colour), figure.light, dim=0.75)


def paint_falling_hair(figure: Figure) -> None:
    """Paint the hair that falls behind the head: long hair, ponytail, bun."""
    who, body = figure.who, figure.body
    if who.hair == "long":
        top, tips = body.head + vector(0, -0.025, 0.02), body.trunk(0.735, -0.055)
        radii: tuple[float, ...] = (0.046, 0.054, 0.052, 0.03)
    elif who.hair == "ponytail":
        top, tips = body.head + vector(0, -0.058, 0.02), body.trunk(0.80, -0.075)
        radii = (0.015, 0.024, 0.02, 0.008)
    elif who.hair == "bun":
        top, tips = body.head + vector(0, -0.045, 0.055), body.head + vector(0, -0.055, 0.06)
        radii = (0.026, 0.026)
    else:
        return
    figure.limb(top, tips, radii, _strands(who))


def _strands(who: Wardrobe) -> RGB:
    return sleeve(Cloth("pinstripes", who.hair_colour, dim(who.hair_colour, 1.3), 6, 0))
