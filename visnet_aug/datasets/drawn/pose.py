"""How a body stands, walks or rides: joints in body coordinates, and the view of them.

Body coordinates are (side, forward, up), side towards the person's left, in units of the body's
height; the ground is at up = 0 below the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
ArmAction = Literal["swing", "phone", "pocket", "strap", "carry", "umbrella", "handlebar"]
Gait = Literal["walk", "stand", "ride"]

HIP: Final = 0.52
SHOULDER: Final = 0.815
THIGH: Final = 0.245
SHIN: Final = 0.235
UPPER_ARM: Final = 0.165
FOREARM: Final = 0.145


@dataclass(frozen=True, slots=True)
class Stance:
    """What a body does at one moment.

    Attributes:
        gait: Walking, standing or riding a bicycle.
        phase: Of the stride or the pedals, radians.
        stride: Swing of the thighs, radians.
        lean: Of the trunk forward, radians.
        arms: What the left and the right arm do.
        nod: Of the head forward, radians.
        glance: Of the head to its left, radians.
    """

    gait: Gait
    phase: float
    stride: float
    lean: float
    arms: tuple[ArmAction, ArmAction]
    nod: float
    glance: float


@dataclass(frozen=True, slots=True)
class Limb:
    """Three joints of an arm (shoulder, elbow, wrist) or a leg (hip, knee, ankle)."""

    root: Vector
    middle: Vector
    tip: Vector


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The joints of a posed body; pairs are (left, right)."""

    pelvis: Vector
    spine: Vector
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    toes: tuple[Vector, Vector]
    head: Vector

    def trunk(self, up: float, forward: float = 0.0, side: float = 0.0) -> Vector:
        """Return the point of the trunk at height ``up`` of the upright body."""
        rise = up - HIP
        across = np.array((0, self.spine[2], -self.spine[1]), np.float32)
        offset = np.array((side, 0, 0), np.float32)
        return self.pelvis + self.spine * rise + across * forward + offset


def _down(angle: float, spread: float = 0.0) -> Vector:
    """Direction that hangs down, turned ``angle`` forward and ``spread`` to the side."""
    return np.array(
        (np.sin(spread), np.sin(angle) * np.cos(spread), -np.cos(angle) * np.cos(spread)),
        np.float32,
    )


def pose(stance: Stance, shoulders: float, hips: float) -> Skeleton:
    """Place the joints.

    Args:
        stance: What the body does.
        shoulders: Half the distance of the shoulder joints.
        hips: Half the distance of the hip joints.
    """
    spine = np.array((0, np.sin(stance.lean), np.cos(stance.lean)), np.float32)
    pelvis = np.array((0, 0, HIP), np.float32)
    legs, toes = zip(*(_leg(stance, sign, pelvis, hips) for sign in (1, -1)), strict=True)
    if stance.gait == "ride":
        lift = 0.13
    else:
        lift = -min(float(leg.tip[2]) for leg in legs) + 0.035
    raised = np.array((0, 0, lift), np.float32)
    pelvis = pelvis + raised
    legs = tuple(Limb(leg.root + raised, leg.middle + raised, leg.tip + raised) for leg in legs)
    toes = tuple(toe + raised for toe in toes)
    neck = pelvis + spine * (SHOULDER - HIP)
    arms = tuple(
        _arm(stance, index, neck + np.array((sign * shoulders, 0, 0), np.float32))
        for index, sign in enumerate((1, -1))
    )
    head = pelvis + spine * (0.925 - HIP) + np.array(
        (0, 0.02 + 0.05 * np.sin(stance.nod), -0.01 * stance.nod), np.float32
    )
    return Skeleton(pelvis, spine, arms, legs, toes, head)  # type: ignore[arg-type]


def _leg(stance: Stance, sign: int, pelvis: Vector, hips: float) -> tuple[Limb, Vector]:
    phase = stance.phase + (0 if sign > 0 else np.pi)
    if stance.gait == "ride":
        thigh, bend = 1.05 + 0.4 * np.sin(phase), 1.25 + 0.5 * np.sin(phase + 0.7)
        foot = 0.3
    elif stance.gait == "walk":
        thigh = stance.stride * np.sin(phase) + 0.04
        bend = 0.08 + 1.15 * stance.stride * 2 * max(0.0, float(np.cos(phase - 0.35))) ** 2
        foot = 0.15 - 0.5 * max(0.0, -float(np.sin(phase)))
    else:
        thigh, bend, foot = 0.03 * sign * stance.stride * 4, 0.03, 0.0
    root = pelvis + np.array((sign * hips, 0, 0), np.float32)
    spread = sign * (0.015 if stance.gait == "walk" else 0.04)
    middle = root + THIGH * _down(thigh, spread)
    tip = middle + SHIN * _down(thigh - bend, spread * 0.3)
    turn = float(foot + (thigh - bend) * 0.45)
    toe = tip + 0.105 * np.array(
        (sign * 0.15, np.cos(turn), np.sin(turn) - 0.18), np.float32
    )
    return Limb(root, middle, tip), toe.astype(np.float32)


def _arm(stance: Stance, index: int, root: Vector) -> Limb:
    sign = 1 if index == 0 else -1
    action = stance.arms[index]
    swing = -stance.stride * 0.85 * np.sin(stance.phase + (0 if sign > 0 else np.pi))
    angle, bend, spread, inward = {
        "swing": (swing + 0.02, 0.28 + 0.35 * max(0.0, float(swing)), 0.13, 0.05),
        "phone": (0.35, 1.75, 0.12, -0.35),
        "pocket": (-0.22, 0.62, 0.3, -0.45),
        "strap": (0.15, 2.1, 0.28, -0.15),
        "carry": (0.04, 0.12, 0.16, 0.1),
        "umbrella": (0.5, 1.95, 0.16, -0.2),
        "handlebar": (0.95, 0.3, 0.1, 0.0),
    }[action]
    if action == "handlebar":
        angle += stance.lean * 0.2
    else:
        angle += stance.lean * 0.5
    middle = root + UPPER_ARM * _down(float(angle), sign * spread)
    tip = middle + FOREARM * _down(float(angle + bend), sign * inward)
    return Limb(root, middle, tip)


@dataclass(frozen=True, slots=True)
class View:
    """An orthographic view of a body from a raised camera.

    Attributes:
        heading: Where the body faces: 0 to the camera, pi/2 to the right, pi away.
        pitch: How far the camera looks down, radians.
        x: Sheet column of the point on the ground below the pelvis.
        y: Sheet row of that point.
        scale: Sheet rows per body height.
        stretch: Columns per row: crops are squeezed to 1:2 whatever the box was.
    """

    heading: float
    pitch: float
    x: float
    y: float
    scale: float
    stretch: float

    def at(self, point: Vector) -> Vector:
        """Return (x, y) on the sheet of (..., 3) body points."""
        side, forward, up = point[..., 0], point[..., 1], point[..., 2]
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        x = side * cos + forward * sin
        near = -side * sin + forward * cos
        rise = up * np.cos(self.pitch) - near * np.sin(self.pitch)
        return np.stack(
            (self.x + x * self.scale * self.stretch, self.y - rise * self.scale), -1
        ).astype(np.float32)

    def depth(self, point: Vector) -> float:
        """Return how near the camera a body point is; larger is nearer."""
        return float(-point[0] * np.sin(self.heading) + point[1] * np.cos(self.heading))

    def breadth(self, side: float, forward: float) -> float:
        """Return half the sheet width of an upright ellipse with these half axes."""
        reach = np.hypot(side * np.cos(self.heading), forward * np.sin(self.heading))
        return float(reach * self.scale * self.stretch)
