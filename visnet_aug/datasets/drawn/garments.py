"""Paint the clothed body: legs, shoes, skirts, shirts and arms."""

from __future__ import annotations

from functools import lru_cache
from math import sin
from typing import Final

import numpy as np

from visnet_aug.datasets.drawn.canvas import RGB, TILE_ROWS
from visnet_aug.datasets.drawn.figure import Figure
from visnet_aug.datasets.drawn.pose import HIP, vector
from visnet_aug.datasets.drawn.textile import AROUND, Cloth, plain, sleeve, wrap
from visnet_aug.datasets.drawn.wardrobe import Cut, Lower, Wardrobe

_BARE: Final[dict[Lower, float]] = {"shorts": 0.95, "hotpants": 0.42, "skirt": 0.0, "dress": 0.0}
"""Covered fraction of the thigh, for garments that leave the shins bare."""

_SLEEVES: Final[dict[Cut, float]] = {"tee": 0.62, "polo": 0.66, "tank": 0, "long": 2, "open": 2}
"""Covered fraction of the upper arm; 2 reaches the wrist."""


def paint_leg(figure: Figure, index: int, dim: float) -> None:
    """Paint a leg with its garment and shoe; 0 is the left leg."""
    who, leg, stout = figure.who, figure.body.legs[index], figure.who.body.stout
    skin, cloth = plain(who.body.skin), sleeve(who.cloth)
    crease = 3 * index
    thigh = (0.050 * stout, 0.051 * stout, 0.044 * stout, 0.037 * stout)
    calf = (0.034 * stout, 0.038 * stout, 0.031 * stout, 0.021)
    _paint_shoe(figure, index, dim)
    if who.lower in _BARE:
        figure.limb(leg.middle, leg.tip, calf, skin, dim=dim * 0.95)
        figure.limb(leg.root, leg.middle, thigh, skin, dim=dim)
        reach = _BARE[who.lower]
        if reach:
            hem = leg.root + (leg.middle - leg.root) * reach
            loose = 1.22 if who.lower == "shorts" else 1.08
            radii = (thigh[0] * 1.05, thigh[1] * 1.1, (0.058 - 0.014 * reach) * stout * loose)
            figure.limb(leg.root, hem, radii, cloth, crease=crease, dim=dim, cut=True)
        return
    tight = who.lower == "leggings"
    ease, end = 1.02 if tight else 1.17, leg.tip
    if who.lower == "capri":
        figure.limb(leg.middle, leg.tip, calf, skin, dim=dim)
        end = leg.middle + leg.beyond * 0.5
    shin = (calf[0] * ease, calf[1] * ease, calf[2] * ease, 0.024 if tight else 0.036)
    figure.limb(leg.middle, end, shin, cloth, crease=crease + 1, dim=dim * 0.95, cut=True)
    eased = tuple(radius * ease for radius in thigh)
    figure.limb(leg.root, leg.middle, eased, cloth, crease=crease, dim=dim)


def _paint_shoe(figure: Figure, index: int, dim: float) -> None:
    who, leg, toe = figure.who, figure.body.legs[index], figure.body.toes[index]
    heel = leg.tip + (leg.tip - toe) * 0.2
    sole = vector(0, 0, -0.014)
    if who.feet == "sandals":
        figure.limb(heel + sole, toe + sole, (0.018, 0.020), plain(who.shoes), dim=dim)
        figure.limb(leg.tip, toe, (0.020, 0.016), plain(who.body.skin), dim=dim)
        middle = leg.tip + (toe - leg.tip) * 0.6
        figure.limb(middle, middle + sole * 0.5, (0.019, 0.019), plain(who.shoes), dim=dim)
        return
    if who.feet == "sneakers":
        ankle = leg.tip - leg.beyond * 0.12
        figure.limb(ankle, leg.tip, (0.023, 0.022), plain(who.sole), dim=dim)
        figure.limb(heel + sole, toe + sole, (0.019, 0.022, 0.020), plain(who.sole), dim=dim)
    figure.limb(heel, toe, (0.022, 0.025, 0.019), plain(who.shoes), dim=dim)


def paint_hips(figure: Figure) -> None:
    """Paint the seat of trousers, or a skirt."""
    who, body = figure.who, figure.who.body
    stout, hips = body.stout, body.hips * body.stout
    waist = figure.ring(0.60, body.waist * 1.02, 0.058 * stout)
    seat = figure.ring(0.53, hips * 1.03, 0.066 * stout, -0.006)
    if who.lower not in ("skirt", "dress"):
        crotch = figure.ring(0.475, hips * 0.75, 0.055 * stout)
        figure.shell([waist, seat, crotch], wrap(who.cloth), crease=7, dim=0.98)
        return
    flare = 1.0 + who.flare
    spread = abs(sin(figure.stance.phase)) * figure.stance.stride * 0.22
    middle = figure.ring(0.44, hips * (1 + flare) / 2, 0.075 * stout + spread * 0.5)
    hem = figure.ring(HIP - who.hem, hips * flare, 0.075 * stout * flare + spread)
    figure.shell([waist, waist, seat, middle, hem, hem], _pleated(who.cloth), crease=None)


@lru_cache(maxsize=256)
def _pleated(cloth: Cloth) -> RGB:
    """Return the cloth of a skirt with folds that get deeper towards the hem."""
    around = np.arange(AROUND) * (2 * np.pi / AROUND)
    first, second = np.random.default_rng(cloth.seed).uniform(0, 2 * np.pi, 2)
    waves = 0.6 * np.sin(7 * around + first) + 0.4 * np.sin(12 * around + second)
    depth = np.linspace(0.02, 0.2, TILE_ROWS)[:, None]
    folded = wrap(cloth) * (1 + depth * waves)[..., None]
    return np.asarray(np.clip(folded, 0, 255), np.uint8)


def paint_trunk(figure: Figure) -> None:
    """Paint the shirt, or the upper part of a dress."""
    who, body = figure.who, figure.who.body
    stout, hips = body.stout, body.hips * body.stout
    hem = 0.56 if who.lower == "dress" else who.shirt_hem
    shoulder = body.shoulders * (0.8 if who.cut == "tank" else 1.0)
    belly = 0.1 * max(stout - 0.95, 0)
    bottom = figure.ring(hem, hips * 1.06, 0.081 * stout)
    rings = [
        figure.ring(0.85, shoulder * 0.36, 0.035, 0.004),
        figure.ring(0.838, shoulder * 0.55, 0.04, 0.002),
        figure.ring(0.815, shoulder * 0.95, 0.05),
        figure.ring(0.79, shoulder * 1.04, 0.06),
        figure.ring(0.74, body.chest * stout, 0.068 * stout, body.bust),
        figure.ring(0.70, body.chest * stout * 0.97, 0.072 * stout, body.bust),
        figure.ring(0.63, body.waist * 1.06, 0.072 * stout, belly),
        figure.ring(0.56, hips * 1.01, 0.077 * stout, belly * 0.5),
        bottom,
        bottom,
    ]
    figure.shell(rings, _dressed(who), crease=0)


@lru_cache(maxsize=256)
def _dressed(who: Wardrobe) -> RGB:
    """Return the trunk's cloth with neckline, buttons, jacket and straps."""
    sheet = wrap(who.cloth if who.lower == "dress" else who.top).copy()
    if who.cut == "open":
        sheet[:, :7] = sheet[:, -7:] = who.inner
        for edge in (7, -8):
            sheet[:, edge] //= 2
    for column in range(-6, 7):
        depth = {"polo": 5, "tank": 9}.get(who.cut, 4) - abs(column) * 2 // 3
        sheet[: max(depth, 0), column] = who.body.skin
    if who.cut == "polo":
        sheet[3:18, 0] //= 2
    if who.backpack is not None:
        for column in (9, -12):
            sheet[:26, column : column + 3] = who.backpack
    return sheet


def paint_arm(figure: Figure, index: int, dim: float) -> None:
    """Paint an arm with its sleeve and hand; 0 is the left arm."""
    who, arm, stout = figure.who, figure.body.arms[index], figure.who.body.stout
    skin = plain(who.body.skin)
    cloth = sleeve(who.cloth if who.lower == "dress" else who.top)
    upper = (0.027 * stout, 0.029 * stout, 0.025 * stout)
    lower = (0.024 * stout, 0.022 * stout, 0.016)
    figure.limb(arm.tip, arm.tip + arm.beyond * 0.32, (0.018, 0.021, 0.012), skin, dim=dim)
    reach = _SLEEVES[who.cut]
    if reach > 1:
        sleeves = (upper[0] * 1.05, upper[1] * 1.2, upper[2] * 1.22)
        cuffs = tuple(radius * 1.22 for radius in lower)
        figure.limb(arm.middle, arm.tip, cuffs, cloth, crease=5 + index, dim=dim * 0.96)
        figure.limb(arm.root, arm.middle, sleeves, cloth, crease=3 + index, dim=dim)
        return
    figure.limb(arm.middle, arm.tip, lower, skin, dim=dim * 0.96)
    figure.limb(arm.root, arm.middle, upper, skin, dim=dim)
    if reach:
        hem = arm.root + (arm.middle - arm.root) * reach
        radii = (0.027 * stout, 0.035 * stout, 0.040 * stout)
        figure.limb(arm.root, hem, radii, cloth, crease=3 + index, dim=dim, cut=True)
