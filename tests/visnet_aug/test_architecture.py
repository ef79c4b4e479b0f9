"""The arrows of docs/architecture.md, held to the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import visnet_aug

ROOT = Path(visnet_aug.__file__).parent

ARROWS = {
    "errors": set(),
    "hardware": {"errors"},
    "command": {"errors"},
    "processes": {"errors"},
    "progress": set(),
    "recipes": set(),
    "pipeline_file": {"errors", "recipes"},
    "files": {"errors"},
    "imports": set(),
    "shards": set(),
    "manifest": {"errors", "files"},
    "datasets": {"errors", "files", "processes"},
    "backgrounds": {"errors", "imports"},
    "masks": {"errors", "files", "hardware", "datasets"},
    "recipe": {"pipeline_file", "datasets", "masks", "backgrounds"},
    "build": {
        "processes", "errors", "files", "imports", "shards", "manifest", "datasets", "masks",
        "backgrounds", "recipe",
    },
    "report": {
        "processes", "progress", "errors", "files", "shards", "manifest", "datasets", "masks",
        "recipe", "build", "verify",
    },
    "preview": {"errors", "files", "datasets", "masks", "backgrounds", "recipe", "build"},
    "doctor": {"processes", "hardware", "masks"},
    "verify": {
        "processes", "errors", "files", "shards", "manifest", "datasets", "masks", "recipe",
        "build",
    },
    "replay": {
        "errors", "files", "shards", "manifest", "datasets", "masks", "backgrounds", "recipe",
        "build",
    },
    "console": {"progress", "build", "datasets", "doctor", "masks"},
    "cli": {
        "command", "progress", "recipe", "recipes", "build", "report", "preview", "verify",
        "replay", "datasets", "backgrounds", "doctor", "console", "errors",
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


NETWORKS = ("hardware.py", "masks/segmenter.py", "masks/weights.py")


@pytest.mark.parametrize("package", ["torch", "ultralytics"])
def test_networks_are_imported_by_the_mask_room_alone(package: str) -> None:
    for _, path, tree in sources():
        names = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
        assert package not in names or path in NETWORKS, path


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


def test_every_file_fits_a_room() -> None:
    lengths = {
        str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in ROOT.rglob("*.py")
    }
    assert max(lengths.values()) <= 400, max(lengths, key=lambda path: lengths[path])
