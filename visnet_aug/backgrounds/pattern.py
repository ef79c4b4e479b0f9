"""Family 5, pattern: drawings in random colours laid over the background."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from visnet_aug.arrays import Image
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.palette import draw_colors, paint
from visnet_aug.backgrounds.settings import PatternSettings, uniform
from visnet_aug.backgrounds.variant import Record, Shape, Variant, blend, pixels, seed
from visnet_aug.backgrounds.variant_settings import (
    Checkerboard,
    Circles,
    Discs,
    Grid,
    Mosaic,
    Overlay,
    Stripes,
)


def _draw_grid(settings: Grid, intensity: float, shape: Shape, rng: np.random.Generator) -> Record:
    spacing = _length(settings.spacing_pixels, shape, rng)
    return {
        "spacing_pixels": spacing,
        "line_pixels": min(_length(settings.line_pixels, shape, rng), round(spacing / 2, 2)),
        "offset_pixels": [_offset(spacing, rng), _offset(spacing, rng)],
        "colors": draw_colors(2, rng),
        "opacity": _opacity(settings, intensity),
    }


def _grid(shape: Shape, record: Mapping[str, Any]) -> Image:
    down, across = (
        (np.arange(size) + offset) % record["spacing_pixels"] < max(record["line_pixels"], 1)
        for size, offset in zip(shape, record["offset_pixels"], strict=True)
    )
    return paint(record["colors"], (down[:, None] | across).astype(np.intp))


def _draw_circles(
    settings: Circles, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {
        "ring_pixels": _length(settings.ring_pixels, shape, rng),
        "center_pixels": [uniform((0, shape[0]), rng), uniform((0, shape[1]), rng)],
        "colors": draw_colors(int(rng.integers(2, 5)), rng),
        "opacity": _opacity(settings, intensity),
    }


def _circles(shape: Shape, record: Mapping[str, Any]) -> Image:
    y, x = np.ogrid[: shape[0], : shape[1]]
    center_y, center_x = record["center_pixels"]
    distance = np.sqrt((y - center_y) ** 2 + (x - center_x) ** 2)
    return paint(record["colors"], (distance / record["ring_pixels"]).astype(np.intp))


def _draw_stripes(
    settings: Stripes, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    width = _length(settings.stripe_pixels, shape, rng)
    slope = uniform((20, 70), rng)
    return {
        "stripe_pixels": width,
        "angle_degrees": slope if rng.random() < 0.5 else 180 - slope,
        "offset_pixels": _offset(width, rng),
        "colors": draw_colors(int(rng.integers(2, 5)), rng),
        "opacity": _opacity(settings, intensity),
    }


def _stripes(shape: Shape, record: Mapping[str, Any]) -> Image:
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = math.radians(record["angle_degrees"])
    place = x * math.cos(angle) + y * math.sin(angle) + record["offset_pixels"]
    return paint(record["colors"], np.floor(place / record["stripe_pixels"]).astype(np.intp))


def _draw_cells(
    settings: Checkerboard | Mosaic, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    cell = _length(settings.cell_pixels, shape, rng)
    return {
        "cell_pixels": cell,
        "offset_pixels": [_offset(cell, rng), _offset(cell, rng)],
        "opacity": _opacity(settings, intensity),
    }


def _draw_checkerboard(
    settings: Checkerboard, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {**_draw_cells(settings, intensity, shape, rng), "colors": draw_colors(2, rng)}


def _checkerboard(shape: Shape, record: Mapping[str, Any]) -> Image:
    rows, columns = _cells(shape, record)
    return paint(record["colors"], rows[:, None] + columns)


def _draw_mosaic(
    settings: Mosaic, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    return {**_draw_cells(settings, intensity, shape, rng), "seed": seed(rng)}


def _mosaic(shape: Shape, record: Mapping[str, Any]) -> Image:
    rows, columns = _cells(shape, record)
    across = int(columns[-1]) + 1
    colors = np.random.default_rng(record["seed"]).integers(
        0, 256, ((int(rows[-1]) + 1) * across, 3), np.uint8
    )
    return paint(colors, rows[:, None] * across + columns)


def _draw_discs(
    settings: Discs, intensity: float, shape: Shape, rng: np.random.Generator
) -> Record:
    low, high = settings.count
    return {
        "count": int(rng.integers(low, high + 1)),
        "radius_pixels": [round(pixels(end, shape), 2) for end in settings.radius_pixels],
        "seed": seed(rng),
        "opacity": _opacity(settings, intensity),
    }


def _discs(shape: Shape, record: Mapping[str, Any]) -> Image:
    rng = np.random.default_rng(record["seed"])
    count = record["count"]
    ground, *colors = draw_colors(2, rng) + rng.integers(0, 256, (count - 1, 3)).tolist()
    low, high = record["radius_pixels"]
    radii = rng.uniform(low, high, count)
    centers = rng.random((count, 2)) * (shape[1], shape[0])
    drawing = np.full((*shape, 3), ground, np.uint8)
    for center, radius, color in zip(centers.tolist(), radii.tolist(), colors, strict=True):
        place = (round(center[0]), round(center[1]))
        cv2.circle(drawing, place, max(round(radius), 1), color, cv2.FILLED)
    return drawing


def _length(bounds: tuple[float, float], shape: Shape, rng: np.random.Generator) -> float:
    """Draw a length of at least one pixel, scaled to the image's height."""
    return max(round(pixels(uniform(bounds, rng), shape), 2), 1.0)


def _offset(period: float, rng: np.random.Generator) -> float:
    return uniform((0, period), rng)


def _opacity(settings: Overlay, intensity: float) -> float:
    return round(intensity * settings.opacity, 4)


def _cells(shape: Shape, record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the cell that each row and each column of pixels is in."""
    down, across = (
        ((np.arange(size) + offset) / record["cell_pixels"]).astype(np.intp)
        for size, offset in zip(shape, record["offset_pixels"], strict=True)
    )
    return down, across


def _overlay(
    draw: Callable[..., Record], drawing: Callable[[Shape, Mapping[str, Any]], Image]
) -> Variant:
    """Make a variant of a drawing that depends only on the image's shape and the record."""

    def apply(image: Image, record: Mapping[str, Any]) -> Image:
        height, width = image.shape[:2]
        return blend(image, drawing((height, width), record), record["opacity"])

    return Variant(draw, apply)


class Pattern(BackgroundTransform):
    """Lay a pattern in random contrasting colours over the background (family 5).

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied.

    Raises:
        pydantic.ValidationError: The settings cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import Pattern, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> pipeline = A.Compose([Pattern(p=1)], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> bool((out["image"] == sample.image)[sample.mask].all())
        True
        >>> bool((out["image"] == sample.image)[~sample.mask].all())
        False
    """

    family = "pattern"
    settings_type = PatternSettings
    variants = MappingProxyType(
        {
            "grid": _overlay(_draw_grid, _grid),
            "circles": _overlay(_draw_circles, _circles),
            "stripes": _overlay(_draw_stripes, _stripes),
            "checkerboard": _overlay(_draw_checkerboard, _checkerboard),
            "mosaic": _overlay(_draw_mosaic, _mosaic),
            "discs": _overlay(_draw_discs, _discs),
        }
    )
