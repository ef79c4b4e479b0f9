"""A posed person in one view, shared by the painters of heads, clothes and bags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from visnet_aug.datasets.drawn.canvas import (
    RGB,
    TILE_COLUMNS,
    Layer,
    Light,
    Points,
    lit,
    smooth,
    tube,
)
from visnet_aug.datasets.drawn.pose import Skeleton, Stance, Vector, View
from visnet_aug.datasets.drawn.textile import AROUND
from visnet_aug.datasets.drawn.wardrobe import Wardrobe

Ring = tuple[Points, float]
"""A cross-section of the trunk on the sheet: its centre and half its width."""

_FACING: Final = np.arcsin(np.linspace(-0.98, 0.98, TILE_COLUMNS))
_UPRIGHT: Final = np.array((1, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Figure:
    """A posed, clothed body on a layer.

    Attributes:
        layer: The layer to paint on.
        who: The identity.
        stance: The pose's parameters.
        body: The joints.
        view: The projection onto the sheet.
        light: The light.
        crease: Selects the folds of the clothes.
    """

    layer: Layer
    who: Wardrobe
    stance: Stance
    body: Skeleton
    view: View
    light: Light
    crease: int

    def limb(
        self,
        start: Vector,
        end: Vector,
        radii: tuple[float, ...],
        tile: RGB,
        *,
        crease: int | None = None,
        dim: float = 1.0,
        person: bool = True,
        cut: bool = False,
    ) -> None:
        """Paint a tube between two body points.

        Args:
            start: Where it begins.
            end: Where it ends.
            radii: Radii in body heights at equal steps.
            tile: Cloth or skin.
            crease: Fold pattern, ``None`` for smooth.
            dim: Factor on the light.
            person: Whether this belongs to the person.
            cut: Whether the end is straight, as a hem, instead of round.
        """
        tube(
            self.layer,
            (self.view.at(start), self.view.at(end)),
            tuple(radius * self.view.unit for radius in radii),
            tile,
            self.light,
            crease=None if crease is None else self.crease + crease,
            dim=dim,
            person=person,
            rounded=(True, not cut),
        )

    def ring(self, up: float, side: float, deep: float, forward: float = 0.0) -> Ring:
        """Return the cross-section at height ``up`` with semi-axes ``side`` and ``deep``."""
        return self.view.at(self.body.trunk(up, forward)), self.view.breadth(side, deep)

    def shell(
        self, rings: list[Ring], wrapped: RGB, *, crease: int | None, dim: float = 1.0
    ) -> None:
        """Paint cloth around the trunk through rings from top to bottom."""
        centres = np.array([centre for centre, _ in rings], np.float32)
        halves = np.array([half for _, half in rings], np.float32)[:, None]
        axis = centres[-1] - centres[0]
        axis = axis / max(float(np.hypot(axis[0], axis[1])), 1e-3)
        normal = np.array((axis[1], -axis[0]), np.float32)
        outline = np.concatenate((centres + halves * normal, (centres - halves * normal)[::-1]))
        columns = np.rint((_FACING - self.view.heading) * (AROUND / (2 * np.pi))).astype(int)
        tile = wrapped.take(columns % AROUND, axis=1)
        half = normal * float(halves.max())
        corners = np.array((centres[0] - half, centres[0] + half, centres[-1] - half), np.float32)
        folds = None if crease is None else self.crease + crease
        lighted = lit(tile, normal, self.light, folds, dim)
        self.layer.lay(smooth(outline), lighted, corners)

    def box(
        self, centre: Points, half: tuple[float, float], tile: RGB, *, dim: float = 1.0
    ) -> None:
        """Paint a rounded box, such as a bag; half sizes are in sheet pixels."""
        x, y = half
        outline = np.array(
            ((-x, -y), (0, -1.06 * y), (x, -y), (1.08 * x, y), (0, 1.04 * y), (-1.08 * x, y)),
            np.float32,
        )
        frame = np.array(((-x, -y), (x, -y), (-x, y)), np.float32)
        lighted = lit(tile, _UPRIGHT, self.light, self.crease + 11, dim)
        self.layer.lay(smooth(outline + centre), lighted, frame + centre)
