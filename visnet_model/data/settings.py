"""Settings of the training images: input size, batches and augmentation.

The defaults are the paper's (section III). "Augmentation" here is the usual one of person
re-identification, applied on the fly; the rewritten backgrounds come from ``visnet_aug``. This
module only imports pydantic, because the command line reads configs with it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Mixing = Literal["one-version", "any"]
"""How originals and their copies share a batch; see ``visnet_model.data.sampler``."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


Probability = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AugmentationSettings(_Settings):
    """Random transforms of a training image, in this order; 0 switches one off.

    Attributes:
        padding: Pixels by which the edges are repeated on all sides before a random crop of the
            input size.
        flip: Probability of a horizontal flip.
        brightness: The factor is drawn from 1 ± this value, and is at least 0.
        contrast: Likewise, relative to the image's mean grey.
        saturation: Likewise, relative to each pixel's grey.
        hue: The rotation is drawn from ± this fraction of the colour circle.
        erasing: Probability of filling a rectangle with noise.
        erasing_area: Range of the rectangle's area as a fraction of the image, drawn uniformly.
        erasing_aspect: Range of its height divided by its width, drawn log-uniformly.
    """

    padding: Annotated[int, Field(ge=0)] = 10
    flip: Probability = 0.5
    brightness: Strength = 0.2
    contrast: Strength = 0.15
    saturation: Strength = 0.15
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    erasing: Probability = 0.5
    erasing_area: Annotated[tuple[Share, Share], AfterValidator(_ascending)] = (0.02, 0.4)
    erasing_aspect: Annotated[tuple[Positive, Positive], AfterValidator(_ascending)] = (0.3, 3.3)


class DataSettings(_Settings):
    """Input size and batches: P identities with K images each.

    Attributes:
        height: Input height in pixels.
        width: Input width in pixels.
        identities: P, identities in a batch.
        num_instances: K, images of each identity in a batch.
        mixing: How originals and copies share a batch. ``one-version`` keeps an image and its own
            copies apart as long as the identity has K source images; ``any`` does not.
        augmentation: Random transforms.
    """

    height: Annotated[int, Field(ge=16)] = 256
    width: Annotated[int, Field(ge=16)] = 128
    identities: Annotated[int, Field(ge=1)] = 8
    num_instances: Annotated[int, Field(ge=1)] = 12
    mixing: Mixing = "one-version"
    augmentation: AugmentationSettings = AugmentationSettings()
