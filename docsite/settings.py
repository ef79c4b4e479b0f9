"""Reference of settings: pydantic models as tables, with their defaults and limits.

Meanings come from the docstrings of the models, limits from their JSON schema, defaults from an
empty file. A setting without a meaning is an error.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docsite.markdown import attributes, blocks, code, describe, fence, limits, table
from visnet_aug.backgrounds.settings import BackgroundSettings, FamilySettings, ForeignFamily
from visnet_aug.backgrounds.variant_settings import VariantSettings
from visnet_aug.datasets import LAYOUTS
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.recipe import Recipe, dump_recipe
from visnet_model.config import TrainConfig, dump_config

HEADER = ("setting", "default", "values", "meaning")

UNITS = {"degrees": "degrees", "pixels": "pixels", "levels": "levels of 0–255"}
"""Units by the last word of a setting's name."""

PLAIN = {"boolean": "`true`, `false`", "null": "`null`", "string": "text", "object": "mapping"}
"""Types of JSON schema without limits, in words."""

CHOICES: Mapping[tuple[type[BaseModel], str], Sequence[str]] = {(Recipe, "layout"): LAYOUTS}
"""Settings whose choices are not in the JSON schema."""


def recipe_reference() -> str:
    """Describe the ``build:`` section."""
    recipe = Recipe()
    families = recipe.backgrounds.families()
    return blocks(
        "## build",
        describe(Recipe),
        settings_table(recipe),
        "## build.masks",
        describe(MaskSettings),
        settings_table(recipe.masks),
        "## build.backgrounds",
        describe(BackgroundSettings),
        settings_table(recipe.backgrounds),
        "### What all families and variants have",
        describe(FamilySettings),
        table(
            HEADER,
            [*_rows(FamilySettings.model_construct()), *_rows(VariantSettings(), "VARIANT.")],
        ),
        *(_family(name, family) for name, family in families.items()),
        "### build.backgrounds.other",
        describe(ForeignFamily),
        settings_table(ForeignFamily(transform="RandomFog"), required=("transform",)),
    )


def recipe_defaults() -> str:
    """Show the whole default recipe as a file."""
    return fence(dump_recipe(Recipe()), "yaml")


def training_reference() -> str:
    """Describe the ``train:`` section."""
    return blocks(*_sections("train", TrainConfig(), level=2))


def training_defaults() -> str:
    """Show the whole default training as a file."""
    return fence(dump_config(TrainConfig()), "yaml")


def at_full_intensity(name: str) -> str:
    """Describe the variants of a family, and their settings at intensity 1 by default."""
    variants = BackgroundSettings().families()[name].variants
    return table(
        ("variant", "what it does", "how far by default"),
        ((code(key), describe(type(value)), _reach(value)) for key, value in variants.items()),
    )


def settings_table(settings: BaseModel, required: tuple[str, ...] = ()) -> str:
    """Lay out the settings of a model, without those of its groups."""
    return table(HEADER, _rows(settings, required=required))


def values_of(model: type[BaseModel], name: str) -> str:
    """Describe the values that a field takes.

    Raises:
        ValueError: Its JSON schema contains something that cannot be described.
    """
    if choices := CHOICES.get((model, name)):
        return ", ".join(map(code, choices))
    schema = model.model_json_schema()
    unit = UNITS.get(name.rpartition("_")[2])
    words = _words(schema["properties"][name], schema.get("$defs", {}))
    return f"{words}; {unit}" if unit else words


def _family(name: str, family: FamilySettings) -> str:
    """Describe a family: its variants, then their settings."""
    variants = family.variants
    return blocks(
        f"### build.backgrounds.{name}",
        describe(type(family)),
        table(
            ("variant", "what it does", "probability", "intensity"),
            (
                (
                    code(key),
                    describe(type(variant)),
                    code(variant.probability),
                    code(_yaml_value(variant.intensity)),
                )
                for key, variant in variants.items()
            ),
        ),
        table(
            HEADER,
            itertools.chain(
                _rows(family),
                *(_rows(value, f"{key}.", VariantSettings) for key, value in variants.items()),
            ),
        ),
    )


def _reach(variant: VariantSettings) -> str:
    """List a variant's own settings and their values."""
    own = (name for name in type(variant).model_fields if name not in VariantSettings.model_fields)
    return ", ".join(code(f"{name}: {_yaml_value(getattr(variant, name))}") for name in own)


def _sections(path: str, settings: BaseModel, level: int) -> Iterator[str]:
    """Yield the heading and table of a model, then those of its groups."""
    yield f"{'#' * level} {path}"
    yield describe(type(settings))
    if any(not isinstance(value, BaseModel) for _, value in settings):
        yield settings_table(settings)
    for name, value in settings:
        if isinstance(value, BaseModel):
            yield from _sections(f"{path}.{name}", value, min(level + 1, 4))


def _rows(
    settings: BaseModel,
    prefix: str = "",
    besides: type[BaseModel] | None = None,
    required: tuple[str, ...] = (),
) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each setting of a model that is not a group."""
    model = type(settings)
    meanings = attributes(model)
    for name, field in model.model_fields.items():
        if _is_group(field) or (besides and name in besides.model_fields):
            continue
        if name not in meanings:
            raise ValueError(f"{model.__name__}.{name}: its docstring does not describe it")
        default = "required" if name in required else code(_yaml_value(getattr(settings, name)))
        yield (
            code(prefix + name),
            default,
            values_of(model, name),
            meanings[name].replace("`None`", "`null`"),
        )


def _is_group(field: FieldInfo) -> bool:
    """Tell whether a field is a model, whose settings have their own table."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _yaml_value(value: object) -> str:
    """Write a value as in a YAML file."""
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _words(schema: Mapping[str, Any], groups: Mapping[str, Any]) -> str:
    """Describe a JSON schema in words."""
    if "$ref" in schema:
        return _words(groups[schema["$ref"].rpartition("/")[2]], groups)
    if "anyOf" in schema:
        return " or ".join(_words(part, groups) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return f"{kind}{_limits(schema)}"
    if kind == "array":
        pair = schema.get("prefixItems")
        each = _words(pair[0] if pair else schema["items"], groups)
        return f"{'[low, high]' if pair else 'list'}, each {each}"
    if kind not in PLAIN:
        raise ValueError(f"no words for the schema {schema}")
    return PLAIN[kind]


def _limits(schema: Mapping[str, Any]) -> str:
    """Describe the limits of a number, after a comma."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    words = limits(
        above if low is None else low, below if high is None else high, low is None, high is None
    )
    return f", {words}" if words else ""
