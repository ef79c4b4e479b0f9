"""Random draws per crop: pose, place in the scene, and bounding box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import Final, Literal

import numpy as np

from visnet_aug.datasets.drawn.camera import Camera
from visnet_aug.datasets.drawn.canvas import HEIGHT, SUPERSAMPLING, WIDTH
from visnet_aug.datasets.drawn.perspective import SCENE_HEIGHT, SCENE_WIDTH
from visnet_aug.datasets.drawn.pose import ArmAction, Gait, Stance, View
from visnet_aug.datasets.drawn.scene import Scene
from visnet_aug.datasets.drawn.wardrobe import Wardrobe

Fit = Literal["good", "cut", "stray"]
"""How well a box fits the person: well, cropping a part, or poorly."""

_IDLE: Final[tuple[ArmAction, ...]] = ("phone", "pocket", "strap", "swing")


@dataclass(frozen=True, slots=True)
class Track:
    """Parameters that stay roughly constant while a person walks through a camera's view.

    Attributes:
        heading: Direction of walking, radians, see :class:`View`.
        x: Start column in the scene.
        row: Row in the scene.
        gait: Walking, standing or riding.
        shelter: Whether the umbrella is open.
        idle: Pose of arms that do not swing.
        pace: Swing of the thighs.
    """

    heading: float
    x: float
    row: float
    gait: Gait
    shelter: bool
    idle: ArmAction
    pace: float


@dataclass(frozen=True, slots=True)
class Framing:
    """Position and size of a bounding box relative to the person.

    Attributes:
        x: Column of the feet as a fraction of the box's width.
        y: Row of the feet as a fraction of the box's height.
        size: Body height as a fraction of the box's height.
        squeeze: Width of the box as a fraction of half its height.
    """

    x: float
    y: float
    size: float
    squeeze: float


def draw_track(who: Wardrobe, place: Scene, rng: np.random.Generator) -> Track:
    """Draw a person's track through a camera's view."""
    heading, x, row = float(rng.uniform(-pi, pi)), float(rng.uniform(0, SCENE_WIDTH)), rng.random()
    rides, stands, shelters = rng.random() < 0.6, rng.random() < 0.18, rng.random() < 0.7
    gait: Gait = "stand" if stands else "walk"
    if who.bicycle is not None and rides:
        gait = "ride"
    return Track(
        heading=heading,
        x=x,
        row=place.far + float(row) * (SCENE_HEIGHT - 12 - place.far),
        gait=gait,
        shelter=who.umbrella is not None and bool(shelters),
        idle=_IDLE[who.habit % len(_IDLE)],
        pace=float(rng.uniform(0.22, 0.46)),
    )


def draw_stance(who: Wardrobe, track: Track, rng: np.random.Generator) -> Stance:
    """Draw one moment of a track."""
    phase = float(rng.uniform(0, 2 * pi))
    nod, glance, lean = rng.normal((0.08, 0.0, 0.05), (0.16, 0.25, 0.03)).tolist()
    busy = rng.random(2) < 0.2
    arms: list[ArmAction] = [track.idle if hand else "swing" for hand in busy]
    side = 0 if who.bag_side > 0 else 1
    if who.handbag is not None:
        arms[side] = "carry"
    if track.shelter:
        arms[1 - side] = "umbrella"
    if track.gait == "ride":
        arms, lean = ["handlebar", "handlebar"], 0.35
    stride = {"walk": track.pace, "stand": 0.2, "ride": 0.3}[track.gait]
    return Stance(track.gait, phase, stride, lean, (arms[0], arms[1]), nod, glance)


def draw_framing(track: Track, fit: Fit, rng: np.random.Generator) -> Framing:
    """Draw the detector's bounding box."""
    off, low, size, squeeze = rng.normal((0.5, 0.972, 0.975, 0.82), (0.035, 0.012, 0.03, 0.07))
    framing = Framing(float(off), float(low), float(size), float(np.clip(squeeze, 0.66, 1.05)))
    if track.shelter or track.gait == "ride":
        framing = replace(framing, size=framing.size * 0.88)
    if fit == "cut":
        nudge, drop, grow = rng.normal((0, 0.04, 1.0), (0.12, 0.08, 0.1))
        framing = replace(framing, x=framing.x + nudge, y=max(framing.y + drop, 0.85),
                          size=framing.size * max(grow, 0.75))  # fmt: skip
    elif fit == "stray":
        grow, x = float(rng.uniform(0.6, 2.2)), float(rng.uniform(-0.1, 1.1))
        framing = replace(framing, x=x, y=0.95 + float(rng.uniform(-0.3, grow)),
                          size=framing.size * grow)  # fmt: skip
    return framing


def view_of(who: Wardrobe, track: Track, framing: Framing, eye: Camera, turn: float) -> View:
    """Return the view of a person in a box; ``turn`` is the change of heading at this moment."""
    return View(
        heading=track.heading + turn,
        pitch=eye.pitch,
        x=framing.x * WIDTH * SUPERSAMPLING,
        y=framing.y * HEIGHT * SUPERSAMPLING,
        scale=framing.size * HEIGHT * SUPERSAMPLING * who.body.height,
        stretch=1 / framing.squeeze,
    )
