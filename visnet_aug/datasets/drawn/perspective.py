"""How a raised camera sees flat ground: rows, distances and how tall a person is where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCENE_WIDTH: Final = 1400
SCENE_HEIGHT: Final = 520
FOCAL: Final = 900.0
"""Focal length of every camera in pixels."""

PERSON: Final = 1.7
"""A person's height in metres: the yardstick of a place."""


@dataclass(frozen=True, slots=True)
class Perspective:
    """A camera that looks along flat ground.

    Attributes:
        horizon: Row of the horizon; may lie above the picture.
        rise: A person whose feet are at row y is ``rise * (y - horizon)`` rows tall.
    """

    horizon: float
    rise: float

    def row(self, share: float) -> float:
        """Return the row at a share of the way from the horizon to the lower edge."""
        return self.horizon + share * (SCENE_HEIGHT - self.horizon)

    def tall(self, row: float) -> float:
        """Return the rows that a person covers whose feet are at ``row``."""
        return self.rise * (row - self.horizon)

    @property
    def height(self) -> float:
        """Height of the camera in metres."""
        return PERSON / self.rise
