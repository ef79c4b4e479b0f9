"""One crop: an identity at a moment in a camera's view, composed of layers, with its true mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.camera import Camera, camera
from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, SUPERSAMPLING, WIDTH, Layer
from visnet_aug.datasets.drawn.figure import draw_figure
from visnet_aug.datasets.drawn.pose import ArmAction, Gait, Stance, View
from visnet_aug.datasets.drawn.scene import SCENE_WIDTH, Scene, scene
from visnet_aug.datasets.drawn.wardrobe import Wardrobe, draw_wardrobe, wardrobe

_SIZE: Final = (WIDTH, HEIGHT)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSample:
    """A drawn crop and the truth about it.

    Attributes:
        image: (128, 64, 3) RGB uint8.
        mask: (128, 64) bool, True where the crop's own person is seen, with what they wear
            and carry; not bicycles, umbrellas, other people, or what stands in front.
    """

    image: RGB
    mask: NDArray[np.bool_]


def draw_sample(pid: int, camid: int, rng: np.random.Generator, seed: int = 0) -> DrawnSample:
    """Draw identity ``pid`` as camera ``camid`` might crop it.

    Args:
        pid: Identity, 1 or more: the same wardrobe in every camera.
        camid: Camera, 1 or more: the same place and look for everybody.
        rng: Decides moment, pose, place, box and bystanders.
        seed: Which population and network of cameras.
    """
    return _compose(wardrobe(pid, seed), camera(camid, seed), scene(camid, seed), rng)


def _compose(who: Wardrobe, eye: Camera, place: Scene, rng: np.random.Generator) -> DrawnSample:
    stance = _stance(who, rng)
    feet = (float(rng.uniform(0.42, 0.58)), float(rng.normal(0.965, 0.02)))
    size = float(np.clip(rng.normal(0.9, 0.05), 0.6, 1.02))
    if rng.random() < 0.12:
        feet = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.95, 1.2)))
    squeeze = float(rng.uniform(0.85, 1.2))
    view = View(
        heading=float(rng.uniform(-np.pi, np.pi)),
        pitch=eye.pitch,
        x=feet[0] * WIDTH * SUPERSAMPLING,
        y=feet[1] * HEIGHT * SUPERSAMPLING,
        scale=size * HEIGHT * SUPERSAMPLING * who.body.height,
        stretch=1 / squeeze,
    )
    row = float(rng.uniform(place.far, place.near))
    tall = place.rise * (row - place.horizon) / size
    ground = place.crop(float(rng.uniform(0, SCENE_WIDTH)), row, tall, feet, squeeze)
    crop = ground.astype(np.float32)

    main = Layer()
    draw_figure(main, who, stance, view, eye.light, int(rng.integers(1000)))
    colour, cover, person = _shrink(main)
    crop = _shadow(crop, cover, eye, feet)
    if rng.random() < 0.25:
        crop = _bystander(crop, eye, view, rng)
    crop += colour - crop * cover[..., None]
    if rng.random() < 0.12:
        crop, person = _occlude(crop, person, eye, view, rng)
    return DrawnSample(eye.expose(crop, rng), person >= 0.5)


def _stance(who: Wardrobe, rng: np.random.Generator) -> Stance:
    gait: Gait = "walk" if rng.random() < 0.8 else "stand"
    habits = np.random.default_rng(who.habit)
    arms: list[ArmAction] = ["swing", "swing"]
    for index in (0, 1):
        if rng.random() < 0.2:
            arms[index] = ("phone", "pocket", "strap")[int(habits.integers(3))]  # type: ignore[assignment]
    if who.handbag is not None:
        arms[0 if who.bag_side > 0 else 1] = "carry"
    if who.umbrella is not None:
        arms[1 if who.bag_side > 0 else 0] = "umbrella"
    lean = float(rng.normal(0.05, 0.04))
    if who.bicycle is not None:
        gait, arms, lean = "ride", ["handlebar", "handlebar"], 0.35
    return Stance(
        gait=gait,
        phase=float(rng.uniform(0, 2 * np.pi)),
        stride=float(rng.uniform(0.25, 0.5)) if gait == "walk" else float(rng.uniform(0, 0.05)),
        lean=lean,
        arms=(arms[0], arms[1]),
        nod=float(rng.normal(0.15, 0.2)),
        glance=float(rng.normal(0, 0.25)),
    )


def _shrink(layer: Layer) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return colour (weighted by cover), cover and person share of a layer at crop size."""
    colour = cv2.resize(layer.rgb, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    cover = cv2.resize(layer.cover, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    person = cv2.resize(layer.person, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return colour, cover, person


def _shadow(
    crop: NDArray[np.float32], cover: NDArray[np.float32], eye: Camera, feet: tuple[float, float]
) -> NDArray[np.float32]:
    """Darken the ground below a person: a cast silhouette and a soft blot at the feet."""
    x, y = feet[0] * WIDTH, feet[1] * HEIGHT
    lean = -eye.light.x * 1.2
    matrix = np.array(((1, lean * 0.6, -lean * 0.6 * y), (0, 0.28, y * 0.72)), np.float32)
    cast = cv2.warpAffine(cover, matrix, _SIZE)
    blot = np.zeros(cover.shape, np.float32)
    cv2.ellipse(blot, (round(x), round(y - 1)), (13, 4), 0, 0, 360, 0.8, -1)
    dark = cv2.GaussianBlur(np.maximum(cast, blot), (0, 0), 2.2)
    return crop * (1 - eye.shadow * dark[..., None])


def _bystander(
    crop: NDArray[np.float32], eye: Camera, view: View, rng: np.random.Generator
) -> NDArray[np.float32]:
    other, sheet = draw_wardrobe(rng), Layer()
    draw_figure(sheet, other, _stance(other, rng), _beside(view, rng, nearer=False), eye.light, int(rng.integers(1000)))
    colour, cover, _ = _shrink(sheet)
    return crop + colour - crop * cover[..., None]


def _beside(view: View, rng: np.random.Generator, nearer: bool) -> View:
    side = float(rng.choice((-1, 1))) * float(rng.uniform(0.35, 0.75)) * WIDTH * SUPERSAMPLING
    scale = view.scale * float(rng.uniform(0.98, 1.1) if nearer else rng.uniform(0.55, 0.97))
    drop = (scale - view.scale) * 0.5 + (float(rng.uniform(5, 30)) if nearer else 0)
    return View(float(rng.uniform(-np.pi, np.pi)), view.pitch, view.x + side, view.y + drop, scale, view.stretch)


def _occlude(
    crop: NDArray[np.float32], person: NDArray[np.float32], eye: Camera, view: View, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Put somebody in front."""
    other, sheet = draw_wardrobe(rng), Layer()
    draw_figure(sheet, other, _stance(other, rng), _beside(view, rng, nearer=True), eye.light, int(rng.integers(1000)))
    colour, cover, _ = _shrink(sheet)
    return crop + colour - crop * cover[..., None], person * (1 - cover)
