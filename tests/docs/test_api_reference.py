"""The reference of the public API names every public name once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from docsite.api import GROUPS


@pytest.mark.parametrize("package", GROUPS)
def test_every_public_name_has_its_place(package: str) -> None:
    listed = [name for names in GROUPS[package].values() for name in names]
    public = set(import_module(package).__all__) - {"__version__"}
    assert sorted(listed) == sorted(public)


def test_every_package_has_a_page(root: Path) -> None:
    pages = {path.stem for path in (root / "docs" / "api").glob("*.md")}
    assert pages == {"index", *GROUPS}
