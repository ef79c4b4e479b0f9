"""Poses of a standing, walking or riding body: joints in body coordinates and their projection.

Body coordinates are (side, forward, up) in units of the body height; side points to the person's
left. The ground is at up = 0 and the pelvis is above the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import cos, hypot, pi, sin
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
ArmAction = Literal["swing", "phone", "pocket", "strap", "carry", "umbrella", "handlebar"]
Gait = Literal["walk", "stand", "ride"]

HIP: Final = 0.52
SHOULDER: Final = 0.797
HEAD: Final = 0.925
"""Heights of the joints and of the head's centre in the upright body."""

_THIGH: Final = 0.245
_SHIN: Final = 0.235
_UPPER_ARM: Final = 0.165
_FOREARM: Final = 0.145
_FOOT: Final = 0.085

_SADDLE: Final = 0.13
"""Additional height of a rider's pelvis."""


@dataclass(frozen=True, slots=True)
class Stance:
    """Parameters of a pose.

    Attributes:
        gait: Walking, standing or riding a bicycle.
        phase: Phase of the stride or the pedals, radians.
        stride: Swing of the thighs, radians.
        lean: Forward lean of the trunk, radians.
        arms: Poses of the left and the right arm.
        nod: Forward tilt of the head, radians.
        glance: Rotation of the head to its left, radians.
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

    @property
    def beyond(self) -> Vector:
        """Vector from the middle joint to the tip, the direction of a hand."""
        return self.tip - self.middle


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Joints of a posed body; pairs are (left, right)."""

    pelvis: Vector
    spine: Vector
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    toes: tuple[Vector, Vector]
    head: Vector

    def trunk(self, up: float, forward: float = 0.0, side: float = 0.0) -> Vector:
        """Map a point of the upright trunk to the leaning trunk."""
        lean, rise = float(self.spine[1]), float(self.spine[2])
        height = up - HIP
        return self.pelvis + vector(
            side, lean * height + rise * forward, rise * height - lean * forward
        )


def vector(side: float, forward: float, up: float) -> Vector:
    """Return a point or direction in body coordinates."""
    return np.array((side, forward, up), np.float32)


def _hanging(angle: float, spread: float) -> Vector:
    """Return the downward direction rotated forward and then to the side."""
    return vector(sin(spread), sin(angle) * cos(spread), -cos(angle) * cos(spread))


def pose(stance: Stance, shoulders: float, hips: float) -> Skeleton:
    """Place the joints.

    Args:
        stance: The pose's parameters.
        shoulders: Half the distance between the shoulder joints.
        hips: Half the distance between the hip joints.
    """
    left, right = (_leg(stance, sign, hips) for sign in (1, -1))
    if stance.gait == "ride":
        lift = HIP + _SADDLE
    else:
        lift = 0.035 - min(float(left.tip[2]), float(right.tip[2]))
    pelvis = vector(0, 0, lift)
    legs = (_raise(left, pelvis), _raise(right, pelvis))
    spine = vector(0, sin(stance.lean), cos(stance.lean))
    neck = pelvis + spine * (SHOULDER - HIP)
    nod = vector(0, 0.02 + 0.05 * sin(stance.nod), -0.01 * stance.nod)
    return Skeleton(
        pelvis=pelvis,
        spine=spine,
        arms=(
            _arm(stance, 1, neck + vector(shoulders, 0, 0)),
            _arm(stance, -1, neck - vector(shoulders, 0, 0)),
        ),
        legs=legs,
        toes=(_toe(stance, legs[0], 1), _toe(stance, legs[1], -1)),
        head=pelvis + spine * (HEAD - HIP) + nod,
    )


def _raise(limb: Limb, by: Vector) -> Limb:
    return Limb(limb.root + by, limb.middle + by, limb.tip + by)


def _leg(stance: Stance, sign: int, hips: float) -> Limb:
    """Return a leg below a pelvis at the origin; ``sign`` is 1 for the left leg."""
    phase = stance.phase + (0 if sign > 0 else pi)
    if stance.gait == "ride":
        thigh, bend = 1.05 + 0.4 * sin(phase), 1.25 + 0.5 * sin(phase + 0.7)
    elif stance.gait == "walk":
        thigh = stance.stride * sin(phase) + 0.04
        bend = 0.08 + 2.3 * stance.stride * max(0.0, cos(phase - 0.35)) ** 2
    else:
        thigh, bend = 0.12 * sign * stance.stride, 0.03
    spread = sign * (-0.01 if stance.gait == "walk" else 0.03)
    root = vector(sign * hips, 0, 0)
    middle = root + _THIGH * _hanging(thigh, spread)
    return Limb(root, middle, middle + _SHIN * _hanging(thigh - bend, spread * 0.3))


def _toe(stance: Stance, leg: Limb, sign: int) -> Vector:
    """Return the tip of a foot: flat below an upright shin, trailing otherwise."""
    shin = leg.beyond / _SHIN
    turn = 0.3 if stance.gait == "ride" else 0.55 * float(np.arcsin(np.clip(shin[1], -1, 1)))
    return leg.tip + _FOOT * vector(sign * 0.25, cos(turn), sin(turn) - 0.2)


_ARMS: Final[dict[ArmAction, tuple[float, float, float, float]]] = {
    "phone": (0.35, 1.75, 0.12, -0.35),
    "pocket": (-0.22, 0.62, 0.3, -0.45),
    "strap": (0.15, 2.1, 0.28, -0.15),
    "carry": (0.04, 0.12, 0.16, 0.1),
    "umbrella": (0.5, 1.95, 0.16, -0.2),
    "handlebar": (1.0, 0.3, 0.1, 0.0),
}
"""Upper arm forward, elbow flexion, upper arm outward, forearm outward; radians."""


def _arm(stance: Stance, sign: int, root: Vector) -> Limb:
    action = stance.arms[0 if sign > 0 else 1]
    if action == "swing":
        swing = -0.85 * stance.stride * sin(stance.phase + (0 if sign > 0 else pi))
        angle, bend, spread, outward = swing + 0.02, 0.28 + 0.35 * max(0.0, swing), 0.13, 0.05
    else:
        angle, bend, spread, outward = _ARMS[action]
    angle += 0.5 * stance.lean
    middle = root + _UPPER_ARM * _hanging(angle, sign * spread)
    return Limb(root, middle, middle + _FOREARM * _hanging(angle + bend, sign * outward))


@dataclass(frozen=True)
class View:
    """An orthographic view of a body from a raised camera.

    Attributes:
        heading: Direction the body faces: 0 to the camera, pi/2 to the right, pi away.
        pitch: Downward tilt of the camera, radians.
        x: Sheet column of the ground point below the pelvis.
        y: Sheet row of that point.
        scale: Sheet rows per body height.
        stretch: Ratio of horizontal to vertical scale, as boxes of any shape are resized to 1:2.
    """

    heading: float
    pitch: float
    x: float
    y: float
    scale: float
    stretch: float

    @property
    def unit(self) -> float:
        """Sheet columns per body height."""
        return self.scale * self.stretch

    @cached_property
    def _projection(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        across, toward = cos(self.heading), sin(self.heading)
        tilt, rise = sin(self.pitch), cos(self.pitch)
        matrix = np.array(
            (
                (across * self.unit, -toward * tilt * self.scale),
                (toward * self.unit, across * tilt * self.scale),
                (0, -rise * self.scale),
            ),
            np.float32,
        )
        return matrix, np.array((self.x, self.y), np.float32)

    def at(self, point: Vector) -> Vector:
        """Project (..., 3) body points to (x, y) on the sheet."""
        matrix, origin = self._projection
        return point @ matrix + origin

    def depth(self, point: Vector) -> float:
        """Return the nearness of a body point to the camera; larger is nearer."""
        return float(point[1]) * cos(self.heading) - float(point[0]) * sin(self.heading)

    def breadth(self, side: float, forward: float) -> float:
        """Return half the sheet width of an upright ellipse with these semi-axes."""
        return hypot(side * cos(self.heading), forward * sin(self.heading)) * self.unit
