"""What the six families may do to a background: the part of a recipe, checked and light.

Every variant has a ``probability``, a range of ``intensity`` from which one number is drawn
uniformly per image, and named ranges in real units that say what intensity 1 means (paper section
II-G; its numbers are lost, so these are ours, see ``variant_settings.py``). At intensity 0 every
variant leaves the image exactly as it is, and its effect grows with the intensity.

This module imports neither NumPy nor Albumentations: the command line reads recipes with it.
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
    """What all families share.

    Attributes:
        weight: The family's share of the copies relative to the others; 0 leaves it out.
    """

    weight: Weight = 1.0

    @property
    def variants(self) -> dict[str, VariantSettings]:
        """The family's variants by name, in their fixed order."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, VariantSettings)}

    @model_validator(mode="after")
    def _some_variant_possible(self) -> Self:
        if self.weight > 0 and not any(t.probability for t in self.variants.values()):
            raise ValueError("every variant has probability 0; set weight: 0 to leave it out")
        return self


class ColorShiftSettings(FamilySettings):
    """Colour space (family 1): the variants combine, at least one takes part."""

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
    """Pattern (family 5), in random colours that contrast."""

    grid: Grid = Grid()
    circles: Circles = Circles()
    stripes: Stripes = Stripes()
    checkerboard: Checkerboard = Checkerboard()
    mosaic: Mosaic = Mosaic()
    discs: Discs = Discs()


class GradientSettings(FamilySettings):
    """Gradient (family 6): along a line, from a point outwards, around a point."""

    linear: ColorRamp = ColorRamp()
    radial: ColorRamp = ColorRamp()
    angular: ColorRamp = ColorRamp()


class ForeignFamily(FamilySettings):
    """Any image-only Albumentations transform as a family of its own, of this one variant.

    Attributes:
        transform: Its class name, such as ``RandomFog``.
        args: Its arguments, as plain values, without ``p``: it is always applied.
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
    """The families and how a rewritten background meets the person.

    Attributes:
        other: Families of your own by name, which then stands in the files' names.
        feather: Width in pixels of the soft transition outside the person; 0 is a hard edge.
            The person's own pixels are never touched.
    """

    color_shift: ColorShiftSettings = ColorShiftSettings()
    texture: TextureSettings = TextureSettings()
    noise: NoiseSettings = NoiseSettings()
    blur: BlurSettings = BlurSettings()
    pattern: PatternSettings = PatternSettings()
    gradient: GradientSettings = GradientSettings()
    other: dict[FamilyName, ForeignFamily] = Field(default_factory=dict)
    feather: Annotated[float, Field(ge=0, le=32)] = 0.0

    @model_validator(mode="after")
    def _families_make_sense(self) -> Self:
        taken = [name for name in self.other if name in type(self).model_fields]
        if taken:
            raise ValueError(f"other: the name {taken[0]!r} is taken; choose another")
        if not self.names():
            raise ValueError("no family is left: at least one needs a weight above 0")
        return self

    def families(self) -> Mapping[str, FamilySettings]:
        """Return all families, weight 0 included, in the fixed order: the six, then ``other``."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        ours = {name: v for name, v in values.items() if isinstance(v, FamilySettings)}
        return {**ours, **{name: self.other[name] for name in sorted(self.other)}}

    def names(self) -> tuple[str, ...]:
        """Return the names of the enabled families, as in file names, in the fixed order."""
        return tuple(name for name, family in self.families().items() if family.weight > 0)

    def only(self, names: Collection[str]) -> Self:
        """Return these settings with some families alone enabled, all of them equally.

        Raises:
            RecipeError: There is no family of one of the names.
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
        """Return one family's settings.

        Raises:
            RecipeError: There is no family of this name.
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
        The variant (for colour shifts, which combine, several joined by ``+`` such as
        ``hue+saturation``; for families under ``other``, the transform's name) and the intensity
        in [0, 1]. Joined variants share one intensity, drawn from the mean of their ranges.
    """
    variants = family.variants
    if isinstance(family, ColorShiftSettings):
        names = [name for name, t in variants.items() if rng.random() < t.probability]
        names = names or [_choose(variants, rng)]
    else:
        names = [_choose(variants, rng)]
    ranges = [variants[name].intensity for name in names]
    low, high = (sum(ends) / len(ends) for ends in zip(*ranges, strict=True))
    return "+".join(names), _uniform((low, high), rng)


def _choose(variants: Mapping[str, VariantSettings], rng: np.random.Generator) -> str:
    """Choose one variant with chances in proportion to the probabilities."""
    possible = {name: t.probability for name, t in variants.items() if t.probability > 0}
    mark = float(rng.random()) * sum(possible.values())
    for name, probability in possible.items():
        mark -= probability
        if mark < 0:
            return name
    return name  # rounding may leave the mark at 0 after the last one


def _uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw from a range, to four decimals: enough, and short in the manifest."""
    low, high = bounds
    return round(low + (high - low) * float(rng.random()), 4)
