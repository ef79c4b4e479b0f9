"""Settings of the mask stage: how masks are cleaned, and when they are good enough to use."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

PERSON: Final = ("person",)
"""The class of people: the only class of one-class weights."""


def _listed(value: object) -> object:
    """Accept a single class without brackets."""
    return [value] if isinstance(value, str) else value


ClassName = Annotated[str, Field(min_length=1)]
Classes = Annotated[tuple[ClassName, ...], Field(min_length=1), BeforeValidator(_listed)]


class MaskSettings(BaseModel):
    """Thresholds of the mask stage: masks are cleaned, then judged.

    The defaults come from 2,106 reference masks of Market-1501 crops (64×128 pixels, 600
    identities) and reject none of them; each field says what was measured. The references are a
    selection themselves, so the limits leave some room.

    Attributes:
        classes: Names of the classes to look for, one or several: ``[car, bus, truck]`` for
            vehicles. The bundled network only knows ``person``.
        confidence: Minimum confidence of the chosen instance. 0.25 is YOLO's usual value; instances
            below it are mostly parts of people.
        quality: Minimum predicted quality, the IoU to expect between the mask and the true one. It
            is predicted by the bundled network; others have no such model and are not judged by it.
        max_rival: Maximum rank of another person in the crop, as a fraction of the chosen person's;
            above it, it is not clear whom the crop shows. Of 3,000 Market-1501 crops one is above
            0.5, and of 300 pairs of them joined to one image, 56 %.
        threshold: Pixels with a probability above this belong to the person. At one half, the
            bundled segmenter's masks agree best with exact ones. Higher values cut tighter.
        fill_holes: Enclosed background up to this fraction of the silhouette (the mask with all
            its holes filled) is added to the person. The references have no hole below 43 pixels,
            1 % of their median silhouette; larger ones are real, for example between arm and body.
            Filling a real hole keeps a little background; leaving a false one damages the person.
        drop_specks: Separate parts below this fraction of the largest part are dropped. A bar of
            6 pixels across the shins of the references leaves lower legs of more than 3 % in
            three of four cases; false parts are smaller.
        min_area: Minimum fraction of the image that the person covers. References: 0.17 to 0.62.
        max_area: Maximum fraction; larger masks include background or a second person.
        min_height: Minimum height of the mask as a fraction of the image's. References: 0.73 to
            1; 0.5 allows for people whose legs are hidden.
        max_border: Maximum fraction of the image's border pixels that the mask may cover.
            References: up to 0.33, for people cut off at head, feet and both elbows.

    Examples:
        >>> from visnet_aug import MaskSettings
        >>> MaskSettings(confidence=0.5).min_area
        0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Classes = PERSON
    confidence: Fraction = 0.25
    quality: Fraction = 0.65
    max_rival: Fraction = 0.5
    threshold: Fraction = 0.5
    fill_holes: Fraction = 0.01
    drop_specks: Fraction = 0.03
    min_area: Fraction = 0.10
    max_area: Fraction = 0.75
    min_height: Fraction = 0.5
    max_border: Fraction = 0.5

    @model_validator(mode="after")
    def _areas_leave_room(self) -> Self:
        if self.min_area >= self.max_area:
            raise ValueError(f"min_area {self.min_area} must be less than max_area {self.max_area}")
        return self
