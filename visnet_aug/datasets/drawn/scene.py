"""The scene of a camera: one wide image in perspective, drawn once per process.

As in a real camera network, the crops of all identities share a few scenes, so backgrounds repeat
within a camera and differ between cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn import scenery
from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, WIDTH
from visnet_aug.datasets.drawn.ground import lay_ground
from visnet_aug.datasets.drawn.perspective import SCENE_HEIGHT, SCENE_WIDTH, Perspective


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A drawn scene.

    Attributes:
        picture: (520, 1400, 3) RGB, sharp and in neutral light.
        perspective: The camera's perspective.
        far: Smallest row in which people walk.
    """

    picture: RGB
    perspective: Perspective
    far: float

    def crop(
        self,
        feet: tuple[float, float],
        tall: float,
        place: tuple[float, float],
        squeeze: float,
    ) -> NDArray[np.float32]:
        """Cut the surroundings of a person.

        Args:
            feet: Column and row of the feet; columns outside the image are allowed.
            tall: Height of the box in rows.
            place: Position of the feet in the box, as fractions of its width and height.
            squeeze: Width of the box as a fraction of half its height.

        Returns:
            (128, 64, 3) RGB, 0 to 255.
        """
        tall = min(tall, SCENE_HEIGHT - 2)
        wide = tall / 2 * squeeze
        left = int((feet[0] - place[0] * wide) % (SCENE_WIDTH - wide))
        top = int(np.clip(feet[1] - place[1] * tall, 0, SCENE_HEIGHT - tall))
        piece = self.picture[top : top + int(tall), left : left + int(wide)]
        way = cv2.INTER_AREA if tall > HEIGHT else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(piece, (WIDTH, HEIGHT), interpolation=way), np.float32)


@lru_cache(maxsize=16)
def scene(camid: int, seed: int = 0) -> Scene:
    """Return the scene of camera ``camid``."""
    rng = np.random.default_rng((seed, 2, camid))
    perspective = Perspective(
        horizon=float(rng.uniform(-10, 50)), rise=float(rng.uniform(0.52, 0.66))
    )
    kind = _KINDS[(camid - 1) % len(_KINDS)]
    picture = lay_ground(rng, perspective, kind.paving)
    kind.furnish(picture, rng, perspective)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.7)
    return Scene(soft, perspective, far=perspective.row(kind.far))


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of scene: its paving, how close people come to the scenery, and the scenery."""

    paving: str
    far: float
    furnish: scenery.Furnish


_KINDS: Final = (
    _Kind("brick", 0.52, scenery.bicycle_racks),
    _Kind("asphalt", 0.5, scenery.roadside),
    _Kind("slabs", 0.56, scenery.terrace),
    _Kind("tiles", 0.52, scenery.car_park),
    _Kind("slabs", 0.5, scenery.kiosks),
    _Kind("granite", 0.58, scenery.entrance),
)
