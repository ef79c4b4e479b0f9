"""What to build: one frozen recipe, the ``build:`` section of a pipeline file.

Everything that decides the built bytes is in the recipe; what only decides how the work is done
(workers, device, ...) is not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.datasets import LAYOUTS
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.pipeline_file import dump_section, load_section, parse_section, replace_settings

Composition: TypeAlias = Literal["originals-and-copies", "published"]


def _parse_images(value: object) -> object:
    """Accept ``auto`` or a positive whole number, also as text (from the command line)."""
    text = str(value).strip()
    if text == "auto":
        return text
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", text) or int(text) == 0:
        raise ValueError(f"expected auto or a positive whole number, got {value!r}")
    return int(text)


def _parse_encoding(value: object) -> object:
    """Accept ``match``, ``png`` and ``jpeg:Q``."""
    text = str(value).strip()
    quality = re.fullmatch(r"jpeg:([0-9]{1,3})", text)
    if text in ("match", "png") or (quality and 1 <= int(quality[1]) <= 100):
        return text
    raise ValueError(f"expected match, png or jpeg:Q with Q in 1..100, got {value!r}")


def _known_layout(value: str) -> str:
    if value not in LAYOUTS:
        raise ValueError(f"unknown layout {value!r}; known are {', '.join(LAYOUTS)}")
    return value


class Recipe(BaseModel):
    """Everything that decides a build's bytes, beside the source images.

    The defaults are the project's main job: Market-1501 to 42,872 images, with all originals
    kept, and copies with the very JPEG tables of their sources.

    Attributes:
        layout: Layout of the source folder.
        seed: Seeds every draw.
        images: Total of the whole set (train, query, gallery), or ``auto``: training images scaled
            by the published ratio 19,772 / 12,936, query and gallery as they are.
        composition: ``originals-and-copies``, or ``published``: two copies per maskable image, no
            originals, the surplus as split ``val``.
        encoding: ``match`` (the source's own quantisation tables and chroma sampling: copies then
            carry the JPEG statistics of the test images), ``jpeg:Q`` (4:2:0) or ``png``.
        weights: Segmenter: ``builtin``, a path, or an official name such as ``yolov8n-seg.pt``.
        masks: When a person mask is good enough.
        backgrounds: The families of background transforms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Annotated[str, AfterValidator(_known_layout)] = LAYOUTS[0]
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**64)] = 0
    images: Annotated[int | Literal["auto"], BeforeValidator(_parse_images)] = "auto"
    composition: Composition = "originals-and-copies"
    encoding: Annotated[str, BeforeValidator(_parse_encoding)] = "match"
    weights: Annotated[str, Field(min_length=1)] = "builtin"
    masks: MaskSettings = MaskSettings()
    backgrounds: BackgroundSettings = BackgroundSettings()

    def replace(self, **changes: object) -> Self:
        """Return this recipe with some of its fields changed, and checked.

        Raises:
            RecipeError: A value cannot be used.
        """
        return replace_settings(self, changes)


def load_recipe(path: Path) -> Recipe:
    """Read the ``build:`` section of a pipeline file.

    Raises:
        RecipeError: As `pipeline_file.load_section`.
    """
    return load_section(path, "build", Recipe)


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Read the ``build:`` section of a pipeline's text; ``name`` stands for the file in errors.

    Raises:
        RecipeError: As `pipeline_file.load_section`.
    """
    return parse_section(text, "build", Recipe, name)


def dump_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML with every setting, defaults included; `parse_recipe` reads it."""
    return dump_section("build", recipe)
