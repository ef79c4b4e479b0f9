"""The public API: it is lazy, documented with examples that run, and only changes on purpose.

After a change on purpose, write the list of the surface again:

    python tests/visnet_model/test_api.py > tests/visnet_model/api_surface.txt
"""

from __future__ import annotations

import ast
import difflib
import doctest
import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import visnet_model
from visnet_model.config import TrainConfig

SURFACE = Path(__file__).with_name("api_surface.txt")

SPECIAL = ("__call__", "__len__", "__str__")
"""Special methods that are part of the surface."""


class _Text:
    """A text that is shown without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def surface() -> Iterator[str]:
    """Yield a line for each public name, and for each member of a class."""
    for name in sorted(visnet_model.__all__):
        value = getattr(visnet_model, name)
        if isinstance(value, type):
            made = not (is_dataclass(value) or issubclass(value, BaseModel | tuple))
            yield f"class {name}{signature(value).removesuffix(' -> None') if made else ''}"
            yield from sorted(f"    {line}" for line in members(value))
        elif callable(value):
            yield f"{name}{signature(value)}"
        else:
            yield f"{name}: {type(value).__name__}"


def members(kind: type) -> Iterator[str]:
    """Yield the public members that a class defines itself."""
    if issubclass(kind, BaseModel):
        yield from settings(kind().model_dump())
        return
    for name, value in vars(kind).items():
        if name.startswith("_") and name not in SPECIAL:
            continue
        if isinstance(value, property):
            yield f"{name}: {value.fget.__annotations__['return']}"
        elif inspect.isfunction(value):
            yield f"{name}{signature(value)}"
    for name, annotation in vars(kind).get("__annotations__", {}).items():
        yield f"{name}: {getattr(annotation, '__forward_arg__', annotation)}"


def settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every setting of a config with its default."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name} = {value!r}"


def signature(function: Callable[..., Any]) -> str:
    """Return a signature without quotes around annotations, and with names for functions."""
    found = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_annotation(parameter.annotation), default=_default(parameter))
        for parameter in found.parameters.values()
    ]
    return str(
        found.replace(parameters=parameters, return_annotation=_annotation(found.return_annotation))
    )


def _annotation(annotation: Any) -> Any:
    return _Text(annotation) if isinstance(annotation, str) else annotation


def _default(parameter: inspect.Parameter) -> Any:
    default = parameter.default
    if inspect.isroutine(default):
        return _Text(default.__name__)
    return _Text(f"{type(default).__name__}()") if isinstance(default, BaseModel) else default


def test_the_surface_is_the_checked_in_one() -> None:
    expected = SURFACE.read_text(encoding="utf-8").splitlines()
    found = list(surface())
    diff = difflib.unified_diff(expected, found, "api_surface.txt", "the code", lineterm="", n=0)
    if changes := "\n".join(diff):
        pytest.fail(f"the public API changed; if on purpose, see this module\n{changes}")


def test_all_lists_of_names_agree() -> None:
    tree = ast.parse(inspect.getsource(visnet_model))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    checked = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lazy = {name: f"visnet_model.{home}" for name, home in visnet_model._MODULES.items()}
    assert lazy == checked
    assert set(visnet_model.__all__) == {*lazy, "__version__"}
    assert set(visnet_model.__all__) <= set(dir(visnet_model))


def test_no_module_has_a_public_name() -> None:
    """Importing it would replace the name in the package."""
    modules = {module.name for module in pkgutil.iter_modules(visnet_model.__path__)}
    assert modules.isdisjoint(visnet_model.__all__)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'visnet_model' has no attribute 'VisNets'"):
        visnet_model.VisNets  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, visnet_model; dir(visnet_model); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numpy", "PIL", "pydantic", "yaml", "click", "rich"}
    assert heavy.isdisjoint(result.stdout.split())


def modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(visnet_model.__path__, "visnet_model."):
        yield module.name


def examples() -> Iterator[doctest.DocTest]:
    """Yield every example in the package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in modules():
        found = finder.find(importlib.import_module(name), name)
        yield from (test for test in found if test.examples)


EXAMPLES = {test.name: test for test in examples()}


@pytest.mark.parametrize("name", sorted(set(visnet_model.__all__) - {"__version__"}))
def test_every_public_name_has_a_docstring_with_an_example(name: str) -> None:
    value = getattr(visnet_model, name)
    example = EXAMPLES.get(f"{value.__module__}.{value.__qualname__}")
    assert example is not None
    used = " ".join(line.source for line in example.examples)
    assert "visnet_model import" in used
    parameters = [p for p in inspect.signature(value).parameters if p not in ("args", "kwargs")]
    document = inspect.getdoc(value) or ""
    for parameter in parameters:
        assert f"    {parameter}: " in document, parameter


@pytest.fixture(scope="session")
def workplace(
    small_manifest: Path, config: Callable[..., TrainConfig], tmp_path_factory: Any
) -> Path:
    """Make what the examples assume: a set in ``aug/`` and a trained network in ``runs/market``."""
    root: Path = tmp_path_factory.mktemp("workplace")
    shutil.copytree(small_manifest.parent, root / "aug")
    visnet_model.train(
        root / "aug" / "manifest.csv",
        root / "runs" / "market",
        config=config(optimisation={"steps": 1, "precision": "fp32"}),
        device="cpu",
    )
    return root


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_run(
    name: str,
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(workplace, tmp_path / "here", copy_function=os.link)
    monkeypatch.chdir(tmp_path / "here")
    output: list[str] = []
    failed = doctest.DocTestRunner().run(EXAMPLES[name], out=output.append).failed
    assert not failed, "".join(output)


if __name__ == "__main__":
    for line in surface():
        print(line)  # noqa: T201
