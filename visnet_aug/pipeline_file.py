"""Sections of a pipeline file: YAML to a checked pydantic model, and back.

A pipeline file describes a whole experiment. Its ``build:`` section belongs to ``visnet-aug``, its
``train:`` section to ``visnet-train``; each reads its own and passes over the other. Every problem
names file, line and path of the key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from visnet_aug.errors import RecipeError
from visnet_aug.recipes import find_recipe, list_recipes

SECTIONS = ("build", "train")
"""Top-level keys of a pipeline file."""

Model = TypeVar("Model", bound=BaseModel)

_Location: TypeAlias = tuple[int | str, ...]


def load_section(path: Path, section: str, model: type[Model]) -> Model:
    """Read one section of a pipeline file.

    Args:
        path: The file, or the name of a packaged recipe.
        section: One of `SECTIONS`.
        model: What the section holds.

    Raises:
        RecipeError: The file cannot be read, is no YAML, or has keys or values that the model does
            not. Every problem has its own line: file, line, path of the key, what is wrong.
    """
    path = find_recipe(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        names = f"; packaged recipes: {', '.join(list_recipes())}" if not path.suffix else ""
        raise RecipeError(f"cannot read recipe {path}: {reason}{names}") from error
    return parse_section(text, section, model, str(path))


def parse_section(text: str, section: str, model: type[Model], name: str) -> Model:
    """Read one section of a pipeline's text; ``name`` stands for the file in errors.

    Raises:
        RecipeError: As `load_section`.
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
    if not isinstance(sections.get(section), Mapping):
        raise RecipeError(f"{name}: no {section}: section with settings under it")
    try:
        return model.model_validate(sections[section])
    except ValidationError as error:
        problems = _problems(error, model, name, lines, (section,))
        raise RecipeError("\n".join(problems)) from error


def dump_section(section: str, settings: BaseModel) -> str:
    """Write settings as YAML, defaults included; `parse_section` reads it."""
    return yaml.dump(
        {section: settings.model_dump(mode="json")}, Dumper=_Dumper, sort_keys=False, width=100
    )


def replace_settings(settings: Model, changes: Mapping[str, object]) -> Model:
    """Return settings with some of their top-level fields changed, and checked.

    Raises:
        RecipeError: A value cannot be used.
    """
    try:
        return type(settings).model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        raise RecipeError("\n".join(_problems(error, type(settings), "", {}, ()))) from error


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
                problem=f"{_dotted((*path, key.value))}: the key is there twice",
                problem_mark=key.start_mark,
            )
        seen.add(key.value)
        yield (*path, key.value), key.start_mark.line + 1
        yield from _lines(value, (*path, key.value))


def _problems(
    error: ValidationError,
    model: type[BaseModel],
    name: str,
    lines: Mapping[_Location, int],
    prefix: _Location,
) -> Iterator[str]:
    """Yield one line for each problem that pydantic found, in the file's order."""
    found = [((*prefix, *problem["loc"]), problem) for problem in error.errors(include_url=False)]
    for path, problem in sorted(found, key=lambda item: lines.get(_known(lines, item[0]), 0)):
        yield _line_of(name, lines, path) + f"{_dotted(path)}: {_what(problem, model)}"


def _what(problem: ErrorDetails, model: type[BaseModel]) -> str:
    if problem["type"] == "extra_forbidden":
        return _unknown(str(problem["loc"][-1]), _fields_at(model, problem["loc"][:-1]))
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{message}, got {problem['input']!r}"


def _unknown(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _fields_at(model: type[BaseModel], location: _Location) -> tuple[str, ...]:
    """Return the names of the settings that a model has under a path."""
    room: Any = model
    for key in location:
        field = getattr(room, "model_fields", {}).get(key)
        # Without such a field, the path leads into a mapping: on to the type of its values.
        room = field.annotation if field else (None, *get_args(room))[-1]
    return tuple(getattr(room, "model_fields", {}))


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
