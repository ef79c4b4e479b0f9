"""Pages of ``docs/`` contain prose and, between two marks, blocks that are generated from code.

A block is between ``<!-- made by docsite: NAME -->`` and ``<!-- end -->`` and is replaced as a
whole. The prose around it is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Maker = Callable[[], str]

FOLDER = Path(__file__).parents[1] / "docs"

_BLOCK = re.compile(r"(<!-- made by docsite: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def up_to_date(page: str, makers: Mapping[str, Maker]) -> str:
    """Return a page with all of its blocks generated again.

    Raises:
        KeyError: No maker has the name of a block.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n\n{found[3]}", page)


def names_of_blocks(page: str) -> list[str]:
    """Return the names of a page's blocks, in order."""
    return [found[2] for found in _BLOCK.finditer(page)]


def out_of_date(makers: Mapping[str, Maker]) -> Iterator[tuple[Path, str]]:
    """Yield the path of each page with outdated blocks, and its updated text."""
    for path in sorted(FOLDER.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        made = up_to_date(page, makers)
        if made != page:
            yield path, made
