"""What to build: one frozen recipe, read from and written to YAML.

A pipeline file has a ``build:`` section, read here, and may have a ``train:`` section, which
belongs to ``visnet-train`` and is passed over. Everything that decides the built bytes is in the
recipe; what only decides how the work is done (workers, device, ...) is not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.datasets import LAYOUTS
from visnet_aug.errors import RecipeError
from visnet_aug.masks.settings import MaskSettings

SECTIONS = ("build", "train")
"""Top-level keys of a pipeline file."""

Composition: TypeAlias = Literal["originals-and-copies", "published"]

_Location: TypeAlias = tuple[int | str, ...]


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
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise RecipeError("\n".join(_problems(error, "", {}, ()))) from error


def load_recipe(path: Path) -> Recipe:
    """Read the ``build:`` section of a pipeline file.

    Raises:
        RecipeError: The file cannot be read, is no YAML, or has keys or values that a recipe does
            not. Every problem has its own line: file, line, path of the key, what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RecipeError(f"cannot read recipe {path}: {reason}") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Read the ``build:`` section of a pipeline's text; ``name`` stands for the file in errors.

    Raises:
        RecipeError: As `load_recipe`.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(node, ()))
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(f"{name}{line}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: {str(error).splitlines()[0]}") from error
    sections = document if isinstance(document, Mapping) else {}
    for key in sections:
        if key not in SECTIONS:
            raise RecipeError(_line_of(name, lines, (key,)) + _unknown(str(key), SECTIONS))
    if not isinstance(sections.get("build"), Mapping):
        raise RecipeError(f"{name}: no build: section with settings under it")
    try:
        return Recipe.model_validate(sections["build"])
    except ValidationError as error:
        raise RecipeError("\n".join(_problems(error, name, lines, ("build",)))) from error


def dump_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML with every setting, defaults included; `parse_recipe` reads it."""
    return yaml.dump(
        {"build": recipe.model_dump(mode="json")}, Dumper=_Dumper, sort_keys=False, width=100
    )


class _Dumper(yaml.SafeDumper):
    """Block style for settings, ``[low, high]`` for ranges."""


_Dumper.add_representer(
    list,
    lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True),
)


def _lines(node: yaml.Node | None, path: _Location) -> Iterator[tuple[_Location, int]]:
    """Yield the line of each key, counted from 1; refuse a key that stands twice."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _lines(item, (*path, index))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            raise yaml.MarkedYAMLError(
                problem=f"{_dotted((*path, key.value))}: the key stands twice",
                problem_mark=key.start_mark,
            )
        seen.add(key.value)
        yield (*path, key.value), key.start_mark.line + 1
        yield from _lines(value, (*path, key.value))


def _problems(
    error: ValidationError, name: str, lines: Mapping[_Location, int], prefix: _Location
) -> Iterator[str]:
    """Yield one line for each problem that pydantic found, in the file's order."""
    found = [((*prefix, *problem["loc"]), problem) for problem in error.errors(include_url=False)]
    for path, problem in sorted(found, key=lambda item: lines.get(_known(lines, item[0]), 0)):
        yield _line_of(name, lines, path) + f"{_dotted(path)}: {_what(problem)}"


def _what(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return _unknown(str(problem["loc"][-1]), _fields_at(problem["loc"][:-1]))
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{message}, got {problem['input']!r}"


def _unknown(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _fields_at(location: _Location) -> tuple[str, ...]:
    """Return the names of the settings that a recipe has under a path."""
    model: Any = Recipe
    for key in location:
        field = getattr(model, "model_fields", {}).get(key)
        # Without such a field, the path leads into a mapping: on to the type of its values.
        model = field.annotation if field else (None, *get_args(model))[-1]
    return tuple(getattr(model, "model_fields", {}))


def _known(lines: Mapping[_Location, int], path: _Location) -> _Location:
    """Return the key itself, or the nearest key above it that stands in the file."""
    while path and path not in lines:
        path = path[:-1]
    return path


def _line_of(name: str, lines: Mapping[_Location, int], path: _Location) -> str:
    """Return ``file:line: ``, or ``file: `` where no line is known."""
    line = lines.get(_known(lines, path))
    return f"{name}:{line}: " if line else f"{name}: " if name else ""


def _dotted(path: _Location) -> str:
    return ".".join(str(part) for part in path)
