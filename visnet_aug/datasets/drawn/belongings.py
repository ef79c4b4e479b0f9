"""What people wear, carry and ride: bags, umbrellas, bicycles."""

from __future__ import annotations

import numpy as np

from visnet_aug.datasets.drawn.canvas import Layer, Light, Points, lit, smooth, tube
from visnet_aug.datasets.drawn.pose import Skeleton, Stance, Vector, View
from visnet_aug.datasets.drawn.textile import Colour, plain
from visnet_aug.datasets.drawn.wardrobe import Wardrobe


def _box(layer: Layer, centre: Points, half: tuple[float, float], colour: Colour,
         accent: Colour, light: Light, dim: float = 1.0) -> None:  # fmt: skip
    """Paint a bag: a soft box with a pocket, half sizes in sheet pixels."""
    tile = plain(colour)
    tile[2:5, 6:26] = accent
    tile[26:44, 5:27] = (np.array(colour) * 0.82).astype(np.uint8)
    tile[26:28, 5:27] = (np.array(colour) * 0.5).astype(np.uint8)
    x, y = half
    corners = np.array(((-x, -y), (x, -y), (x * 1.08, y), (-x * 1.08, y)), np.float32) + centre
    frame = np.array(((-x, -y), (x, -y), (-x, y)), np.float32) + centre
    normal = np.array((1, 0), np.float32)
    layer.lay(smooth(corners), lit(tile, normal, light, 11, dim), frame)


def draw_backpack(layer: Layer, who: Wardrobe, body: Skeleton, view: View, light: Light) -> None:
    """Paint a backpack on the back."""
    if who.backpack is None:
        return
    centre = view.at(body.trunk(0.70, -0.095))
    half = (view.breadth(0.078, 0.05), 0.115 * view.scale)
    dim = 0.75 if np.cos(view.heading) > 0.5 else 1.0
    _box(layer, centre, half, who.backpack, who.bag_accent, light, dim)


def draw_shoulder_bag(
    layer: Layer, who: Wardrobe, body: Skeleton, view: View, light: Light
) -> None:
    """Paint a strap across the trunk and the bag at the hip."""
    if who.shoulder_bag is None:
        return
    facing = 1 if np.cos(view.heading) > 0 else -1
    side = who.bag_side
    bottom = body.trunk(0.52, 0.02, side * who.body.hips * 1.15)
    top = body.trunk(0.832, 0, -side * who.body.shoulders * 0.6)
    middle = body.trunk(0.67, facing * 0.06, 0)
    strap = np.stack([view.at(point) for point in (top, middle, bottom)])
    layer.stroke(strap, who.shoulder_bag, 0.013 * view.scale)
    hidden = view.depth(bottom) < -0.05
    if hidden:
        return
    half = (view.breadth(0.03, 0.075), 0.06 * view.scale)
    _box(layer, view.at(bottom + np.array((0, 0, -0.03), np.float32)), half, who.shoulder_bag,
         who.bag_accent, light)  # fmt: skip


def draw_handbag(
    layer: Layer, who: Wardrobe, body: Skeleton, stance: Stance, view: View, light: Light
) -> None:
    """Paint a bag that hangs from the carrying hand."""
    if who.handbag is None:
        return
    arm = body.arms[stance.arms.index("carry")]
    grip = arm.tip + (arm.tip - arm.middle) * 0.25
    low = grip + np.array((0, 0, -0.11), np.float32)
    half = (view.breadth(0.025, 0.065), 0.055 * view.scale)
    centre = view.at(low)
    ends = centre + np.array(((-half[0] * 0.7, -half[1]), (half[0] * 0.7, -half[1])), np.float32)
    handle = np.stack((ends[0], view.at(grip), ends[1])).astype(np.float32)
    layer.stroke(handle, who.handbag, 0.01 * view.scale)
    _box(layer, centre, half, who.handbag, who.bag_accent, light)


def draw_umbrella(
    layer: Layer, who: Wardrobe, body: Skeleton, stance: Stance, view: View, light: Light
) -> None:
    """Paint an open umbrella; like bicycles, it is not the person."""
    if who.umbrella is None:
        return
    arm = body.arms[stance.arms.index("umbrella")]
    grip = view.at(arm.tip)
    tip = view.at(arm.tip + np.array((0, 0.02, 0.36), np.float32))
    layer.stroke(np.stack((grip, tip)), (90, 90, 94), 0.01 * view.scale, person=False)
    wide, high = 0.30 * view.scale * view.stretch, 0.13 * view.scale
    turn = np.linspace(np.pi, 2 * np.pi, 15, dtype=np.float32)
    dome = np.stack((np.cos(turn) * wide, np.sin(turn) * high), 1)
    ribs = np.linspace(1, -1, 8, dtype=np.float32)
    hem = np.stack((ribs * wide, np.where(np.arange(8) % 2, high * 0.05, high * 0.16)), 1)
    centre = tip + np.array((0, high * 0.9), np.float32)
    polygon = (np.concatenate((dome, hem)) + centre).astype(np.float32)
    tile = plain(who.umbrella)
    tile[:, ::8] = (np.array(who.umbrella) * 0.75).astype(np.uint8)
    frame = centre + np.array(((-wide, -high), (wide, -high), (-wide, high * 0.3)), np.float32)
    layer.lay(polygon, lit(tile, np.array((1, 0), np.float32), light, 5), frame.astype(np.float32), person=False)


def draw_bicycle(layer: Layer, colour: Colour, view: View, light: Light) -> None:
    """Paint a bicycle below a rider, seen from the rider's view; it is not the person."""
    def at(forward: float, up: float) -> Vector:
        return view.at(np.array((0, forward, up), np.float32))

    turn = np.linspace(0, 2 * np.pi, 28, dtype=np.float32)
    for hub in (-0.27, 0.33):
        rim = np.stack((np.zeros_like(turn), hub + 0.185 * np.cos(turn), 0.185 + 0.185 * np.sin(turn)), 1)
        rim[:, 0] += 0.004 * np.sin(turn)
        layer.stroke(view.at(rim), (36, 36, 38), 0.018 * view.scale, person=False, closed=True)
    tile = plain(colour)
    frame = {
        "seat": at(-0.08, 0.58), "crank": at(0.02, 0.2), "stem": at(0.24, 0.52),
        "rear": at(-0.27, 0.185), "front": at(0.33, 0.185), "bar": at(0.2, 0.62),
    }  # fmt: skip
    for start, end in (("seat", "crank"), ("crank", "stem"), ("seat", "stem"), ("crank", "rear"),
                       ("seat", "rear"), ("bar", "front")):  # fmt: skip
        radius = 0.011 * view.scale
        tube(layer, frame[start], frame[end], (radius, radius), tile, light, person=False)
    tube(layer, at(-0.14, 0.6), at(-0.02, 0.6), (0.022 * view.scale,) * 2, plain((30, 30, 30)), light, person=False)
    bar = np.stack((view.at(np.array((0.11, 0.2, 0.63), np.float32)), view.at(np.array((-0.11, 0.2, 0.63), np.float32))))
    layer.stroke(bar, (50, 50, 54), 0.016 * view.scale, person=False)
