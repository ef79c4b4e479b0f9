"""What the six families share: an Albumentations transform that is a record and a pure function.

Drawing and applying are apart. :meth:`BackgroundTransform.draw` turns a variant, an intensity and
a generator into a record: a small dictionary of plain values that survives JSON.
:meth:`BackgroundTransform.apply_record` turns an image and a record into an image and depends on
nothing else: no generator, no setting, no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from visnet_aug.backgrounds._albumentations import A
from visnet_aug.backgrounds.fill import remove_person
from visnet_aug.backgrounds.settings import FamilySettings, draw_variant
from visnet_aug.backgrounds.variant import Image, Mask, Record, Shape, Variant
from visnet_aug.errors import RecipeError


class BackgroundTransform(A.ImageOnlyTransform):  # type: ignore[misc]
    """A family of background variants (paper section II-G).

    Within ``A.Compose`` it rewrites whole images, drawing from the generator that Compose hands
    it; to spare a person, see ``composite.rewrite_background``.

    Args:
        settings: The family's part of a recipe, or the same as plain values; ``None`` for the
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
            The record: ``variant``, ``intensity`` and what the variants need.

        Raises:
            RecipeError: The family has no such variant.
        """
        record: Record = {"variant": variant, "intensity": intensity}
        for name in variant.split("+"):
            record |= self._variant(name).draw(self._variant_settings[name], intensity, shape, rng)
        return record

    def apply_record(
        self, image: Image, record: Mapping[str, Any], mask: Mask | None = None
    ) -> Image:
        """Apply drawn parameters.

        Args:
            image: RGB uint8, H×W×3.
            record: What :meth:`draw` returned for an image of this shape.
            mask: Where the person is. Variants that would carry the person's colours into the
                background then work on an image without the person.

        Returns:
            A new image. What it shows under the mask is of no use: see ``composite``.

        Raises:
            RecipeError: The family has no such variant.
        """
        variants = [self._variant(name) for name in record["variant"].split("+")]
        if record["intensity"] == 0:
            return image.copy()
        changed = image
        if mask is not None and any(part.removes_person for part in variants):
            changed = remove_person(image, mask)
        for part in variants:
            changed = part.apply(changed, record)
        return image.copy() if changed is image else changed

    def _variant(self, name: str) -> Variant:
        if name not in self.variants:
            have = ", ".join(self.variants)
            raise RecipeError(f"{self.family} has no variant {name!r}: have {have}")
        return self.variants[name]

    # What A.Compose calls

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw a record for the image at hand."""
        variant, intensity = draw_variant(self.settings, self.random_generator)
        height, width = params["shape"][:2]
        record = self.draw(variant, intensity, (height, width), self.random_generator)
        return {"record": record}

    def apply(self, img: Image, record: Mapping[str, Any], **_: Any) -> Image:
        """Apply a drawn record to a whole image.

        Raises:
            ValueError: The image isn't RGB uint8.
        """
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f"{type(self).__name__} needs an RGB uint8 image, not {img.dtype} {img.shape}"
            )
        return self.apply_record(img, record)

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """Return the names of the arguments that serialisation keeps."""
        return ("settings",)

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return {"settings": self.settings.model_dump(mode="json")}
