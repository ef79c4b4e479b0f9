"""One task to bytes: decode, draw, rewrite the background, encode. Pure.

The same task, source bytes, mask and recipe give the same bytes anywhere with the same versions
of the libraries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.composite import rewrite_background
from visnet_aug.backgrounds.registry import make_family
from visnet_aug.builder.encode import encode
from visnet_aug.builder.plan import Task
from visnet_aug.datasets.images import decode_known
from visnet_aug.recipe import Recipe

PARAMETERS = 1
"""Beside a task's seed, this starts the stream that parameters are drawn from: another one than
the plan's, which drew variant and intensity from the seed alone."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One copy's file.

    Attributes:
        data: The file's bytes.
        params: What was drawn for the background, as plain JSON values.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of ``data``.
    """

    data: bytes
    params: Mapping[str, Any]
    width: int
    height: int
    sha256: str


class Renderer:
    """Renders tasks of one recipe; holds the families' transforms, which are costly to make."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._families: dict[str, BackgroundTransform] = {
            name: make_family(name, recipe.backgrounds) for name in recipe.backgrounds.names()
        }

    def render(self, task: Task, source: bytes, mask: NDArray[np.bool_]) -> Rendered:
        """Render one task.

        Args:
            task: What to make.
            source: Bytes of the source image's file, known to be usable.
            mask: bool H×W, True for the person.

        Returns:
            The file and what was drawn for it.

        Raises:
            DatasetError: ``source`` is no image.
        """
        image = decode_known(source)
        params = draw_params(
            self._families[task.family], task.variant, task.intensity, task.seed, image.shape[:2]
        )
        return self._finish(task.family, params, image, mask, source)

    def render_record(
        self, family: str, params: Mapping[str, Any], source: bytes, mask: NDArray[np.bool_]
    ) -> Rendered:
        """Render from what was drawn before; arguments and errors otherwise as for `render`."""
        return self._finish(family, params, decode_known(source), mask, source)

    def _finish(
        self,
        family: str,
        params: Mapping[str, Any],
        image: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        source: bytes,
    ) -> Rendered:
        feather = self._recipe.backgrounds.feather
        rewritten = rewrite_background(image, mask, self._families[family], params, feather)
        data = encode(rewritten, self._recipe.encoding, source)
        height, width = image.shape[:2]
        return Rendered(data, params, width, height, hashlib.sha256(data).hexdigest())


def draw_params(
    family: BackgroundTransform, variant: str, intensity: float, seed: int, shape: tuple[int, int]
) -> dict[str, Any]:
    """Draw the parameters of one copy, of an image of some height and width, from its seed."""
    return family.draw(variant, intensity, shape, np.random.default_rng((seed, PARAMETERS)))
