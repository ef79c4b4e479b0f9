"""The families by name."""

from __future__ import annotations

from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.blur import Blur
from visnet_aug.backgrounds.color import ColorShift
from visnet_aug.backgrounds.foreign import Foreign
from visnet_aug.backgrounds.gradient import Gradient
from visnet_aug.backgrounds.noise import Noise
from visnet_aug.backgrounds.pattern import Pattern
from visnet_aug.backgrounds.settings import BackgroundSettings, ForeignFamily
from visnet_aug.backgrounds.texture import Texture

FAMILIES: dict[str, type[BackgroundTransform]] = {
    cls.family: cls for cls in (ColorShift, Texture, Noise, Blur, Pattern, Gradient)
}
"""The six families by the name that file names contain, in the paper's order."""


def make_family(name: str, settings: BackgroundSettings) -> BackgroundTransform:
    """Make the transform of one family.

    Args:
        name: One of the six, or a key of ``settings.other``.
        settings: The settings of all families, as in a recipe.

    Raises:
        RecipeError: There is no such family, or its Albumentations transform cannot be made.
    """
    chosen = settings.family(name)
    if isinstance(chosen, ForeignFamily):
        return Foreign(chosen, p=1.0)
    return FAMILIES[name](chosen, p=1.0)
