"""Settings of the six families: the part of a recipe that says what happens to backgrounds.

Every variant has a ``probability``, a range of ``intensity`` from which one number is drawn
uniformly per image, and named ranges in real units that say what intensity 1 means (paper section
II-G; the paper's ranges are lost, so these are our own, see ``variant_settings.py``). At intensity
0 every variant leaves the image exactly as it is; the change grows with the intensity.

This module imports neither NumPy nor Albumentations, so that the command line can read recipes
without them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from visnet_aug.backgrounds.variant_settings import (
    Brightness,
    Canny,
    Checkerboard,
    Circles,
    ColorRamp,
    Discs,
    Emboss,
    Gaussian,
    Grid,
    Hue,
    Intensity,
    Mosaic,
    Motion,
    SaltAndPepper,
    Saturation,
    Settings,
    Stripes,
    VariantSettings,
    Zoom,
)
from visnet_aug.errors import RecipeError

if TYPE_CHECKING:
    import numpy as np

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FamilyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]


class FamilySettings(Settings):
    """Settings that all families have.

    Attributes:
        weight: The family's share of the copies, relative to the other families; 0 disables it.
    """

    weight: Weight = 1.0

    @property
    def variants(self) -> dict[str, VariantSettings]:
        """The family's variants by name, in their fixed order."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, VariantSettings)}

    @model_validator(mode="after")
    def _some_variant_possible(self) -> Self:
        if self.weight > 0 and not any(variant.probability for variant in self.variants.values()):
            raise ValueError("every variant has probability 0; set weight: 0 to disable the family")
        return self


class ColorShiftSettings(FamilySettings):
    """Colour space (family 1). Its variants combine; at least one is applied."""

    hue: Hue = Hue()
    saturation: Saturation = Saturation()
    brightness: Brightness = Brightness()


class TextureSettings(FamilySettings):
    """Texture (family 2)."""

    canny: Canny = Canny()
    emboss: Emboss = Emboss()


class NoiseSettings(FamilySettings):
    """Noise (family 3)."""

    salt_and_pepper: SaltAndPepper = SaltAndPepper()
    gaussian: Gaussian = Gaussian()


class BlurSettings(FamilySettings):
    """Blur (family 4)."""

    motion: Motion = Motion()
    zoom: Zoom = Zoom()


class PatternSettings(FamilySettings):
    """Pattern (family 5), in random contrasting colours."""

    grid: Grid = Grid()
    circles: Circles = Circles()
    stripes: Stripes = Stripes()
    checkerboard: Checkerboard = Checkerboard()
    mosaic: Mosaic = Mosaic()
    discs: Discs = Discs()


class GradientSettings(FamilySettings):
    """Gradient (family 6): along a line, outwards from a point, or around a point."""

    linear: ColorRamp = ColorRamp()
    radial: ColorRamp = ColorRamp()
    angular: ColorRamp = ColorRamp()


class ForeignFamily(FamilySettings):
    """An image-only Albumentations transform as a family of its own, with this one variant.

    Attributes:
        transform: The transform's class name, for example ``RandomFog``.
        args: The transform's arguments as plain values, without ``p``: it is always applied.
        intensity: Range of the transformed image's share in a blend with the original.
    """

    transform: str = Field(min_length=1)
    args: dict[str, JsonValue] = Field(default_factory=dict)
    intensity: Intensity = (1.0, 1.0)

    @model_validator(mode="after")
    def _always_applied(self) -> Self:
        if "p" in self.args:
            raise ValueError("args: leave p out; the transform is always applied")
        return self

    @property
    def variants(self) -> dict[str, VariantSettings]:
        """The transform, by its name."""
        return {self.transform: VariantSettings(intensity=self.intensity)}


class BackgroundSettings(Settings):
    """Settings of all families, and of the edge between person and background.

    Attributes:
        color_shift: Family 1.
        texture: Family 2.
        noise: Family 3.
        blur: Family 4.
        pattern: Family 5.
        gradient: Family 6.
        other: Your own families by name. The name is part of the copies' file names.
        feather: Width in pixels of the soft transition outside the person, into which the colours
            of the person's outline continue; 0 is a hard edge. The person's own pixels never
            change. At 0.5, edges look least cut out (`benchmarks/edges.py`).

    Examples:
        >>> from visnet_aug import BackgroundSettings
        >>> settings = BackgroundSettings.model_validate({"texture": {"weight": 0}, "feather": 1.5})
        >>> settings.names()
        ('color_shift', 'noise', 'blur', 'pattern', 'gradient')
        >>> settings.blur.motion.length_pixels
        25.0
    """

    color_shift: ColorShiftSettings = ColorShiftSettings()
    texture: TextureSettings = TextureSettings()
    noise: NoiseSettings = NoiseSettings()
    blur: BlurSettings = BlurSettings()
    pattern: PatternSettings = PatternSettings()
    gradient: GradientSettings = GradientSettings()
    other: dict[FamilyName, ForeignFamily] = Field(default_factory=dict)
    feather: Annotated[float, Field(ge=0, le=32)] = 0.5

    @model_validator(mode="after")
    def _families_make_sense(self) -> Self:
        taken = [name for name in self.other if name in type(self).model_fields]
        if taken:
            raise ValueError(f"other: the name {taken[0]!r} is taken; choose another name")
        if not self.names():
            raise ValueError("no family is enabled: at least one needs a weight above 0")
        return self

    def families(self) -> Mapping[str, FamilySettings]:
        """Return all families, disabled ones included: the six in their order, then ``other``."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        ours = {name: v for name, v in values.items() if isinstance(v, FamilySettings)}
        return {**ours, **{name: self.other[name] for name in sorted(self.other)}}

    def names(self) -> tuple[str, ...]:
        """Return the names of the enabled families, in the same order."""
        return tuple(name for name, family in self.families().items() if family.weight > 0)

    def only(self, names: Collection[str]) -> Self:
        """Return these settings with only some families enabled, with equal weights.

        Args:
            names: Names of the families to enable.

        Raises:
            RecipeError: A name is not that of a family.
        """
        for name in names:
            self.family(name)
        weighed = {
            name: family.model_copy(update={"weight": float(name in names)})
            for name, family in self.families().items()
        }
        other = {name: weighed.pop(name) for name in self.other}
        return self.model_copy(update={**weighed, "other": other})

    def family(self, name: str) -> FamilySettings:
        """Return the settings of one family.

        Raises:
            RecipeError: There is no family with this name.
        """
        families = self.families()
        if name not in families:
            raise RecipeError(f"background family {name!r} is unknown: have {', '.join(families)}")
        return families[name]


def draw_variant(family: FamilySettings, rng: np.random.Generator) -> tuple[str, float]:
    """Draw a variant of a family and an intensity for one copy.

    Args:
        family: The family's settings.
        rng: Generator of this copy.

    Returns:
        The variant and the intensity in [0, 1]. The variants of ``color_shift`` combine and are
        joined by ``+``, as in ``hue+saturation``; they share one intensity, drawn from the mean of
        their ranges. The variant of a family under ``other`` is the transform's name.
    """
    variants = family.variants
    chances = {name: variant.probability for name, variant in variants.items()}
    if isinstance(family, ColorShiftSettings):
        names = [name for name, chance in chances.items() if rng.random() < chance]
        names = names or [choose(chances, rng)]
    else:
        names = [choose(chances, rng)]
    ranges = [variants[name].intensity for name in names]
    low, high = (sum(ends) / len(ends) for ends in zip(*ranges, strict=True))
    return "+".join(names), uniform((low, high), rng)


def choose(chances: Mapping[str, float], rng: np.random.Generator) -> str:
    """Choose a name with a probability in proportion to its chance, some of which are above 0."""
    possible = {name: chance for name, chance in chances.items() if chance > 0}
    mark = float(rng.random()) * sum(possible.values())
    for name, chance in possible.items():
        mark -= chance
        if mark < 0:
            return name
    return name  # rounding can leave the mark at 0 after the last one


def uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw from a range, rounded to four decimals: precise enough, and short in the manifest."""
    low, high = bounds
    return round(low + (high - low) * float(rng.random()), 4)
