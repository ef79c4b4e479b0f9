"""The public API: light to import, listed, documented, with examples that run."""

from __future__ import annotations

import dataclasses
import difflib
import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import visnet_aug
from visnet_aug.backgrounds._albumentations import RecordTransform

SURFACE = Path(__file__).with_name("api_surface.txt")
NAMES = [name for name in visnet_aug.__all__ if name != "__version__"]


def surface() -> str:
    """Describe the public API: a line for each name with its signature, members indented."""
    return "".join(f"{line}\n" for name in NAMES for line in describe(name))


def describe(name: str) -> Iterator[str]:
    thing = getattr(visnet_aug, name)
    if not isinstance(thing, type):
        yield f"{name}{signature(thing)}"
        return
    yield name if issubclass(thing, BaseModel | Exception) else f"{name}{signature(thing)}"
    yield from (f"    {line}" for line in members(thing))


def signature(thing: object) -> str:
    """Return a signature as it is written in the source, with short defaults."""
    found = inspect.signature(thing)  # type: ignore[arg-type]
    parameters = [
        parameter.replace(
            default=_default(parameter.default), annotation=_annotation(parameter.annotation)
        )
        for parameter in found.parameters.values()
        if parameter.name != "self"
    ]
    return str(
        found.replace(parameters=parameters, return_annotation=_annotation(found.return_annotation))
    )


class Written:
    """Text that stands in a signature as it is, without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def written(value: object) -> str:
    """Write a default: whole models by their class, functions by their name."""
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}()"
    return getattr(value, "__name__", "") if callable(value) else repr(value)


def _default(value: object) -> object:
    return value if value is inspect.Parameter.empty else Written(written(value))


def _annotation(annotation: object) -> object:
    return Written(annotation) if isinstance(annotation, str) else annotation


def members(thing: type) -> Iterator[str]:
    """Describe the members that this project defines, those of bases included, by name."""
    found: dict[str, str] = {}
    for base in reversed(thing.__mro__):
        if not base.__module__.startswith("visnet_aug"):
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(value, property):
                found[name] = name
            elif isinstance(value, classmethod | staticmethod):
                found[name] = f"{name}{signature(getattr(thing, name))}"
            elif inspect.isfunction(value):
                found[name] = f"{name}{signature(value)}"
        for name, kind in inspect.get_annotations(base).items():
            if not name.startswith("_") and name != "model_config":
                found.setdefault(name, f"{name}: {kind}")
    if issubclass(thing, BaseModel):
        for name, field in thing.model_fields.items():
            found[name] += f" = {written(field.get_default(call_default_factory=True))}"
    if issubclass(thing, RecordTransform):  # what Albumentations calls is its own affair
        called = {*vars(RecordTransform), *vars(RecordTransform.__base__.__base__)}
        for name in called - {"draw_for", "rewrite"}:
            found.pop(name, None)
    yield from (found[name] for name in sorted(found))


def test_the_surface_is_the_one_that_is_listed() -> None:
    listed, now = SURFACE.read_text(encoding="utf-8"), surface()
    difference = difflib.unified_diff(
        listed.splitlines(), now.splitlines(), "listed", "now", lineterm="", n=0
    )
    assert listed == now, (
        "the public API changed; if that is meant, note it in CHANGELOG.md and run "
        "`python tests/visnet_aug/test_api.py`:\n" + "\n".join(difference)
    )


def test_every_public_name_is_there_and_in_its_module() -> None:
    homes = [name for names in visnet_aug._HOMES.values() for name in names]
    assert sorted([*homes, "__version__"]) == sorted(visnet_aug.__all__)
    assert len(homes) == len(set(homes))
    for module, names in visnet_aug._HOMES.items():
        for name in names:
            assert getattr(visnet_aug, name).__module__ == f"visnet_aug.{module}"
    assert set(visnet_aug.__all__) <= set(dir(visnet_aug))
    with pytest.raises(AttributeError, match="has no attribute 'sepia'"):
        _ = visnet_aug.sepia


def test_no_module_hides_a_public_name() -> None:
    folder = Path(visnet_aug.__file__).parent
    modules = {path.stem for path in folder.iterdir()}
    assert modules.isdisjoint(visnet_aug.__all__)


def test_types_are_those_that_a_type_checker_sees() -> None:
    """Names that are imported for type checkers and editors alone are the same."""
    source = Path(visnet_aug.__file__).read_text(encoding="utf-8")
    block = source[source.index("if TYPE_CHECKING:") : source.index("__version__ =")]
    scope: dict[str, object] = {}
    exec(inspect.cleandoc(block.partition("\n")[2]), scope)
    assert {name for name in scope if not name.startswith("__")} == set(NAMES)
    assert all(scope[name] is getattr(visnet_aug, name) for name in NAMES)


def test_importing_is_light() -> None:
    """Neither NumPy nor torch is imported, nor anything else that takes long."""
    code = (
        "import sys; before = set(sys.modules); import visnet_aug; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(eval(done.stdout))
    assert imported - {"visnet_aug"} <= set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folders that examples use: ``drawn``, a dataset, and ``aug``, built from it."""
    folder = tmp_path_factory.mktemp("examples")
    visnet_aug.draw_dataset(folder / "drawn", identities=4)
    visnet_aug.build(folder / "drawn", folder / "aug", workers=1)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = [
        test
        for test in doctest.DocTestFinder().find(getattr(visnet_aug, name), name, globs={})
        if test.examples
    ]
    assert any(test.name == name for test in found), f"{name} has no example"
    for test in found:
        runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
        report: list[str] = []
        runner.run(test, out=report.append)
        assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_have_their_sections(name: str) -> None:
    """Every argument and field is described."""
    thing = getattr(visnet_aug, name)
    text = inspect.getdoc(thing) or ""
    if isinstance(thing, type) and issubclass(thing, BaseModel):
        wanted = set(thing.model_fields)
    elif dataclasses.is_dataclass(thing):
        wanted = {field.name for field in dataclasses.fields(thing)}
    elif isinstance(thing, type) and issubclass(thing, Exception):
        wanted = set()
    else:
        wanted = set(inspect.signature(thing).parameters)
    assert {each for each in wanted if f"    {each}: " not in text} == set()


if __name__ == "__main__":
    SURFACE.write_text(surface(), encoding="utf-8")
