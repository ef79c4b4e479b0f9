"""The look of a camera: its light, and what its lens, sensor and compression do to a crop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, WIDTH, Light


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's constants.

    Attributes:
        pitch: How far it looks down, radians.
        light: Light on the people in its view.
        gain: (3,) factors on R, G, B: exposure and colour cast.
        lift: Added to all channels: haze.
        gamma: Exponent of the tone curve.
        saturation: Factor on the distance to grey.
        blur: Sigma of its lens in crop pixels.
        sharpen: Strength of its edge enhancement.
        grain: Sigma of its noise in 0-255 levels.
        quality: JPEG quality that its video amounts to.
        shadow: Strength of shadows on the ground, 0 to 1.
    """

    pitch: float
    light: Light
    gain: tuple[float, float, float]
    lift: float
    gamma: float
    saturation: float
    blur: float
    sharpen: float
    grain: float
    quality: int
    shadow: float

    def expose(self, crop: NDArray[np.float32], rng: np.random.Generator) -> RGB:
        """Turn the (128, 64, 3) light of a crop, 0 to 255, into what the camera stores."""
        blur = self.blur * float(rng.uniform(0.6, 1.5))
        detail = float(np.clip(rng.normal(0.85, 0.2), 0.4, 1.0))
        if detail < 0.9:
            small = cv2.resize(crop, None, fx=detail, fy=detail, interpolation=cv2.INTER_AREA)
            crop = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(crop, (0, 0), max(blur, 0.3))
        if rng.random() < 0.1:
            length = int(rng.integers(3, 6))
            soft = cv2.blur(soft, (length, 1))
        wide = cv2.GaussianBlur(soft, (0, 0), 1.3)
        crop = soft + self.sharpen * (soft - wide)
        grey = crop @ np.array((0.3, 0.59, 0.11), np.float32)
        crop = grey[..., None] + self.saturation * (crop - grey[..., None])
        exposure = float(rng.normal(1.0, 0.07))
        gain = np.array(self.gain, np.float32) * exposure
        crop = np.clip(crop * (gain / 255) + self.lift / 255, 0, 1) ** self.gamma * 255
        crop += rng.normal(0, self.grain, crop.shape).astype(np.float32)
        seen = np.clip(crop, 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, self.quality))[1]
        return cv2.imdecode(coded, cv2.IMREAD_COLOR)


@lru_cache(maxsize=64)
def camera(camid: int, seed: int = 0) -> Camera:
    """Return camera ``camid`` of the network ``seed``; the same every time."""
    rng = np.random.default_rng((seed, 3, camid))
    warm = float(rng.normal(0.0, 0.045))
    exposure = float(rng.uniform(0.82, 1.12))
    direction = float(rng.uniform(-0.55, 0.55))
    return Camera(
        pitch=float(rng.uniform(0.1, 0.3)),
        light=Light(direction, -0.62, 0.62, float(rng.uniform(0.38, 0.6))),
        gain=(exposure * (1 + warm), exposure, exposure * (1 - warm)),
        lift=float(rng.uniform(0, 16)),
        gamma=float(rng.uniform(0.9, 1.2)),
        saturation=float(rng.uniform(0.75, 1.1)),
        blur=float(rng.uniform(0.35, 0.7)),
        sharpen=float(rng.uniform(0.2, 0.9)),
        grain=float(rng.uniform(1.0, 4.0)),
        quality=int(rng.integers(55, 85)),
        shadow=float(rng.uniform(0.25, 0.6)),
    )
