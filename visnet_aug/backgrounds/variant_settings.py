"""The variants of the six families and what intensity 1 means for each, in real units.

Lengths in pixels are those of a crop 128 pixels high, Market-1501's size; on other images they
scale with the height, so that a larger crop, resized for the network, shows the same pattern.
The defaults were chosen by eye on Market-1501 crops: every copy visibly another scene, none of
them a barely visible change, none of them drowning the person.
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
"""Height in pixels of the crops for which lengths in pixels are given."""

Share = Annotated[float, Field(ge=0, le=1)]
Intensity = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Lengths = Annotated[tuple[Length, Length], AfterValidator(_ordered)]
Count = Annotated[int, Field(ge=1, le=200)]
Counts = Annotated[tuple[Count, Count], AfterValidator(_ordered)]
Threshold = Annotated[float, Field(ge=0, le=2040)]
Thresholds = Annotated[tuple[Threshold, Threshold], AfterValidator(_ordered)]


class Settings(BaseModel):
    """A frozen group of a recipe's settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantSettings(Settings):
    """What all variants share.

    Attributes:
        probability: Its chance relative to the family's other variants, one of which is
            applied. For colour shifts, which combine: the chance that this one takes part.
        intensity: Range from which the intensity is drawn.
    """

    probability: Share = 1.0
    intensity: Intensity = (0.5, 1.0)


class Hue(VariantSettings):
    """Rotation around the HSV colour circle, either way.

    Attributes:
        degrees: Angle at intensity 1. Up to 120 the change in RGB grows with the angle for every
            colour; beyond, some colours come nearer to where they started.
    """

    probability: Share = 0.8
    degrees: Annotated[float, Field(gt=0, le=180)] = 120.0


class Saturation(VariantSettings):
    """Saturation scaled down or up, a coin decides.

    Attributes:
        min_factor: Factor at intensity 1, downwards; 0 is grey.
        max_factor: Factor at intensity 1, upwards. Street scenes are nearly grey: it takes a
            large one to see a change.
    """

    probability: Share = 0.8
    min_factor: Annotated[float, Field(ge=0, lt=1)] = 0.25
    max_factor: Annotated[float, Field(gt=1, le=16)] = 4.0


class Brightness(VariantSettings):
    """Brightness scaled down or up, a coin decides.

    Attributes:
        min_factor: Factor at intensity 1, downwards.
        max_factor: Factor at intensity 1, upwards.
    """

    probability: Share = 0.8
    min_factor: Annotated[float, Field(ge=0, lt=1)] = 0.35
    max_factor: Annotated[float, Field(gt=1, le=16)] = 1.5


class Canny(VariantSettings):
    """Canny's edges drawn over the background, which sinks behind them.

    Attributes:
        opacity: Share of the edge drawing at intensity 1.
        threshold_levels: Range of Canny's upper threshold (gradient, 0-255 levels per pixel, summed
            over a 3x3 Sobel kernel); the lower one is half of it.
    """

    opacity: Share = 0.7
    threshold_levels: Thresholds = (100.0, 300.0)


class Emboss(VariantSettings):
    """A relief lit from one of four corners, by an emboss kernel.

    Attributes:
        alpha: Share of the relief at intensity 1, as in Albumentations' ``Emboss``.
        strength: Its steepness, as there.
    """

    alpha: Annotated[float, Field(gt=0, le=1)] = 0.7
    strength: Annotated[float, Field(ge=0, le=8)] = 0.5


class SaltAndPepper(VariantSettings):
    """Single pixels turned white or black.

    Attributes:
        fraction: Share of the pixels at intensity 1, half of them white.
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
        max_factor: Enlargement at the far end of the zoom, at intensity 1.
    """

    max_factor: Annotated[float, Field(gt=1, le=4)] = 1.5


class Overlay(VariantSettings):
    """A variant that lays a drawing over the background.

    Attributes:
        opacity: Share of the drawing at intensity 1; below 1 some texture always shows.
    """

    intensity: Intensity = (0.6, 1.0)
    opacity: Annotated[float, Field(gt=0, le=1)] = 1.0


class Grid(Overlay):
    """Lines of one colour, across and down, on another.

    Attributes:
        spacing_pixels: Range of the distance between lines.
        line_pixels: Range of the lines' width.
    """

    spacing_pixels: Lengths = (8.0, 24.0)
    line_pixels: Lengths = (1.0, 4.0)


class Circles(Overlay):
    """Concentric rings in two to four colours.

    Attributes:
        ring_pixels: Range of a ring's width.
    """

    ring_pixels: Lengths = (4.0, 14.0)


class Stripes(Overlay):
    """Diagonal stripes in two to four colours.

    Attributes:
        stripe_pixels: Range of a stripe's width.
    """

    stripe_pixels: Lengths = (4.0, 14.0)


class Checkerboard(Overlay):
    """Squares in two colours.

    Attributes:
        cell_pixels: Range of a square's side.
    """

    cell_pixels: Lengths = (5.0, 18.0)


class Mosaic(Overlay):
    """Squares, each in a colour of its own.

    Attributes:
        cell_pixels: Range of a square's side.
    """

    cell_pixels: Lengths = (4.0, 14.0)


class Discs(Overlay):
    """Discs in random colours at random places.

    Attributes:
        radius_pixels: Range of a disc's radius.
        count: Range of the number of discs.
    """

    radius_pixels: Lengths = (5.0, 26.0)
    count: Counts = (8, 24)


class ColorRamp(Overlay):
    """A ramp between two random colours, opaque or letting the background's texture through.

    Attributes:
        see_through: Chance that the texture shows through.
        see_through_opacity: Share of the ramp at intensity 1 when it does.
    """

    see_through: Share = 0.5
    see_through_opacity: Annotated[float, Field(gt=0, le=1)] = 0.6
