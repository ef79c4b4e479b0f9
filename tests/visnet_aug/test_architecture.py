"""The arrows of docs/architecture.md, held to the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import visnet_aug
import visnet_model

ROOT = Path(visnet_aug.__file__).parent

FLOOR = {
    "command": {"errors"},
    "errors": set(),
    "files": {"errors"},
    "arrays": set(),
    "hardware": {"errors"},
    "imports": set(),
    "manifest": {"errors", "files"},
    "pipeline_file": {"errors", "recipes"},
    "processes": {"errors"},
    "progress": set(),
    "recipes": set(),
    "shards": set(),
}
"""What both tools stand on; it knows nothing of what stands on it."""

ARROWS = {
    **FLOOR,
    "datasets": {"errors", "files", "processes", "progress", "manifest"},
    "backgrounds": {"arrays", "errors", "imports"},
    "masks": {"arrays", "errors", "files", "hardware", "progress", "datasets"},
    "recipe": {"pipeline_file", "datasets", "masks", "backgrounds"},
    "builder": {
        "processes", "progress", "errors", "files", "imports", "shards", "manifest", "datasets",
        "masks", "backgrounds", "recipe",
    },
    "verification": {
        "processes", "progress", "errors", "files", "shards", "manifest", "datasets", "masks",
        "recipe", "builder",
    },
    "reproduction": {
        "errors", "files", "shards", "manifest", "datasets", "masks", "backgrounds", "recipe",
        "builder",
    },
    "report": {
        "processes", "progress", "errors", "files", "shards", "manifest", "datasets", "masks",
        "recipe", "builder", "verification",
    },
    "previews": {
        "arrays", "errors", "files", "datasets", "masks", "backgrounds", "recipe", "builder",
    },
    "doctor": {"processes", "hardware", "masks"},
    "console": {"progress", "builder", "datasets", "doctor", "masks"},
    "cli": {
        "command", "progress", "recipe", "recipes", "builder", "report", "previews", "verification",
        "reproduction", "datasets", "masks", "backgrounds", "doctor", "console", "errors",
    },
}  # fmt: skip
"""What each room may import, beside itself."""


def sources() -> Iterator[tuple[str, str, ast.Module]]:
    """Yield every file's room, path and syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        if relative.name != "__init__.py" or len(relative.parts) > 1:
            yield relative.parts[0].removesuffix(".py"), str(relative), ast.parse(path.read_bytes())


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_arrows_between_rooms_run_one_way() -> None:
    found = defaultdict(set)
    for room, _, tree in sources():
        for node in ast.walk(tree):
            for name in imported(node):
                target = name.removeprefix("visnet_aug.").split(".")[0]
                if name.startswith("visnet_aug.") and target in ARROWS:
                    found[room].add(target)
    assert set(found) <= set(ARROWS)
    strays = {room: found[room] - {room} - ARROWS[room] for room in found}
    assert not any(strays.values()), strays


NETWORK_ROOMS = ("masks/segmenter.py", "masks/weights.py", "masks/fusion.py", "hardware.py")


@pytest.mark.parametrize("package", ["torch", "ultralytics"])
def test_networks_are_imported_by_the_mask_room_alone(package: str) -> None:
    for _, path, tree in sources():
        names = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
        assert package not in names or path in NETWORK_ROOMS, path


LIGHT = {
    "__future__", "click", "collections.abc", "functools", "pathlib", "typing",
    "visnet_aug.__version__", "visnet_aug.cli", "visnet_aug.command", "visnet_aug.errors",
    "visnet_aug.datasets.LAYOUTS",
}  # fmt: skip
"""What the command line may import before it knows the command."""


def test_heavy_packages_are_not_imported_with_the_command_line() -> None:
    for room, path, tree in sources():
        for name in (name for node in tree.body for name in imported(node)):
            light = any(name == one or name.startswith(f"{one}.") for one in LIGHT)
            assert room != "cli" or light, f"{path} imports {name}"


def test_global_generators_are_not_used() -> None:
    for _, path, tree in sources():
        for node in ast.walk(tree):
            assert not any(name.split(".")[0] == "random" for name in imported(node)), path
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
                assert node.attr in ("Generator", "default_rng", "SeedSequence"), path


@pytest.mark.parametrize(
    "package", [visnet_aug, visnet_model], ids=lambda package: package.__name__
)
def test_no_modules_import_each_other_in_a_circle(package: ModuleType) -> None:
    """Imports inside functions and for type checkers count, too."""
    files = modules(Path(str(package.__file__)).parent)
    graph = {name: set(modules_imported(path, files)) for name, path in files.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def modules(root: Path) -> dict[str, Path]:
    """Return a package's files by the names of their modules; a package has its folder's."""
    files = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts): path
        for path in sorted(root.rglob("*.py"))
    }
    return {name.removesuffix(".__init__"): path for name, path in files.items()}


def modules_imported(path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules of a package that one of its files imports, except the package itself."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        for name in imported(node):
            module = name if name in files else name.rpartition(".")[0]
            if "." in module and module in files and files[module] != path:
                yield module


BUILDER = (
    "build", "mask_exchange", "make", "ray", "local", "worker", "tables", "description", "engine",
    "packing", "rows", "render", "probe", "plan", "identity", "folder", "lock", "journal",
)  # fmt: skip
"""The rooms of the builder: each imports only rooms that stand further back in this list."""


def test_arrows_inside_the_builder_run_one_way() -> None:
    assert {path.stem for path in (ROOT / "builder").glob("*.py")} == {"__init__", *BUILDER}
    files = modules(ROOT)
    for number, room in enumerate(BUILDER):
        names = modules_imported(ROOT / "builder" / f"{room}.py", files)
        used = {name.rpartition(".")[2] for name in names if name.startswith("visnet_aug.builder.")}
        assert used <= set(BUILDER[number + 1 :]), room
