"""Perspective of a raised camera over flat ground: rows, distances, heights of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCENE_WIDTH: Final = 1400
SCENE_HEIGHT: Final = 520
FOCAL: Final = 900.0
"""Focal length of all cameras in pixels."""

PERSON: Final = 1.7
"""A person's height in metres; sets the scale of a scene."""


@dataclass(frozen=True, slots=True)
class Perspective:
    """A camera above flat ground.

    Attributes:
        horizon: Row of the horizon; may lie above the image.
        rise: A person with the feet at row y is ``rise * (y - horizon)`` rows tall.
    """

    horizon: float
    rise: float

    def row(self, share: float) -> float:
        """Return the row at a fraction of the way from the horizon to the lower edge."""
        return self.horizon + share * (SCENE_HEIGHT - self.horizon)

    def tall(self, row: float) -> float:
        """Return the height in rows of a person with the feet at ``row``."""
        return self.rise * (row - self.horizon)

    @property
    def height(self) -> float:
        """Height of the camera in metres."""
        return PERSON / self.rise
