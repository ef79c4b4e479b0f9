"""What people wear, carry and ride: bags, umbrellas, bicycles."""

from __future__ import annotations

from functools import lru_cache
from math import cos
from typing import Final

import numpy as np

from visnet_aug.datasets.drawn.canvas import RGB, Colour, Layer, Light, lit, tube
from visnet_aug.datasets.drawn.figure import Figure
from visnet_aug.datasets.drawn.pose import View, vector
from visnet_aug.datasets.drawn.textile import dim, plain


@lru_cache(maxsize=512)
def _leather(colour: Colour, accent: Colour) -> RGB:
    """Return the texture of a bag's front, with a trim and a zipped pocket."""
    tile = plain(colour).copy()
    tile[2:5, 6:26] = accent
    tile[26:44, 5:27] = dim(colour, 0.82)
    tile[26:28, 5:27] = dim(colour, 0.5)
    return tile


def paint_backpack(figure: Figure) -> None:
    """Paint a backpack; its straps are painted with the shirt."""
    who, view = figure.who, figure.view
    if who.backpack is None:
        return
    half = (view.breadth(0.078, 0.05), 0.11 * view.scale)
    shade = 0.75 if cos(view.heading) > 0.5 else 1.0
    centre = view.at(figure.body.trunk(0.70, -0.09))
    figure.box(centre, half, _leather(who.backpack, who.bag_accent), dim=shade)


def paint_shoulder_bag(figure: Figure) -> None:
    """Paint a shoulder strap across the trunk and its bag at the hip, unless the body hides it."""
    who, body, view = figure.who, figure.body, figure.view
    if who.shoulder_bag is None:
        return
    facing = 1 if cos(view.heading) > 0 else -1
    bottom = body.trunk(0.52, 0.02, who.bag_side * who.body.hips * 1.15)
    top = body.trunk(0.832, 0, -who.bag_side * who.body.shoulders * 0.6)
    middle = body.trunk(0.67, facing * 0.06)
    strap = np.array([view.at(point) for point in (top, middle, bottom)])
    figure.layer.stroke(strap, who.shoulder_bag, 0.013 * view.scale)
    if view.depth(bottom) > -0.05:
        half = (view.breadth(0.03, 0.075), 0.06 * view.scale)
        centre = view.at(bottom - vector(0, 0, 0.03))
        figure.box(centre, half, _leather(who.shoulder_bag, who.bag_accent))


def paint_handbag(figure: Figure) -> None:
    """Paint a bag hanging from the hand that carries it."""
    who, view = figure.who, figure.view
    if who.handbag is None or "carry" not in figure.stance.arms:
        return
    arm = figure.body.arms[figure.stance.arms.index("carry")]
    grip = arm.tip + arm.beyond * 0.25
    centre = view.at(grip - vector(0, 0, 0.11))
    half = (view.breadth(0.025, 0.065), 0.055 * view.scale)
    left, right = (centre + np.array((x, -half[1])) for x in (-0.7 * half[0], 0.7 * half[0]))
    handle = np.array((left, view.at(grip), right), np.float32)
    figure.layer.stroke(handle, who.handbag, 0.01 * view.scale)
    figure.box(centre, half, _leather(who.handbag, who.bag_accent))


def paint_umbrella(figure: Figure) -> None:
    """Paint an open umbrella; like a bicycle, it is not part of the person mask."""
    who, view = figure.who, figure.view
    if who.umbrella is None or "umbrella" not in figure.stance.arms:
        return
    arm = figure.body.arms[figure.stance.arms.index("umbrella")]
    tip = view.at(arm.tip + vector(0, 0.02, 0.36))
    stick = np.array((view.at(arm.tip), tip))
    figure.layer.stroke(stick, (90, 90, 94), 0.01 * view.scale, person=False)
    wide, high = 0.30 * view.unit, 0.13 * view.scale
    centre = tip + np.array((0, high * 0.9), np.float32)
    turn = np.linspace(np.pi, 2 * np.pi, 15)
    dome = np.stack((np.cos(turn) * wide, np.sin(turn) * high), 1)
    ribs = np.linspace(1, -1, 8)
    hem = np.stack((ribs * wide, np.where(np.arange(8) % 2, 0.05, 0.16) * high), 1)
    outline = (np.concatenate((dome, hem)) + centre).astype(np.float32)
    frame = np.array(((-wide, -high), (wide, -high), (-wide, high * 0.3))) + centre
    cloth = plain(who.umbrella).copy()
    cloth[:, ::8] = dim(who.umbrella, 0.72)
    lighted = lit(cloth, np.array((1, 0), np.float32), figure.light, 5)
    figure.layer.lay(outline, lighted, frame.astype(np.float32), person=False)


def paint_bicycle(figure: Figure) -> None:
    """Paint a rider's bicycle."""
    if figure.stance.gait == "ride" and figure.who.bicycle is not None:
        paint_machine(figure.layer, figure.who.bicycle, figure.view, figure.light)


_JOINTS: Final = {
    "seat": vector(0, -0.08, 0.58),
    "crank": vector(0, 0.02, 0.2),
    "stem": vector(0, 0.24, 0.52),
    "rear": vector(0, -0.27, 0.185),
    "front": vector(0, 0.33, 0.185),
    "bar": vector(0, 0.2, 0.62),
}
_TUBES: Final = (
    ("seat", "crank"), ("crank", "stem"), ("seat", "stem"), ("crank", "rear"), ("seat", "rear"),
    ("bar", "front"),
)  # fmt: skip


def paint_machine(layer: Layer, colour: Colour, view: View, light: Light) -> None:
    """Paint a bicycle with the heading of ``view``; it is never part of the person mask."""
    turn = np.linspace(0, 2 * np.pi, 28)
    for hub in (-0.27, 0.33):
        rim = np.stack((0.004 * np.sin(turn), hub + 0.185 * np.cos(turn),
                        0.185 + 0.185 * np.sin(turn)), 1).astype(np.float32)  # fmt: skip
        layer.stroke(view.at(rim), (36, 36, 38), 0.018 * view.scale, person=False, closed=True)
    radius = 0.011 * view.scale
    for start, end in _TUBES:
        ends = (view.at(_JOINTS[start]), view.at(_JOINTS[end]))
        tube(layer, ends, (radius, radius), plain(colour), light, person=False)
    saddle = (view.at(vector(0, -0.14, 0.6)), view.at(vector(0, -0.02, 0.6)))
    tube(layer, saddle, (2 * radius, 2 * radius), plain((30, 30, 30)), light, person=False)
    grips = np.array((view.at(vector(0.11, 0.2, 0.63)), view.at(vector(-0.11, 0.2, 0.63))))
    layer.stroke(grips, (50, 50, 54), 0.016 * view.scale, person=False)
