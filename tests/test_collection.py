"""Every test in the tree is collected: pytest skips some folders, such as ``build``, by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

HELPERS = {"conftest.py", "fake_segmenters.py", "steps_of_ranks.py"}
"""Names of the files below ``tests`` that hold no tests."""


def written(paths: Iterable[Path]) -> set[str]:
    """Return the test functions in files and folders, as ``path::name``."""
    files = {
        file
        for path in paths
        for file in (path.rglob("*.py") if path.is_dir() else [path])
        if file.name not in HELPERS
    }
    return {f"{file}::{name}" for file in files for name in functions(ast.parse(file.read_bytes()))}


def functions(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from (f"{node.name}::{name}" for name in functions(node))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield node.name


def test_every_test_that_was_asked_for_is_collected(
    request: pytest.FixtureRequest,
) -> None:
    """Run with the whole suite, this covers the whole tree, at no cost."""
    config = request.config
    asked = [Path(argument) for argument in config.args]
    filters = ("keyword", "markexpr", "deselect", "ignore", "lf")
    if any(config.getoption(name, None) for name in filters) or not all(map(Path.exists, asked)):
        pytest.skip("only some tests of a file were asked for")
    items = {item.nodeid.partition("[")[0] for item in request.session.items}
    there = {f"{config.rootpath / nodeid}" for nodeid in items}
    assert written(path.resolve() for path in asked) == there


def test_a_folder_that_pytest_skips_by_name_would_be_seen(tmp_path: Path) -> None:
    for path in (tmp_path / "build" / "test_skipped.py", tmp_path / "test_collected.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"def {path.stem}(): ...")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    collected = {str(tmp_path / line) for line in result.stdout.splitlines() if "::" in line}
    skipped = f"{tmp_path}/build/test_skipped.py::test_skipped"
    assert written([tmp_path]) - collected == {skipped}
