"""What the six families share: drawing a record, and applying it as a pure function.

Drawing and applying are separate. :meth:`BackgroundTransform.draw` turns a variant, an intensity
and a generator into a record: a small dictionary of plain values that can be written as JSON.
:meth:`BackgroundTransform.rewrite` turns an image and a record into an image and depends on
nothing else: no generator, no setting, no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds._albumentations import RecordTransform
from visnet_aug.backgrounds.composite import composite
from visnet_aug.backgrounds.fill import remove_person
from visnet_aug.backgrounds.settings import FamilySettings, draw_variant
from visnet_aug.backgrounds.variant import Record, Shape, Variant
from visnet_aug.errors import RecipeError


class BackgroundTransform(RecordTransform):
    """A family of background variants (paper section II-G), as an Albumentations transform.

    In ``A.Compose`` it draws a variant and an intensity for each call and rewrites the background
    of ``image``: where ``mask`` (or one of ``masks``) is set, the image stays as it is, exactly,
    and masks come back unchanged. Without a mask it rewrites the whole image.

    Args:
        settings: The family's part of a recipe, as settings or as plain values; ``None`` for the
            defaults.
        p: Probability of being applied, as in all Albumentations transforms.

    Raises:
        pydantic.ValidationError: The settings cannot be used.
    """

    family: ClassVar[str]
    settings_type: ClassVar[type[FamilySettings]]
    variants: Mapping[str, Variant]
    settings: FamilySettings

    def __init__(
        self, settings: FamilySettings | Mapping[str, Any] | None = None, p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        self.settings = self.settings_type.model_validate({} if settings is None else settings)
        self._variant_settings = self.settings.variants  # looked up for each image

    def draw(
        self, variant: str, intensity: float, shape: Shape, rng: np.random.Generator
    ) -> Record:
        """Draw the parameters of one application.

        Args:
            variant: A variant of the family, or several joined by ``+``, applied in that order.
            intensity: In [0, 1]; at 0 the image stays as it is.
            shape: Height and width of the image in pixels.
            rng: Generator of this application.

        Returns:
            The record: ``variant``, ``intensity`` and the parameters of the variants.

        Raises:
            RecipeError: The family has no such variant.
        """
        record: Record = {"variant": variant, "intensity": intensity}
        for name in variant.split("+"):
            record |= self._variant(name).draw(self._variant_settings[name], intensity, shape, rng)
        return record

    def draw_for(self, shape: Shape, rng: np.random.Generator) -> Record:
        """Draw a variant, an intensity and their parameters, as the settings say.

        Args:
            shape: Height and width of the image in pixels.
            rng: Generator of this application.

        Returns:
            The record.
        """
        variant, intensity = draw_variant(self.settings, rng)
        return self.draw(variant, intensity, shape, rng)

    def apply_record(
        self, image: Image, record: Mapping[str, Any], mask: Mask | None = None
    ) -> Image:
        """Apply drawn parameters to a whole image, the person's place included.

        Args:
            image: RGB uint8, H×W×3.
            record: What :meth:`draw` returned for an image of this shape.
            mask: Where the person is, H×W. Variants that would carry the person's colours into
                the background then work on an image from which the person is removed.

        Returns:
            A new image. Its pixels under the mask mean nothing: see :meth:`rewrite`.

        Raises:
            RecipeError: The family has no such variant.
        """
        variants = [self._variant(name) for name in record["variant"].split("+")]
        if record["intensity"] == 0:
            return image.copy()
        changed = image
        if mask is not None and any(variant.removes_person for variant in variants):
            changed = remove_person(image, mask)
        for variant in variants:
            changed = variant.apply(changed, record)
        return image.copy() if changed is image else changed

    def rewrite(
        self,
        image: Image,
        record: Mapping[str, Any],
        mask: Mask | None = None,
        feather: float = 0.0,
    ) -> Image:
        """Apply drawn parameters to an image's background (paper section II-G, equation 21).

        Args:
            image: RGB uint8, H×W×3.
            record: What :meth:`draw` returned for an image of this shape.
            mask: Where the person is, H×W; ``None`` to rewrite the whole image.
            feather: Width in pixels of a soft transition outside the mask.

        Returns:
            A new image. Where the mask is True its pixels are exactly those of ``image``; no
            pixel beyond the feather shows a colour of the person that was not there before.

        Raises:
            RecipeError: The family has no such variant.
        """
        background = self.apply_record(image, record, mask)
        return background if mask is None else composite(image, background, mask, feather)

    def _variant(self, name: str) -> Variant:
        if name not in self.variants:
            have = ", ".join(self.variants)
            raise RecipeError(f"{self.family} has no variant {name!r}: have {have}")
        return self.variants[name]

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """Return the names of the arguments that serialisation keeps."""
        return ("settings",)

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return {"settings": self.settings.model_dump(mode="json")}
