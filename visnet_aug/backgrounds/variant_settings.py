"""Settings of the variants of the six families: what intensity 1 means for each, in real units.

Lengths in pixels are those of a crop 128 pixels high, the size of Market-1501's. On other images
they scale with the height, so that a larger crop, resized for the network, shows the same pattern.
The defaults were chosen by eye on Market-1501 crops: every copy clearly shows another scene, and
none drowns the person.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    if low > high:
        raise ValueError(f"the low end {low:g} is above the high end {high:g}")
    return bounds


REFERENCE_HEIGHT = 128
"""Height in pixels of the crops that lengths in pixels refer to."""

Share = Annotated[float, Field(ge=0, le=1)]
Intensity = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Lengths = Annotated[tuple[Length, Length], AfterValidator(_ordered)]
Count = Annotated[int, Field(ge=1, le=200)]
Counts = Annotated[tuple[Count, Count], AfterValidator(_ordered)]
Threshold = Annotated[float, Field(ge=0, le=2040)]
Thresholds = Annotated[tuple[Threshold, Threshold], AfterValidator(_ordered)]


class Settings(BaseModel):
    """A group of a recipe's settings: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantSettings(Settings):
    """Settings that all variants have.

    Attributes:
        probability: Chance of this variant, relative to the family's other variants: one of
            them is applied. The variants of ``color_shift`` combine; there it is the chance that
            this one takes part.
        intensity: Range from which the intensity is drawn.
    """

    probability: Share = 1.0
    intensity: Intensity = (0.5, 1.0)


class Hue(VariantSettings):
    """Rotation around the HSV colour circle, in either direction.

    Attributes:
        degrees: Angle at intensity 1. Up to 120 degrees the change in RGB grows with the angle for
            every colour; beyond that, some colours come closer to the original again.
    """

    probability: Share = 0.8
    degrees: Annotated[float, Field(gt=0, le=180)] = 120.0


class Saturation(VariantSettings):
    """Saturation scaled down or up, with equal probability.

    Attributes:
        min_factor: Factor at intensity 1 when scaled down; 0 is grey.
        max_factor: Factor at intensity 1 when scaled up. Street scenes are nearly grey, so that
            only a large factor is visible.
    """

    probability: Share = 0.8
    min_factor: Annotated[float, Field(ge=0, lt=1)] = 0.25
    max_factor: Annotated[float, Field(gt=1, le=16)] = 4.0


class Brightness(VariantSettings):
    """Brightness scaled down or up, with equal probability.

    Attributes:
        min_factor: Factor at intensity 1 when scaled down.
        max_factor: Factor at intensity 1 when scaled up.
    """

    probability: Share = 0.8
    min_factor: Annotated[float, Field(ge=0, lt=1)] = 0.35
    max_factor: Annotated[float, Field(gt=1, le=16)] = 1.5


class Canny(VariantSettings):
    """White Canny edges on black, blended over the background.

    Attributes:
        opacity: Share of the edge drawing at intensity 1.
        threshold_levels: Range of Canny's upper threshold (the gradient in 0-255 levels per pixel,
            summed over a 3×3 Sobel kernel). The lower threshold is half of it.
    """

    opacity: Share = 0.7
    threshold_levels: Thresholds = (100.0, 300.0)


class Emboss(VariantSettings):
    """A relief lit from one of four corners, by an emboss kernel.

    Attributes:
        alpha: Share of the relief at intensity 1, as in Albumentations' ``Emboss``.
        strength: Steepness of the relief, as in Albumentations' ``Emboss``.
    """

    alpha: Annotated[float, Field(gt=0, le=1)] = 0.7
    strength: Annotated[float, Field(ge=0, le=8)] = 0.5


class SaltAndPepper(VariantSettings):
    """Single pixels set to white or black.

    Attributes:
        fraction: Share of the pixels changed at intensity 1; half of them become white.
    """

    fraction: Annotated[float, Field(gt=0, le=1)] = 0.16


class Gaussian(VariantSettings):
    """Additive Gaussian noise, independent per pixel and channel.

    Attributes:
        sigma_levels: Standard deviation at intensity 1, in 0-255 levels.
    """

    sigma_levels: Annotated[float, Field(gt=0, le=255)] = 60.0


class Motion(VariantSettings):
    """Motion blur along a line at any angle.

    Attributes:
        length_pixels: Length of the line at intensity 1.
    """

    length_pixels: Length = 25.0


class Zoom(VariantSettings):
    """Radial zoom blur around the centre.

    Attributes:
        max_factor: Largest enlargement that is averaged, at intensity 1.
    """

    max_factor: Annotated[float, Field(gt=1, le=4)] = 1.5


class Overlay(VariantSettings):
    """A variant that lays a drawing over the background.

    Attributes:
        opacity: Share of the drawing at intensity 1. Below 1, some of the background's texture
            always shows.
    """

    intensity: Intensity = (0.6, 1.0)
    opacity: Annotated[float, Field(gt=0, le=1)] = 1.0


class Grid(Overlay):
    """Horizontal and vertical lines of one colour on another.

    Attributes:
        spacing_pixels: Range of the distance between lines.
        line_pixels: Range of the line width.
    """

    spacing_pixels: Lengths = (8.0, 24.0)
    line_pixels: Lengths = (1.0, 4.0)


class Circles(Overlay):
    """Concentric rings in two to four colours.

    Attributes:
        ring_pixels: Range of the rings' width.
    """

    ring_pixels: Lengths = (4.0, 14.0)


class Stripes(Overlay):
    """Diagonal stripes in two to four colours.

    Attributes:
        stripe_pixels: Range of the stripes' width.
    """

    stripe_pixels: Lengths = (4.0, 14.0)


class Checkerboard(Overlay):
    """Squares in two colours.

    Attributes:
        cell_pixels: Range of the squares' side length.
    """

    cell_pixels: Lengths = (5.0, 18.0)


class Mosaic(Overlay):
    """Squares, each in its own random colour.

    Attributes:
        cell_pixels: Range of the squares' side length.
    """

    cell_pixels: Lengths = (4.0, 14.0)


class Discs(Overlay):
    """Discs in random colours at random places.

    Attributes:
        radius_pixels: Range of the discs' radius.
        count: Range of the number of discs.
    """

    radius_pixels: Lengths = (5.0, 26.0)
    count: Counts = (8, 24)


class ColorRamp(Overlay):
    """A ramp between two random colours, opaque or with the background's texture showing through.

    Attributes:
        see_through: Probability that the texture shows through.
        see_through_opacity: Share of the ramp at intensity 1 if the texture shows through.
    """

    see_through: Share = 0.5
    see_through_opacity: Annotated[float, Field(gt=0, le=1)] = 0.6
