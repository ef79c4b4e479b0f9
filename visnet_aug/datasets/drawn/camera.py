"""Camera model: lighting, lens, sensor and compression effects on a crop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visnet_aug.datasets.drawn.canvas import HEIGHT, RGB, WIDTH, Light

_LUMA: Final = np.array((0.299, 0.587, 0.114), np.float32)
_GRAIN_SIZE: Final = 256


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's constants.

    Attributes:
        pitch: Downward tilt, radians.
        light: Light on the people in view.
        gain: Factors on R, G and B: exposure and colour cast.
        haze: Offset added to the darkest values, in 0-255 levels.
        gamma: Exponent of the tone curve; values above 1 darken shadows.
        saturation: Factor on the distance to grey.
        blur: Standard deviation of the lens blur, crop pixels.
        sharpen: Strength of the sharpening, which leaves halos as in real cameras.
        grain: Standard deviation of the noise, 0-255 levels.
        quality: JPEG quality equivalent to the video compression.
        shadow: Strength of shadows on the ground, 0 to 1.
    """

    pitch: float
    light: Light
    gain: tuple[float, float, float]
    haze: float
    gamma: float
    saturation: float
    blur: float
    sharpen: float
    grain: float
    quality: int
    shadow: float

    def expose(self, crop: NDArray[np.float32], rng: np.random.Generator) -> RGB:
        """Apply the camera to a (128, 64, 3) crop with values from 0 to 255."""
        soft = self._focus(crop, rng)
        sharp = soft + self.sharpen * (soft - cv2.GaussianBlur(soft, (0, 0), 1.3))
        grey = (sharp @ (_LUMA * (1 - self.saturation)))[..., None]
        gain = np.array(self.gain, np.float32) * float(rng.normal(1.0, 0.06)) / 255
        light = (sharp * self.saturation + grey) * gain
        tone = self.haze + (255 - self.haze) * cv2.pow(np.clip(light, 0, 1), self.gamma)
        y, x = rng.integers(0, _GRAIN_SIZE - HEIGHT, 2).tolist()
        tone += self.grain * _grain()[y : y + HEIGHT, x : x + WIDTH]
        seen = np.clip(tone, 0, 255).astype(np.uint8)
        stored = cv2.imdecode(encode_jpeg(seen, self.quality), cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)

    def _focus(self, crop: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Blur the crop: always by the lens, sometimes also by distance or motion."""
        distant, moving, detail = rng.random(), rng.random(), float(rng.uniform(0.4, 0.8))
        if distant < 0.16:
            small = cv2.resize(crop, None, fx=detail, fy=detail, interpolation=cv2.INTER_AREA)
            crop = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        if moving < 0.08:
            crop = cv2.blur(crop, (4, 1))
        sigma = self.blur * float(rng.uniform(0.6, 1.4))
        return np.asarray(cv2.GaussianBlur(crop, (3, 3), sigma), np.float32)


def encode_jpeg(image: RGB, quality: int) -> NDArray[np.uint8]:
    """Encode an RGB image as JPEG with 4:2:0 chroma subsampling, as in Market-1501."""
    options = (
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    )  # fmt: skip
    coded: NDArray[np.uint8] = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options
    )[1]
    return coded


@cache
def _grain() -> NDArray[np.float32]:
    """Return slightly blotchy sensor noise with unit standard deviation, (256, 256, 3)."""
    rng = np.random.default_rng(30)
    colour = rng.standard_normal((_GRAIN_SIZE, _GRAIN_SIZE, 3), dtype=np.float32)
    luma = rng.standard_normal((_GRAIN_SIZE, _GRAIN_SIZE, 1), dtype=np.float32)
    noise = cv2.GaussianBlur(0.5 * colour + luma, (3, 3), 0.6)
    return np.asarray(noise / noise.std(), np.float32)


@lru_cache(maxsize=64)
def camera(camid: int, seed: int = 0) -> Camera:
    """Return camera ``camid`` of the camera network ``seed`` (deterministic)."""
    rng = np.random.default_rng((seed, 3, camid))
    warm, exposure = float(rng.normal(0.01, 0.02)), float(rng.uniform(0.92, 1.08))
    sideways = float(rng.uniform(-0.55, 0.55))
    return Camera(
        pitch=float(rng.uniform(0.08, 0.24)),
        light=Light(sideways, -0.62, 0.62, float(rng.uniform(0.5, 0.7))),
        gain=(exposure * (1 + warm), exposure, exposure * (1 - warm)),
        haze=float(rng.uniform(4, 16)),
        gamma=float(rng.uniform(0.9, 1.15)),
        saturation=float(rng.uniform(0.68, 0.92)),
        blur=float(rng.uniform(0.4, 0.7)),
        sharpen=float(rng.uniform(0.2, 0.65)),
        grain=float(rng.uniform(1.0, 3.0)),
        quality=int(rng.integers(60, 85)),
        shadow=float(rng.uniform(0.3, 0.6)),
    )
