from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from visnet_aug.verification.duplicates import NEAR
from visnet_aug.verification.images import perceptual_hash, psnr


def picture(seed: int) -> np.ndarray:
    """Coloured clouds, 64×128."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), np.uint8)
    return np.array(Image.fromarray(cells).resize((64, 128), Image.Resampling.BICUBIC))


def test_a_hash_says_where_the_image_gets_brighter() -> None:
    brighter = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 128, 0)
    brighter = np.repeat(brighter, 3, 2)
    assert perceptual_hash(brighter) == 2**64 - 1
    assert perceptual_hash(brighter[:, ::-1].copy()) == 0
    upper = np.where(np.arange(128)[:, None, None] < 64, brighter, 0).astype(np.uint8)
    assert perceptual_hash(upper) == (2**32 - 1) << 32


@pytest.mark.parametrize("seed", range(4))
def test_the_same_picture_is_near_and_others_are_far(seed: int) -> None:
    image = picture(seed)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    again = np.array(Image.open(buffer))
    larger = np.array(Image.fromarray(image).resize((96, 192), Image.Resampling.BICUBIC))
    darker = (image * 0.7).astype(np.uint8)
    value = perceptual_hash(image)
    for other in (again, larger, darker):
        assert (perceptual_hash(other) ^ value).bit_count() <= NEAR
    for other in range(4, 12):
        assert (perceptual_hash(picture(other)) ^ value).bit_count() > NEAR


@pytest.mark.parametrize(
    ("squared", "values", "expected"),
    [(0, 10, float("inf")), (255**2 * 10, 10, 0.0), (10, 10, 48.1308), (1, 100, 68.1308)],
)
def test_psnr(squared: int, values: int, expected: float) -> None:
    assert psnr(squared, values) == pytest.approx(expected, abs=1e-4)
