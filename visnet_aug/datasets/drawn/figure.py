"""A dressed body: the parts of a posed skeleton, painted from far to near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from visnet_aug.datasets.drawn.belongings import (
    draw_backpack,
    draw_bicycle,
    draw_handbag,
    draw_shoulder_bag,
    draw_umbrella,
)
from visnet_aug.datasets.drawn.canvas import RGB, Layer, Light, Points, lit, smooth, tube
from visnet_aug.datasets.drawn.head import draw_back_hair, draw_head
from visnet_aug.datasets.drawn.pose import HIP, Limb, Skeleton, Stance, View, pose
from visnet_aug.datasets.drawn.textile import ACROSS, AROUND, plain, sleeve, wrap
from visnet_aug.datasets.drawn.wardrobe import Wardrobe

_FACING: Final = np.arcsin(np.linspace(-0.98, 0.98, ACROSS))


@dataclass(frozen=True, slots=True)
class Figure:
    """A person at one moment, in one view: all that the painters of parts need."""

    layer: Layer
    who: Wardrobe
    stance: Stance
    body: Skeleton
    view: View
    light: Light
    crease: int

    @property
    def unit(self) -> float:
        """Sheet pixels per body height across the body."""
        return self.view.scale * self.view.stretch

    def limb(
        self, start: Points, end: Points, radii: tuple[float, ...], tile: RGB,
        crease: int | None = None, dim: float = 1.0,
        round_ends: tuple[bool, bool] = (True, True),
    ) -> None:  # fmt: skip
        """Paint a tube between two body points; radii in body heights."""
        scaled = tuple(radius * self.unit for radius in radii)
        tube(
            self.layer, self.view.at(start), self.view.at(end), scaled, tile, self.light,
            crease, dim, round_ends=round_ends,
        )  # fmt: skip


def draw_figure(
    layer: Layer, who: Wardrobe, stance: Stance, view: View, light: Light, crease: int
) -> None:
    """Paint one person.

    Args:
        layer: The sheet.
        who: The identity.
        stance: What the body does.
        view: From where it is seen, and where on the sheet it stands.
        light: The light.
        crease: Chooses how the clothes fall this time.
    """
    body = pose(stance, who.body.shoulders * 0.93, who.body.hips * 0.58)
    figure = Figure(layer, who, stance, body, view, light, crease)
    facing = np.cos(view.heading) > -0.1
    arm_depths = [_limb_depth(view, arm) for arm in body.arms]
    behind = [depth < -0.025 for depth in arm_depths]
    riding = stance.gait == "ride"

    if who.umbrella is not None and "umbrella" in stance.arms:
        draw_umbrella(layer, who, body, stance, view, light)
    for index in (0, 1):
        if behind[index]:
            _arm(figure, index, dim=0.82)
    if facing:
        draw_backpack(layer, who, body, view, light)
        draw_back_hair(layer, who, body, stance, view, light)
    order = sorted((0, 1), key=lambda index: _limb_depth(view, body.legs[index]))
    _leg(figure, order[0], dim=0.78)
    if riding and who.bicycle is not None:
        draw_bicycle(layer, who.bicycle, view, light)
    _leg(figure, order[1], dim=1.0)
    figure.limb(body.trunk(0.80), body.head, (0.03, 0.026), plain(who.body.skin), dim=0.72)
    _hips(figure)
    _trunk(figure)
    draw_shoulder_bag(layer, who, body, view, light)
    draw_head(layer, who, body, stance, view, light)
    if not facing:
        draw_back_hair(layer, who, body, stance, view, light)
        draw_backpack(layer, who, body, view, light)
    for index in (0, 1):
        if not behind[index]:
            _arm(figure, index, dim=1.0)
    if who.handbag is not None and "carry" in stance.arms:
        draw_handbag(layer, who, body, stance, view, light)


def _limb_depth(view: View, limb: Limb) -> float:
    return (view.depth(limb.root) + view.depth(limb.middle) + view.depth(limb.tip)) / 3


_BARE: Final = {"shorts": 0.95, "hotpants": 0.42, "skirt": 0.0, "dress": 0.0}


def _leg(figure: Figure, index: int, dim: float) -> None:
    who, leg, stout = figure.who, figure.body.legs[index], figure.who.body.stout
    skin = plain(who.body.skin)
    cloth = sleeve(who.cloth)
    crease = figure.crease + 3 * index
    thigh = (0.058 * stout, 0.055 * stout, 0.046 * stout, 0.038 * stout)
    calf = (0.036 * stout, 0.040 * stout, 0.034 * stout, 0.023)
    _shoe(figure, index, dim)
    if who.lower in _BARE:
        figure.limb(leg.middle, leg.tip, calf, skin, None, dim * 0.95)
        figure.limb(leg.root, leg.middle, thigh, skin, None, dim)
        reach = _BARE[who.lower]
        if reach:
            hem = leg.root + (leg.middle - leg.root) * reach
            loose = 1.22 if who.lower == "shorts" else 1.08
            radii = (thigh[0] * 1.05, thigh[1] * 1.1, (0.058 - 0.014 * reach) * stout * loose)
            figure.limb(leg.root, hem, radii, cloth, crease, dim, (True, False))
        return
    ease = 1.02 if who.lower == "leggings" else 1.16
    end = leg.tip
    if who.lower == "capri":
        figure.limb(leg.middle, leg.tip, calf, skin, None, dim)
        end = leg.middle + (leg.tip - leg.middle) * 0.5
    cuff = 0.024 if who.lower == "leggings" else 0.036
    shin = (calf[0] * ease, calf[1] * ease, calf[2] * ease, cuff)
    figure.limb(leg.middle, end, shin, cloth, crease + 1, dim * 0.94, (True, False))
    figure.limb(
        leg.root, leg.middle, tuple(radius * ease for radius in thigh), cloth, crease, dim
    )


def _shoe(figure: Figure, index: int, dim: float) -> None:
    who, leg, toe = figure.who, figure.body.legs[index], figure.body.toes[index]
    heel = leg.tip + (leg.tip - toe) * 0.22
    sole = np.array((0, 0, -0.017), np.float32)
    if who.feet == "sandals":
        figure.limb(heel + sole, toe + sole, (0.02, 0.022), plain(who.shoes), None, dim)
        figure.limb(leg.tip, toe, (0.022, 0.018), plain(who.body.skin), None, dim)
        middle = leg.tip + (toe - leg.tip) * 0.6
        figure.limb(middle, middle + sole * 0.5, (0.021, 0.021), plain(who.shoes), None, dim)
        return
    if who.feet == "sneakers":
        ankle = leg.tip + (leg.middle - leg.tip) * 0.12
        figure.limb(ankle, leg.tip, (0.024, 0.023), plain(who.sole), None, dim)
        figure.limb(heel + sole, toe + sole, (0.021, 0.024, 0.022), plain(who.sole), None, dim)
    figure.limb(heel, toe, (0.025, 0.028, 0.022), plain(who.shoes), None, dim)


def _ring(figure: Figure, up: float, side: float, deep: float, forward: float) -> tuple[Points, float]:
    centre = figure.view.at(figure.body.trunk(up, forward))
    return centre, figure.view.breadth(side, deep)


def _shell(
    figure: Figure, rings: list[tuple[Points, float]], wrapped: RGB, crease: int, dim: float = 1.0
) -> None:
    """Paint cloth round the trunk through rings of (centre, half breadth), top to bottom."""
    centres = np.stack([centre for centre, _ in rings])
    halves = np.array([half for _, half in rings], np.float32)[:, None]
    axis = centres[-1] - centres[0]
    axis = axis / max(float(np.hypot(axis[0], axis[1])), 1e-3)
    normal = np.array((axis[1], -axis[0]), np.float32)
    outline = np.concatenate((centres + halves * normal, (centres - halves * normal)[::-1]))
    columns = (_FACING - figure.view.heading) * AROUND / (2 * np.pi)
    tile = np.ascontiguousarray(wrapped[:, np.round(columns).astype(int) % AROUND])
    half = normal * float(halves.max())
    corners = np.stack((centres[0] - half, centres[0] + half, centres[-1] - half))
    figure.layer.lay(
        smooth(outline.astype(np.float32)),
        lit(tile, normal, figure.light, crease, dim),
        corners.astype(np.float32),
    )


def _hips(figure: Figure) -> None:
    """Paint the seat of trousers, or a skirt."""
    who, body = figure.who, figure.who.body
    stout, hips = body.stout, body.hips * body.stout
    wrapped = wrap(who.cloth)
    waist = _ring(figure, 0.60, body.waist * 1.02, 0.058 * stout, 0)
    seat = _ring(figure, 0.53, hips, 0.07 * stout, -0.01)
    if who.lower in ("skirt", "dress"):
        rng = np.random.default_rng(who.habit)
        hem_up = HIP - float(rng.uniform(0.12, 0.3))
        flare = 1.0 + float(rng.uniform(0.0, 0.55))
        spread = abs(np.sin(figure.stance.phase)) * figure.stance.stride * 0.22
        middle = _ring(figure, 0.44, hips * (1 + flare) / 2, 0.075 * stout + spread * 0.5, 0)
        hem = _ring(figure, hem_up, hips * flare, 0.075 * stout * flare + spread, 0)
        _shell(figure, [waist, waist, seat, middle, hem, hem], wrapped, figure.crease + 7)
        return
    crotch = _ring(figure, 0.465, hips * 0.8, 0.055 * stout, 0)
    _shell(figure, [waist, seat, crotch], wrapped, figure.crease + 7, dim=0.93)


def _trunk(figure: Figure) -> None:
    who, body = figure.who, figure.who.body
    stout = body.stout
    dress = who.lower == "dress"
    cloth = who.cloth if dress else who.top
    rng = np.random.default_rng(who.habit + 1)
    hem_up = 0.56 if dress else float(rng.choice((0.485, 0.5, 0.555)))
    tank = who.cut == "tank"
    shoulder = body.shoulders * (0.8 if tank else 1.0)
    rings = [
        _ring(figure, 0.845, shoulder * 0.45, 0.035, 0.004),
        _ring(figure, 0.832, shoulder * 0.8, 0.045, 0),
        _ring(figure, 0.805, shoulder * 1.02, 0.055, 0),
        _ring(figure, 0.74, body.chest * stout, 0.06 * stout, body.bust),
        _ring(figure, 0.70, body.chest * stout * 0.97, 0.062 * stout, body.bust),
        _ring(figure, 0.63, body.waist * 1.06, 0.06 * stout, 0.01 * (stout - 0.9) * 10),
        _ring(figure, 0.56, body.hips * stout * 0.98, 0.066 * stout, 0),
        _ring(figure, hem_up, body.hips * stout * 1.03, 0.07 * stout, 0),
        _ring(figure, hem_up, body.hips * stout * 1.03, 0.07 * stout, 0),
    ]
    _shell(figure, rings, _dressed(who, wrap(cloth)), figure.crease)


def _dressed(who: Wardrobe, wrapped: RGB) -> RGB:
    """Return the trunk's cloth with what lies on it: neckline, buttons, jacket, straps."""
    sheet = wrapped.copy()
    if who.cut == "open":
        sheet[:, :7] = who.inner
        sheet[:, -7:] = who.inner
        sheet[:, 7] = sheet[:, 7] // 2
        sheet[:, -8] = sheet[:, -8] // 2
    for column in range(-6, 7):
        depth = {"polo": 5, "tank": 9}.get(who.cut, 4) - abs(column) * 2 // 3
        if depth > 0:
            sheet[:depth, column] = who.body.skin
    if who.cut == "polo":
        sheet[3:18, 0] = sheet[3:18, 0] // 2
    if who.backpack is not None:
        for column in (9, -12):
            sheet[:26, column : column + 3] = who.backpack
    return sheet


_SLEEVE: Final = {"tee": 0.62, "polo": 0.66, "tank": 0.0, "long": 2.0, "open": 2.0}


def _arm(figure: Figure, index: int, dim: float) -> None:
    who, arm, stout = figure.who, figure.body.arms[index], figure.who.body.stout
    skin = plain(who.body.skin)
    cloth = sleeve(who.cloth if who.lower == "dress" else who.top)
    upper = (0.030 * stout, 0.031 * stout, 0.027 * stout)
    lower = (0.026 * stout, 0.024 * stout, 0.017)
    long = _SLEEVE[who.cut] > 1
    hand = arm.tip + (arm.tip - arm.middle) * 0.32
    figure.limb(arm.tip, hand, (0.018, 0.022, 0.013), skin, None, dim)
    if long:
        cuffs = tuple(radius * 1.22 for radius in lower)
        figure.limb(arm.middle, arm.tip, cuffs, cloth, figure.crease + 5, dim * 0.95)
        sleeves = tuple(radius * 1.22 for radius in upper)
        figure.limb(arm.root, arm.middle, sleeves, cloth, figure.crease + 4, dim)
        return
    figure.limb(arm.middle, arm.tip, lower, skin, None, dim * 0.96)
    figure.limb(arm.root, arm.middle, upper, skin, None, dim)
    reach = _SLEEVE[who.cut]
    if reach:
        hem = arm.root + (arm.middle - arm.root) * reach
        radii = (0.036 * stout, 0.040 * stout, 0.041 * stout)
        figure.limb(arm.root, hem, radii, cloth, figure.crease + 4 + index, dim, (True, False))
