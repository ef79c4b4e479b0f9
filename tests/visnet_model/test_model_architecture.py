"""The arrows of docs/architecture.md between the rooms of visnet_model, held to the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import visnet_model

ROOT = Path(visnet_model.__file__).parent

FLOOR = (
    "visnet_aug.__version__",
    "visnet_aug.command.",
    "visnet_aug.errors.",
    "visnet_aug.files.",
    "visnet_aug.hardware.",
    "visnet_aug.manifest.",
    "visnet_aug.pipeline_file.",
    "visnet_aug.processes.",
    "visnet_aug.progress.",
    "visnet_aug.shards.",
    "visnet_aug.datasets.images.",
)
"""What both tools stand on: all that visnet_model may import of visnet_aug."""

GROUND = {"errors", "precision", "provenance"}
"""Small rooms that all others may use."""

ARROWS = {
    "errors": set(),
    "precision": set(),
    "provenance": set(),
    "network": set(),
    "losses": set(),
    "data": set(),
    "config": {"data"},
    "evaluation": {"data", "network"},
    "training": {"config", "data", "network", "losses", "evaluation"},
    "export": {"config", "data", "network", "evaluation", "training"},
    "cli": {"config", "data", "network", "evaluation", "training", "export"},
}
"""What each room may import, beside itself, the ground and the floor."""

EVERYWHERE = {"torch", "torchvision", "numpy", "PIL", "click", "pydantic", "rich", "safetensors"}
"""Packages that a machine with a GPU needs for training; others have their place below."""

ELSEWHERE = {
    "matplotlib": {"training/curves.py", "evaluation/plots.py", "evaluation/strips.py"},
    "thop": {"network/complexity.py"},
    "onnx": {"export/onnx_file.py"},
    "onnxruntime": {"export/onnx_file.py"},
}


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
                if name.startswith("visnet_model."):
                    found[room].add(name.split(".")[1])
    assert set(found) <= set(ARROWS)
    strays = {room: found[room] - {room} - ARROWS[room] - GROUND for room in found}
    assert not any(strays.values()), strays


def test_of_the_builder_only_the_floor_is_used() -> None:
    for _, path, tree in sources():
        for node in ast.walk(tree):
            for name in imported(node):
                assert not name.startswith("visnet_aug") or name.startswith(FLOOR), (path, name)


@pytest.mark.parametrize("package", sorted(ELSEWHERE))
def test_packages_that_few_need_have_their_place(package: str) -> None:
    for _, path, tree in sources():
        names = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
        assert package not in names or path in ELSEWHERE[package], path


def test_nothing_else_is_needed() -> None:
    """On a machine with a GPU, few packages beside torch's own are to be installed."""
    import sys

    known = EVERYWHERE | set(ELSEWHERE) | {"visnet_aug", "visnet_model"} | sys.stdlib_module_names
    for _, path, tree in sources():
        names = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
        assert names <= known, (path, names - known)


def test_heavy_packages_are_not_imported_with_the_command_lines() -> None:
    light = {"click", "sys", "pathlib", "typing", "collections", "__future__"}
    for room, path, tree in sources():
        if room == "cli":
            names = [name for node in tree.body for name in imported(node)]
            ours = {name for name in names if name.startswith("visnet_")}
            assert {name.split(".")[0] for name in names} <= light | {"visnet_aug", "visnet_model"}
            allowed = (
                "visnet_model.cli.common.", "visnet_model.errors.", "visnet_aug.command.",
                "visnet_aug.errors.",
            )  # fmt: skip
            assert all(name.startswith(allowed) for name in ours), (path, ours)
