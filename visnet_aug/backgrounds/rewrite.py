"""One image with one new background: the parameters of a copy from its seed, and a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from visnet_aug.arrays import Image, Mask, check_image, check_mask
from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.settings import BackgroundSettings, draw_variant
from visnet_aug.backgrounds.variant import Record, Shape

_PARAMETERS: Final = 1
"""With a copy's seed, this starts the stream that parameters are drawn from. Variant and intensity
are drawn from a stream of the seed alone, so that setting them changes no other parameter."""


def draw_params(
    family: BackgroundTransform, variant: str, intensity: float, seed: int, shape: Shape
) -> Record:
    """Draw the parameters of one copy from its seed.

    Args:
        family: The copy's family.
        variant: A variant of it, or several joined by ``+``.
        intensity: In [0, 1].
        seed: The copy's seed, at least 0.
        shape: Height and width of the image in pixels.

    Returns:
        The record that the family applies.
    """
    return family.draw(variant, intensity, shape, np.random.default_rng((seed, _PARAMETERS)))


def rewrite_background(
    image: Image,
    mask: Mask | np.ndarray[Any, Any],
    family: str = "pattern",
    intensity: float = 0.8,
    seed: int = 7,
    variant: str | None = None,
    settings: BackgroundSettings | Mapping[str, Any] | None = None,
    feather: float | None = None,
) -> Image:
    """Rewrite the background of one image; the person's pixels stay exactly as they are.

    The same arguments give the same pixels (paper section II-G, equation 21). A copy of a built
    set has family, variant, intensity and seed in its row of the manifest; with these, this
    function makes the pixels that the build encoded.

    Args:
        image: RGB uint8, H×W×3, of any size.
        mask: Where the person is, H×W: bool, or integers of which 0 is background and 1 or 255
            the person.
        family: ``color_shift``, ``texture``, ``noise``, ``blur``, ``pattern``, ``gradient``, or a
            name under ``other`` in the settings.
        intensity: From 0, which changes nothing, to 1.
        seed: Seed of everything that is drawn, at least 0.
        variant: A variant of the family, such as ``grid`` of ``pattern``, or several joined by
            ``+``; ``None`` to draw one from the seed.
        settings: Settings of all families, as in a recipe; ``None`` for the defaults.
        feather: Width in pixels of a soft transition outside the person; ``None`` for that of the
            settings, by default 0.

    Returns:
        A new image, RGB uint8, H×W×3.

    Raises:
        TypeError: The image or the mask is no NumPy array.
        ValueError: The image, the mask, the intensity, the seed or the feather cannot be used.
        RecipeError: There is no such family or variant.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import draw_sample, rewrite_background
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> new = rewrite_background(sample.image, sample.mask, family="pattern", variant="grid")
        >>> np.array_equal(new[sample.mask], sample.image[sample.mask])
        True
        >>> new.shape
        (128, 64, 3)
    """
    image = check_image(image)
    person = check_mask(mask, image)
    chosen = BackgroundSettings.model_validate({} if settings is None else settings)
    if not 0 <= intensity <= 1:
        raise ValueError(f"intensity is {intensity}; it must be in 0 to 1")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be at least 0")
    width = chosen.feather if feather is None else feather
    if not 0 <= width < float("inf"):
        raise ValueError(f"feather is {feather}; it must be a width in pixels, at least 0")
    if variant is None:
        variant, _ = draw_variant(chosen.family(family), np.random.default_rng(seed))
    transform = make_family(family, chosen)
    record = draw_params(transform, variant, intensity, seed, (image.shape[0], image.shape[1]))
    return transform.rewrite(image, record, person, width)
