"""All families in one Albumentations transform, drawn as a recipe draws them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from visnet_aug.arrays import Image, Mask
from visnet_aug.backgrounds._albumentations import RecordTransform
from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.settings import BackgroundSettings, choose
from visnet_aug.backgrounds.variant import Record, Shape


class BackgroundAugment(RecordTransform):
    """Rewrite backgrounds while training, in any Albumentations pipeline.

    Each call draws a family by its weight, one of its variants and an intensity, as a recipe does
    for each copy, and rewrites the background of ``image``. Where ``mask`` is set (not 0), or any
    of ``masks``, the image stays exactly as it is; masks come back unchanged. Of a batch, the n-th
    of ``images`` is rewritten around the n-th of ``masks``; all of a call have the same draws.

    In a torch ``DataLoader`` each worker draws for itself. ``A.Compose(..., seed=...)`` together
    with ``torch.manual_seed`` makes that reproducible. ``A.ReplayCompose`` records the draws, and
    ``A.save`` and ``A.load`` the settings: import this class before loading.

    Args:
        settings: Settings of all families, as in a recipe: settings or plain values; ``None`` for
            the defaults.
        p: Probability of being applied.
        families: Names of the only families to draw from, equally often; ``None`` for all that the
            settings enable.

    Raises:
        pydantic.ValidationError: The settings cannot be used.
        RecipeError: There is no such family, or its Albumentations transform cannot be made.
        ValueError: When called: there is no mask, or an image or a mask cannot be used.

    Example:
        >>> import numpy as np
        >>> from visnet_aug import BackgroundAugment, draw_sample
        >>> import albumentations as A
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> augment = BackgroundAugment(families=["pattern", "gradient"], p=1.0)
        >>> pipeline = A.Compose([A.HorizontalFlip(p=1.0), augment], seed=7)
        >>> out = pipeline(image=sample.image, mask=sample.mask)
        >>> flipped = sample.image[:, ::-1]
        >>> bool((out["image"] == flipped)[out["mask"]].all())
        True
    """

    def __init__(
        self,
        settings: BackgroundSettings | Mapping[str, Any] | None = None,
        p: float = 1.0,
        *,
        families: Collection[str] | None = None,
    ) -> None:
        super().__init__(p=p)
        chosen = BackgroundSettings.model_validate({} if settings is None else settings)
        self.settings = chosen if families is None else chosen.only(families)
        self._weights = {name: family.weight for name, family in self.settings.families().items()}
        self._families = {name: make_family(name, self.settings) for name in self.settings.names()}

    def draw_for(self, shape: Shape, rng: np.random.Generator) -> Record:
        """Draw a family, a variant, an intensity and their parameters.

        Args:
            shape: Height and width of the image in pixels.
            rng: Generator of this call.

        Returns:
            The family's record, with its name as ``family``.
        """
        name = choose(self._weights, rng)
        return {"family": name, **self._families[name].draw_for(shape, rng)}

    def rewrite(self, image: Image, record: Mapping[str, Any], mask: Mask | None = None) -> Image:
        """Apply drawn parameters to an image's background.

        Args:
            image: RGB uint8, H×W×3.
            record: What :meth:`draw_for` returned.
            mask: Where the person is, H×W.

        Raises:
            ValueError: There is no mask.
        """
        if mask is None:
            raise ValueError(
                "BackgroundAugment needs to know where the person is: pass mask= (H×W, not 0 on "
                "the person) with image=, for example Segmenter().segment([image])[0].mask"
            )
        return self._families[record["family"]].rewrite(image, record, mask, self.settings.feather)

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """Return the names of the arguments that serialisation keeps."""
        return ("settings",)

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return {"settings": self.settings.model_dump(mode="json")}
