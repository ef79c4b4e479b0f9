"""Draw the README's picture: drawn people, their masks, and the six families.

    python -m docsite.picture docs/families.png

Everything in it is made by the program: the people, the masks (by the bundled segmenter) and the
backgrounds (drawn from the default recipe). No photograph of anybody is shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visnet_aug.backgrounds.registry import FAMILIES, make_family
from visnet_aug.backgrounds.settings import BackgroundSettings, draw_variant
from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.previews.sheet import outline

PEOPLE = ((12, 1, 3), (5, 3, 4), (31, 5, 8))
"""Identity, camera and seed of each row."""

SCALE, GAP, HEADER = 2, 8, 34
TITLES = ("image", "mask", *(name.replace("_", " ") for name in FAMILIES))


def main(path: Path) -> None:
    """Write the picture to ``path``."""
    segmenter = Segmenter(device="cpu")
    images = [draw_sample(pid, cam, np.random.default_rng(seed)).image for pid, cam, seed in PEOPLE]
    masks = [found.mask for found in segmenter.segment(images)]
    if any(mask is None for mask in masks):
        raise SystemExit("a person was not found; choose other seeds in PEOPLE")
    rows = [
        row(image, mask, seed)
        for image, mask, (_, _, seed) in zip(images, masks, PEOPLE, strict=True)
        if mask is not None
    ]
    lay_out(rows).save(path, optimize=True)


def row(image: np.ndarray, mask: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the pictures of one person, left to right, at their size on the page."""
    settings = BackgroundSettings()
    copies = []
    for index, name in enumerate(FAMILIES):
        rng = np.random.default_rng((seed, index))
        family = make_family(name, settings)
        variant, intensity = draw_variant(settings.family(name), rng)
        record = family.draw(variant, intensity, mask.shape, rng)
        copies.append(family.rewrite(image, record, mask, settings.feather))
    return [enlarge(image), np.array(outline(image, mask)), *(enlarge(copy) for copy in copies)]


def enlarge(image: np.ndarray) -> np.ndarray:
    """Repeat each pixel, so that what is shown is what was made."""
    return image.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


def lay_out(rows: list[list[np.ndarray]]) -> Image.Image:
    """Put the rows under a line of titles."""
    height, width = rows[0][0].shape[:2]
    size = (len(TITLES) * (width + GAP) - GAP, HEADER + len(rows) * (height + GAP) - GAP)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(18)
    for column, title in enumerate(TITLES):
        left = column * (width + GAP)
        pen.text((left + width / 2, HEADER / 2), title, "#202226", font, anchor="mm")
        for line, pictures in enumerate(rows):
            page.paste(Image.fromarray(pictures[column]), (left, HEADER + line * (height + GAP)))
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]))
