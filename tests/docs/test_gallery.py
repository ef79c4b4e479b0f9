"""The gallery's pictures are what the code draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docsite.gallery import draw_family
from visnet_aug.backgrounds.registry import FAMILIES

LEVELS = 2.0
"""By how much a picture may differ on average: libraries round differently."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_looks_as_shown(root: Path, family: str) -> None:
    shown = Image.open(root / "docs" / "gallery" / f"{family}.webp").convert("RGBA")
    drawn = draw_family(family)
    assert shown.size == drawn.size
    difference = np.abs(np.asarray(shown, np.float32) - np.asarray(drawn, np.float32)).mean()
    assert difference < LEVELS, "run: python -m docsite.gallery docs/gallery"


def test_every_family_has_its_picture_and_the_pictures_are_small(root: Path) -> None:
    files = sorted((root / "docs" / "gallery").iterdir())
    assert [file.name for file in files] == sorted(f"{name}.webp" for name in FAMILIES)
    assert sum(file.stat().st_size for file in files) < 1_500_000
