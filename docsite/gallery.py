"""The gallery: one drawn person before each variant's backgrounds, from intensity 0 to 1.

    python -m docsite.gallery docs/gallery

Everything in the pictures is made by the program; the same versions of the libraries make the same
pixels. Each row draws its parameters from the same seed at every intensity, so that along a row
nothing but the strength differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visnet_aug.backgrounds.loading import load_albumentations

load_albumentations(torch=False)

from visnet_aug.backgrounds.base import BackgroundTransform  # noqa: E402
from visnet_aug.backgrounds.registry import FAMILIES, make_family  # noqa: E402
from visnet_aug.backgrounds.settings import BackgroundSettings  # noqa: E402
from visnet_aug.datasets.drawn import draw_sample  # noqa: E402

INTENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
SCALE, GAP, LABEL, HEADER = 2, 6, 22, 26
INK = "#7b8088"
"""Can be read on white and on black: the paper is transparent."""

_PERSON = (52, 5, 8)
"""Identity, camera and seed of the person."""


def main(folder: Path) -> None:
    """Write a picture for each family into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FAMILIES:
        draw_family(name).save(folder / f"{name}.webp", lossless=True, exact=True, method=6)


def draw_family(name: str) -> Image.Image:
    """Draw a family: a row for each variant, a column for each intensity."""
    family = make_family(name, BackgroundSettings())
    pid, camid, seed = _PERSON
    sample = draw_sample(pid, camid, np.random.default_rng(seed))
    rows = {
        variant: [
            family.rewrite(sample.image, record, sample.mask)
            for record in _records(family, variant, sample.mask.shape)
        ]
        for variant in variants(family)
    }
    return _lay_out(rows)


def variants(family: BackgroundTransform) -> list[str]:
    """Return what a family can do: its variants, and all together if they combine."""
    joined = ["+".join(family.variants)] if family.family == "color_shift" else []
    return [*family.variants, *joined]


def _records(
    family: BackgroundTransform, variant: str, shape: tuple[int, ...]
) -> list[dict[str, object]]:
    """Draw the same parameters at each intensity."""
    height, width = shape
    return [
        family.draw(variant, intensity, (height, width), np.random.default_rng(1))
        for intensity in INTENSITIES
    ]


def _lay_out(rows: dict[str, list[np.ndarray]]) -> Image.Image:
    """Put rows of images under their names, and the intensities on top."""
    height, width = (SCALE * side for side in next(iter(rows.values()))[0].shape[:2])
    row_height = LABEL + height + GAP
    page = Image.new(
        "RGBA",
        (len(INTENSITIES) * (width + GAP) + GAP, HEADER + len(rows) * row_height),
    )
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(15)
    for line, (name, images) in enumerate(rows.items()):
        top = HEADER + line * row_height
        pen.text((GAP, top + LABEL / 2), name.replace("_", " "), INK, font, anchor="lm")
        for column, image in enumerate(images):
            enlarged = image.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
            page.paste(Image.fromarray(enlarged), (GAP + column * (width + GAP), top + LABEL))
    for column, intensity in enumerate(INTENSITIES):
        middle = GAP + column * (width + GAP) + width / 2
        pen.text((middle, HEADER / 2), f"{intensity:g}", INK, font, anchor="mm")
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]))
