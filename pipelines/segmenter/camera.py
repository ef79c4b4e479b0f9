"""What light, lenses, cameras and codecs do to a whole crop."""

from __future__ import annotations

import cv2
import numpy as np

from pipelines.segmenter.pictures import F32, U8

GREY_SHARE = 0.35
"""Share of samples without colour: night cameras, infrared, old archives."""


def spoil(rng: np.random.Generator, pixels: F32) -> U8:
    """Take the picture of a scene (H,W,3; 0-255): light, colour, focus, noise, sharpening, JPEG."""
    if rng.random() < 0.5:
        pixels = recolour(rng, pixels)
    if rng.random() < 0.3:
        gamma = np.float32(np.exp(rng.normal(0, 0.4)))
        pixels = np.float32(255) * (np.clip(pixels, 0, 255) / np.float32(255)) ** gamma
    if rng.random() < 0.08:
        pixels = _lamp(rng, pixels)
    grey = rng.random() < GREY_SHARE
    if grey:
        pixels = _without_colour(rng, pixels)
    if rng.random() < 0.1:
        pixels = pixels * np.float32(rng.uniform(0.2, 0.6)) + np.float32(rng.uniform(0, 10))
    pixels = _soften(rng, pixels)
    if rng.random() < 0.25:
        pixels = pixels + _noise(rng, pixels.shape, grey)
    if rng.random() < 0.35:
        pixels = _sharpen(rng, pixels)
    out = np.clip(pixels, 0, 255).astype(np.uint8)
    if rng.random() < 0.75:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))]
        out = np.asarray(cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], 1), np.uint8)
    return out


def recolour(rng: np.random.Generator, pixels: F32) -> F32:
    """Change light, contrast, saturation and colour cast, each a little."""
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    pixels = grey[..., None] + (pixels - grey[..., None]) * np.float32(rng.uniform(0.3, 1.5))
    pixels = (pixels - 128) * np.float32(rng.uniform(0.75, 1.3)) + 128
    cast = rng.normal(0, 7, 3) + rng.normal(0, 22)
    return np.clip(pixels + cast.astype(np.float32), 0, 255)


def _without_colour(rng: np.random.Generator, pixels: F32) -> F32:
    """Grey, as a film or a sensor without a colour filter sees: infrared is mostly red's."""
    weights = rng.dirichlet([2.0, 3.0, 1.0]) if rng.random() < 0.5 else [0.299, 0.587, 0.114]
    grey = np.clip(pixels, 0, 255) @ np.asarray(weights, np.float32)
    if rng.random() < 0.15:
        grey = (grey - 128) * np.float32(rng.uniform(0.3, 0.6)) + np.float32(rng.uniform(60, 160))
    return np.repeat(grey[..., None], 3, axis=2)


def _lamp(rng: np.random.Generator, pixels: F32) -> F32:
    """Light from one place, as an infrared lamp or a low sun gives it."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    at = rng.uniform(-0.2, 1.2, 2) * (width, height)
    distance = np.hypot((x - at[0]) / width, (y - at[1]) / height)
    fall = np.exp(-distance * np.float32(rng.uniform(0.4, 1.6)))[..., None]
    return np.asarray(pixels * fall * np.float32(rng.uniform(1.0, 1.8)))


def _noise(rng: np.random.Generator, shape: tuple[int, ...], grey: bool) -> F32:
    """Sensor noise, now and then of grains larger than a pixel."""
    height, width, _ = shape
    coarse = 1 if rng.random() < 0.6 else 2
    size = (height // coarse, width // coarse, 1 if grey else 3)
    grains = rng.standard_normal(size, dtype=np.float32) * np.float32(min(rng.exponential(6), 25))
    if coarse > 1:
        grains = cv2.resize(grains, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grains.reshape(height, width, -1), np.float32)


def _soften(rng: np.random.Generator, pixels: F32) -> F32:
    """Low resolution, defocus or motion."""
    kind = rng.random()
    if kind < 0.3:
        factor = float(rng.uniform(0.3, 0.9))
        size = (pixels.shape[1], pixels.shape[0])
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        method = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(small, size, interpolation=method), np.float32)
    if kind < 0.45:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 1.3))))
    if kind < 0.52:
        return np.asarray(cv2.blur(pixels, (int(rng.integers(2, 6)), 1)))
    return pixels


def _sharpen(rng: np.random.Generator, pixels: F32) -> F32:
    """Unsharp masking, with the halos that cheap cameras add."""
    blurred = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.6, 1.6)))
    return np.asarray(pixels + (pixels - blurred) * np.float32(rng.uniform(0.3, 1.6)))
