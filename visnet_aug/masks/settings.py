"""How a person mask is made from the network's output and when it is good enough to use."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

PERSON: Final = ("person",)
"""The classes of people: what weights of one class know."""


def _listed(value: object) -> object:
    """Accept one class without brackets."""
    return [value] if isinstance(value, str) else value


ClassName = Annotated[str, Field(min_length=1)]
Classes = Annotated[tuple[ClassName, ...], Field(min_length=1), BeforeValidator(_listed)]


class MaskSettings(BaseModel):
    """Thresholds of the mask stage: cleaning first, then judging.

    The defaults are read off 2,106 reference masks of Market-1501 crops (64×128 pixels, 600
    identities), of which they reject none; each field says what was measured. The references
    were themselves selected, so the limits lie a good step outside of what they show.

    Attributes:
        classes: Names of the weights' classes whose instances are looked for, one name or several:
            ``[car, bus, truck]`` for vehicles. The bundled network knows ``person`` alone.
        confidence: Least confidence of the chosen instance. YOLO's usual 0.25: below it, what is
            found in a person crop is mostly a part of somebody.
        threshold: A pixel is the person where its probability is above this. At 0.45 the
            bundled segmenter's masks are as large as the references (area ratio 0.995 over
            held-out identities; 0.981 at one half). Higher values cut tighter.
        fill_holes: Enclosed background up to this fraction of the silhouette (the mask with all
            its holes filled) becomes person. The references have no hole below 43 pixels, which
            is 1 % of their median silhouette; larger ones are real, e.g. between arm and body.
            Wrongly filling keeps a little true background, wrongly not filling ruins the person.
        drop_specks: Separate parts below this fraction of the largest part are dropped. A bar of
            6 pixels across the shins of the references leaves lower legs of more than 3 % in
            three cases of four; what a network scatters is smaller.
        min_area: Least fraction of the image that the person fills. References: 0.17 to 0.62.
        max_area: Largest such fraction; above it, the background or a second person is in.
        min_height: Least height of the mask as a fraction of the image's. References: 0.73 to 1;
            one half allows for people whose legs are hidden.
        max_border: Largest fraction of the image's border pixels that the mask may cover.
            References: up to 0.33, people cut at head, feet and both elbows at once.

    Example:
        >>> from visnet_aug import MaskSettings
        >>> MaskSettings(confidence=0.5).min_area
        0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Classes = PERSON
    confidence: Fraction = 0.25
    threshold: Fraction = 0.45
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
