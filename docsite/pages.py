"""Pages of ``docs/`` hold prose and, between two marks, blocks that the code decides.

A block stands between ``<!-- made by docsite: NAME -->`` and ``<!-- end -->``. Prose around it is
written by hand; what is between is replaced as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Maker = Callable[[], str]

FOLDER = Path(__file__).parents[1] / "docs"

_BLOCK = re.compile(r"(<!-- made by docsite: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def up_to_date(page: str, makers: Mapping[str, Maker]) -> str:
    """Return a page with each of its blocks made anew.

    Raises:
        KeyError: Nothing makes a block of this name.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n\n{found[3]}", page)


def names_of_blocks(page: str) -> list[str]:
    """Return the names of a page's blocks, in order."""
    return [found[2] for found in _BLOCK.finditer(page)]


def out_of_date(makers: Mapping[str, Maker]) -> Iterator[tuple[Path, str]]:
    """Yield each page whose blocks are not what the code says, and what it should be."""
    for path in sorted(FOLDER.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        made = up_to_date(page, makers)
        if made != page:
            yield path, made
