"""What to build: one frozen recipe, the ``build:`` section of a pipeline file.

Everything that decides the bytes of images is in the recipe; how they are kept (shards, links) and
how the work is done (workers, device, ...) are not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.datasets import AUTO, LAYOUTS
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


def _fits_layout(value: str | None, info: ValidationInfo) -> str | None:
    """Accept what the layout of the field's name needs, with that layout or ``auto`` only."""
    layout = info.data.get("layout", AUTO)
    if value is None and layout == info.field_name:
        raise ValueError(f"the layout {layout} needs one")
    if value is not None and layout not in (AUTO, info.field_name):
        raise ValueError(f"given, but the layout is {layout}, not {info.field_name}")
    if value is not None and info.data.get("table") is not None:
        raise ValueError("given beside a table; it takes one or the other")
    return value


_OfLayout: TypeAlias = Annotated[
    str | None, Field(min_length=1, validate_default=True), AfterValidator(_fits_layout)
]
"""Set with one layout only."""


class Recipe(BaseModel):
    """Everything that decides the images of a build, beside the source and masks mended by hand.

    The defaults are the project's main job: Market-1501 to 42,872 images, with all originals
    kept, and copies with the very JPEG tables of their sources.

    Attributes:
        layout: Layout of the source folder; ``auto`` recognises it.
        table: CSV file with ``path,pid,camid,split``, for the layout ``table``: a path, or a name
            below the source folder.
        pattern: Regular expression with the groups ``pid`` and ``camid`` for paths of images, for
            the layout ``pattern``.
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

    Example:
        >>> from visnet_aug import Recipe
        >>> recipe = Recipe(seed=7)
        >>> recipe.replace(images=60_000).images
        60000
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Annotated[str, AfterValidator(_known_layout)] = AUTO
    table: _OfLayout = None
    pattern: _OfLayout = None
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

    def resolved(self, layout: str) -> Self:
        """Return this recipe as it is recorded, once the source folder's layout is known.

        A table counts by its name: what it says is in the dataset that was read by it.
        """
        table = Path(self.table).name if self.table else None
        return self.model_copy(update={"layout": layout, "table": table})


def load_recipe(path: str | Path) -> Recipe:
    """Read the ``build:`` section of a pipeline file.

    Args:
        path: A YAML file, such as ``recipe.yaml`` of a built set.

    Raises:
        RecipeError: The file cannot be read, or a key or a value in it cannot be used; the message
            names the line.

    Example:
        >>> from visnet_aug import load_recipe
        >>> load_recipe("aug/recipe.yaml").layout
        'market1501'
    """
    return load_section(Path(path), "build", Recipe)


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Read the ``build:`` section of a pipeline's text; ``name`` stands for the file in errors.

    Raises:
        RecipeError: As `pipeline_file.load_section`.
    """
    return parse_section(text, "build", Recipe, name)


def dump_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML with every setting, defaults included; `parse_recipe` reads it."""
    return dump_section("build", recipe)
