"""One crop: an identity at a moment in a camera's view, composed of layers, with its true mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.camera import Camera, camera
from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, WIDTH, Layer
from visnet_aug.datasets.drawn.company import draw_stranger, paint_bystander, paint_obstacle
from visnet_aug.datasets.drawn.moment import (
    Fit,
    Framing,
    draw_framing,
    draw_stance,
    draw_track,
    view_of,
)
from visnet_aug.datasets.drawn.person import paint_person
from visnet_aug.datasets.drawn.pose import View
from visnet_aug.datasets.drawn.scene import Scene, scene
from visnet_aug.datasets.drawn.wardrobe import wardrobe
from visnet_aug.manifest import DISTRACTOR_PID, JUNK_PID

_SIZE: Final = (WIDTH, HEIGHT)
_COMPANY: Final = 0.25
_OBSTRUCTED: Final = 0.1
_CROWDED: Final = 0.06
"""Shares of crops with somebody farther off, something in front, somebody in front."""

_EMPTY: Final = 0.4
"""Share of distractors that show nobody: a detector's false alarms."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSample:
    """A drawn crop and the truth about it.

    Attributes:
        image: (128, 64, 3) RGB uint8.
        mask: (128, 64) bool, True where the crop's own person is seen, with what they wear
            and carry; not bicycles, umbrellas, other people, or what stands in front.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import DrawnSample, draw_sample
        >>> sample: DrawnSample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> sample.image.dtype, sample.mask.shape
        (dtype('uint8'), (128, 64))
    """

    image: RGB
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """A layer at crop size: colours weighted by cover, and shares of cover and person."""

    colour: NDArray[np.float32]
    cover: NDArray[np.float32]
    person: NDArray[np.float32]

    @classmethod
    def of(cls, layer: Layer) -> _Sheet:
        colour, cover, person = (
            cv2.resize(sheet, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
            for sheet in (layer.rgb, layer.cover, layer.person)
        )
        return cls(colour, cover / 255, person / 255)

    def over(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        return crop * (1 - self.cover)[..., None] + self.colour


def draw_sample(
    pid: int,
    camid: int,
    rng: np.random.Generator,
    *,
    seed: int = 0,
    track: np.random.Generator | None = None,
) -> DrawnSample:
    """Draw identity ``pid`` as a detector might crop it from camera ``camid``.

    Args:
        pid: Identity, 1 or more: the same wardrobe in every camera. 0 draws a distractor
            (strangers, or nobody at all), -1 junk (a box that hardly fits).
        camid: Camera, 1 or more: the same place and look for everybody.
        rng: Decides the moment: pose, box, bystanders, focus.
        seed: Which population and network of cameras.
        track: Decides what stays the same while a person walks through a view: heading, place,
            pace. Crops drawn with equal generators belong together; default: ``rng``.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import draw_sample
        >>> first = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> second = draw_sample(pid=3, camid=2, rng=np.random.default_rng(1))
        >>> first.image.shape  # the same person, another camera, another moment
        (128, 64, 3)
    """
    track = track or rng
    who = wardrobe(pid, seed) if pid > 0 else draw_stranger(seed, track)
    eye, place = camera(camid, seed), scene(camid, seed)
    way = draw_track(who, place, track)
    turn, step = rng.normal((0, 0), (0.12, 60)).tolist()
    framing = draw_framing(way, _fit(pid, rng), rng)
    view = view_of(who, way, framing, eye, turn)
    layer = Layer()
    if not (pid == DISTRACTOR_PID and rng.random() < _EMPTY):
        stance, crease = draw_stance(who, way, rng), int(rng.integers(1000))
        paint_person(layer, who, stance, view, eye.light, crease)
    main = _Sheet.of(layer)
    behind, before = _surroundings(place, eye, view, seed, rng)

    tall = place.perspective.tall(way.row) / framing.size
    feet = (framing.x, framing.y)
    crop = place.crop((way.x + step, way.row), tall, feet, framing.squeeze)
    for sheet in behind:
        crop = sheet.over(crop)
    crop, person = main.over(_shaded(crop, main.cover, eye, framing)), main.person
    for sheet in before:
        crop, person = sheet.over(crop), person * (1 - sheet.cover)
    return DrawnSample(eye.expose(crop, rng), person >= 0.5)


def _surroundings(
    place: Scene, eye: Camera, view: View, seed: int, rng: np.random.Generator
) -> tuple[list[_Sheet], list[_Sheet]]:
    """Paint what is behind and what is before the crop's own person, far to near."""
    behind, before = [], []
    company, obstructed, crowded = (rng.random(3) < (_COMPANY, _OBSTRUCTED, _CROWDED)).tolist()
    if company:
        other = draw_stranger(seed, rng)
        behind.append(_Sheet.of(paint_bystander(other, place, eye, view, False, rng)))
    if obstructed:
        before.append(_Sheet.of(paint_obstacle(view, eye.light, rng)))
    if crowded:
        other = draw_stranger(seed, rng)
        before.append(_Sheet.of(paint_bystander(other, place, eye, view, True, rng)))
    return behind, before


def _fit(pid: int, rng: np.random.Generator) -> Fit:
    if pid in (DISTRACTOR_PID, JUNK_PID):
        return "stray"
    return "cut" if rng.random() < 0.12 else "good"


def _shaded(
    crop: NDArray[np.float32], cover: NDArray[np.float32], eye: Camera, framing: Framing
) -> NDArray[np.float32]:
    """Darken the ground below a person: a cast silhouette and a soft blot at the feet."""
    if not cover.any():
        return crop
    x, y = framing.x * WIDTH, framing.y * HEIGHT
    slant = -0.72 * eye.light.x
    cast = np.array(((1, slant, -slant * y), (0, 0.28, 0.72 * y)), np.float32)
    dark = cv2.warpAffine(cover, cast, _SIZE)
    cv2.ellipse(dark, (round(x), round(y - 1)), (12, 3), 0, 0, 360, 0.8, -1)
    dark = cv2.GaussianBlur(dark, (0, 0), 2.0)
    return crop * np.asarray(1 - eye.shadow * dark, np.float32)[..., None]
