"""Paint a whole person, part by part from back to front."""

from __future__ import annotations

from math import cos

from visnet_aug.datasets.drawn import belongings, garments, head
from visnet_aug.datasets.drawn.canvas import Layer, Light
from visnet_aug.datasets.drawn.figure import Figure
from visnet_aug.datasets.drawn.pose import Limb, Stance, View, pose
from visnet_aug.datasets.drawn.textile import plain
from visnet_aug.datasets.drawn.wardrobe import Wardrobe


def paint_person(
    layer: Layer, who: Wardrobe, stance: Stance, view: View, light: Light, crease: int
) -> None:
    """Paint one person with everything they wear, carry and ride.

    Args:
        layer: The layer to paint on.
        who: The identity.
        stance: The pose's parameters.
        view: The projection, including the position on the sheet.
        light: The light.
        crease: Selects the folds of the clothes.
    """
    body = pose(stance, who.body.shoulders * 0.87, who.body.hips * 0.54)
    figure = Figure(layer, who, stance, body, view, light, crease)
    away = cos(view.heading) < -0.1
    far_arms = [index for index in (0, 1) if _depth(view, body.arms[index]) < -0.025]

    belongings.paint_umbrella(figure)
    for index in far_arms:
        garments.paint_arm(figure, index, dim=0.82)
    if not away:
        belongings.paint_backpack(figure)
        head.paint_falling_hair(figure)
    far_leg = 0 if _depth(view, body.legs[0]) < _depth(view, body.legs[1]) else 1
    garments.paint_leg(figure, far_leg, dim=0.8)
    belongings.paint_bicycle(figure)
    garments.paint_leg(figure, 1 - far_leg, dim=1.0)
    figure.limb(body.trunk(0.80), body.head, (0.034, 0.027), plain(who.body.skin), dim=0.76)
    garments.paint_hips(figure)
    garments.paint_trunk(figure)
    belongings.paint_shoulder_bag(figure)
    head.paint_head(figure)
    if away:
        head.paint_falling_hair(figure)
        belongings.paint_backpack(figure)
    for index in (0, 1):
        if index not in far_arms:
            garments.paint_arm(figure, index, dim=1.0)
    belongings.paint_handbag(figure)


def _depth(view: View, limb: Limb) -> float:
    return (view.depth(limb.root) + view.depth(limb.middle) + view.depth(limb.tip)) / 3
