"""Tries backgrounds on a picture whose person was found, as a build would rewrite them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.rewrite import draw_params
from visnet_aug.backgrounds.settings import BackgroundSettings, draw_variant
from visnet_aug.builder.plan import draw_seed
from visnet_aug.masks.person import PersonMask

INTENSITIES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Columns of a grid."""


@dataclass(frozen=True, slots=True)
class SegmentedImage:
    """A picture and the person found in it.

    Attributes:
        path: Where it is.
        image: RGB uint8, H×W×3.
        found: The person, as the mask stage of a build judges the mask.
    """

    path: Path
    image: Image
    found: PersonMask

    @property
    def mask(self) -> Mask:
        """The person's pixels, H×W, whether or not a build would take them; perhaps none."""
        if self.found.mask is None:
            return np.zeros(self.image.shape[:2], np.bool_)
        return self.found.mask


@dataclass(frozen=True, slots=True)
class Try:
    """A picture with another background.

    Attributes:
        family: Of the transform.
        variant: Its variant.
        intensity: Strength in 0..1.
        image: RGB uint8, H×W×3.
    """

    family: str
    variant: str
    intensity: float
    image: Image


class Tries:
    """Tries families of one recipe; the same picture, name and seed give the same backgrounds."""

    def __init__(
        self, backgrounds: BackgroundSettings, seed: int, family: str | None = None
    ) -> None:
        """Choose what is tried.

        Args:
            backgrounds: The recipe's.
            seed: The recipe's.
            family: This family alone, even if the recipe leaves it out; ``None`` for all that it
                enables.

        Raises:
            RecipeError: There is no such family.
        """
        chosen = backgrounds if family is None else backgrounds.only([family])
        self._backgrounds, self._seed, self._alone = chosen, seed, family is not None
        self._families = {name: make_family(name, chosen) for name in chosen.names()}

    def one_each(self, picture: SegmentedImage, intensity: float | None = None) -> list[Try]:
        """Try each family once; without an intensity, it is drawn like everything else."""
        return [
            self._try(picture, family, variant, drawn if intensity is None else intensity)
            for family, variant, drawn in self._draw(picture)
        ]

    def grid(self, picture: SegmentedImage) -> list[list[Try]]:
        """Try a variant of each family, or all of one family's, at each of `INTENSITIES`.

        Along a row everything else that is drawn is the same.
        """
        rows = self._variants() if self._alone else self._draw(picture)
        return [
            [self._try(picture, family, variant, intensity) for intensity in INTENSITIES]
            for family, variant, _ in rows
        ]

    def _draw(self, picture: SegmentedImage) -> Iterator[tuple[str, str, float]]:
        """Yield each family with a variant and an intensity."""
        for family in self._families:
            rng = np.random.default_rng(self._seed_of(picture, family))
            yield (family, *draw_variant(self._backgrounds.family(family), rng))

    def _variants(self) -> Iterator[tuple[str, str, float]]:
        """Yield each variant that is possible."""
        for family in self._families:
            for name, variant in self._backgrounds.family(family).variants.items():
                if variant.probability > 0:
                    yield family, name, variant.intensity[1]

    def _try(self, picture: SegmentedImage, family: str, variant: str, intensity: float) -> Try:
        transform: BackgroundTransform = self._families[family]
        seed = self._seed_of(picture, family)
        height, width = picture.image.shape[:2]
        record = draw_params(transform, variant, intensity, seed, (height, width))
        feather = self._backgrounds.feather
        image = transform.rewrite(picture.image, record, picture.mask, feather)
        return Try(family, variant, intensity, image)

    def _seed_of(self, picture: SegmentedImage, family: str) -> int:
        return draw_seed(self._seed, "preview", picture.path.name, family)
