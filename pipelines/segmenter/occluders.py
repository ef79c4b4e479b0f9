"""Things drawn in front of people: poles, rails, boxes, bicycles, prams."""

from __future__ import annotations

import cv2
import numpy as np

from pipelines.segmenter.pictures import F32, U8

SUPER = 2
"""Shapes are drawn at twice the crop's size and reduced, for soft edges."""


def occluder(
    rng: np.random.Generator, size: tuple[int, int], texture: U8 | None
) -> tuple[F32, F32]:
    """Draw one thing.

    Args:
        rng: Decides everything.
        size: Height and width of the crop.
        texture: A picture (H,W,3) to fill it with; ``None`` for one colour.

    Returns:
        Its colours (H,W,3; 0-255) and opacity (H,W; 0-1).
    """
    height, width = size
    shape = np.zeros((SUPER * height, SUPER * width), np.uint8)
    draw = (_pole, _rails, _box, _disc, _bicycle, _pram)[
        int(rng.choice(6, p=[0.25, 0.17, 0.2, 0.08, 0.18, 0.12]))
    ]
    draw(rng, shape)
    opacity = cv2.resize(shape, (width, height), interpolation=cv2.INTER_AREA)
    colour = np.float32(rng.uniform(0, 255)) + rng.normal(0, 25, 3).astype(np.float32)
    if texture is None or draw in (_rails, _bicycle):
        shade = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(rng.normal(0, 40))
        colours = np.broadcast_to(colour + shade[None, :, None], (height, width, 3))
    else:
        colours = texture.astype(np.float32)
    return np.clip(colours, 0, 255).astype(np.float32), opacity.astype(np.float32) / 255


def _pole(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    x, lean = rng.uniform(0, width), rng.normal(0, width * 0.06)
    top = 0 if rng.random() < 0.7 else int(rng.uniform(0.2, 0.8) * height)
    thick = max(1, int(width * rng.choice([0.03, 0.06, 0.12, 0.2])))
    cv2.line(shape, (int(x), top), (int(x + lean), height), 255, thick, cv2.LINE_AA)


def _rails(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    top, thick = rng.uniform(0.35, 0.9) * height, max(1, int(width * rng.uniform(0.02, 0.07)))
    gap, lean = rng.uniform(0.06, 0.16) * height, rng.normal(0, 0.03) * height
    for rail in range(int(rng.integers(1, 4))):
        y = top + rail * gap
        cv2.line(shape, (0, int(y)), (width, int(y + lean)), 255, thick, cv2.LINE_AA)
    if rng.random() < 0.5:
        step = max(3, int(width * rng.uniform(0.15, 0.5)))
        for x in range(int(rng.integers(step)), width, step):
            cv2.line(shape, (x, int(top)), (x, height), 255, max(1, thick // 2), cv2.LINE_AA)


def _box(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    wide, tall = rng.uniform(0.2, 0.9) * width, rng.uniform(0.1, 0.4) * height
    x, y = rng.uniform(-0.3, 0.9) * width, rng.uniform(0.4, 0.95) * height
    cv2.rectangle(shape, (int(x), int(y)), (int(x + wide), int(y + tall)), 255, -1)


def _disc(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0.3, 1) * height))
    axes = (int(rng.uniform(0.05, 0.3) * width), int(rng.uniform(0.03, 0.2) * height))
    cv2.ellipse(shape, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)


def _bicycle(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    radius = rng.uniform(0.12, 0.2) * height
    squeeze, thick = rng.uniform(0.3, 1.0), max(1, int(rng.uniform(1, 4)))
    axle = height - radius * rng.uniform(0.9, 1.4)
    rear = rng.uniform(-0.3, 0.6) * width
    front = rear + radius * 2.7 * squeeze * (1 if rng.random() < 0.7 else -1)
    axes = (max(1, int(radius * squeeze)), int(radius))
    for x in (rear, front):
        cv2.ellipse(shape, (int(x), int(axle)), axes, 0, 0, 360, 255, thick + 1, cv2.LINE_AA)
    seat = (int(rear + 0.3 * (front - rear)), int(axle - 1.5 * radius))
    bar = (int(rear + 0.9 * (front - rear)), int(axle - 1.8 * radius))
    crank = (int((rear + front) / 2), int(axle))
    for a, b in (
        (seat, crank),
        (seat, bar),
        (bar, crank),
        (seat, (int(rear), int(axle))),
        (crank, (int(rear), int(axle))),
        (bar, (int(front), int(axle))),
    ):
        cv2.line(shape, a, b, 255, thick, cv2.LINE_AA)


def _pram(rng: np.random.Generator, shape: U8) -> None:
    height, width = shape.shape
    centre = (int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.7, 0.85) * height))
    axes = (int(rng.uniform(0.15, 0.35) * width), int(rng.uniform(0.06, 0.13) * height))
    cv2.ellipse(shape, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    wheel = max(2, int(axes[0] * 0.35))
    for side in (-1, 1):
        at = (int(centre[0] + side * 0.7 * axes[0]), int(centre[1] + axes[1] + wheel))
        cv2.circle(shape, at, wheel, 255, max(2, wheel // 3), cv2.LINE_AA)
        cv2.line(shape, centre, at, 255, 2, cv2.LINE_AA)
