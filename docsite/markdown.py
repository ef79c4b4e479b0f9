"""Small pieces of Markdown, and Google docstrings turned into them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

_SECTION = re.compile(r"^(Attributes|Args|Raises|Returns|Yields|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): ?(.*)$")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table; a cell's line breaks become spaces."""
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(lines)


def code(text: object) -> str:
    """Set a short text in typewriter face."""
    return f"`{text}`"


def fence(text: str, language: str = "") -> str:
    """Set lines as they are."""
    return f"```{language}\n{text.rstrip()}\n```"


def blocks(*parts: str) -> str:
    """Join paragraphs, tables and headings, with a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def limits(
    low: float | None, high: float | None, low_open: bool = False, high_open: bool = False
) -> str:
    """Say a number's limits: ``0 to 1``, or ``> 0, ≤ 180``; nothing where it has none."""
    if low is not None and high is not None and not (low_open or high_open):
        return f"{_number(low)} to {_number(high)}"
    least = [] if low is None else [f"{'>' if low_open else '≥'}\N{NO-BREAK SPACE}{_number(low)}"]
    most = [] if high is None else [f"{'<' if high_open else '≤'}\N{NO-BREAK SPACE}{_number(high)}"]
    return ", ".join(least + most)


def describe(thing: type) -> str:
    """Return a class's docstring up to its first section, as Markdown."""
    return _markdown(_SECTION.split(_docstring(thing), maxsplit=1)[0])


def attributes(thing: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute, as Markdown."""
    found: dict[str, str] = {}
    for base in reversed(thing.__mro__):
        found |= _entries(_docstring(base))
    return found


def _docstring(thing: type) -> str:
    """Return a class's own docstring without its indent: none is inherited."""
    return inspect.cleandoc(thing.__dict__.get("__doc__") or "")


def _entries(docstring: str) -> dict[str, str]:
    """Read the section ``Attributes``."""
    parts = _SECTION.split(docstring)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    entries: dict[str, list[str]] = {}
    words: list[str] = []
    for line in sections.get("Attributes", "").splitlines():
        if match := _ENTRY.match(line):
            words = entries.setdefault(match[1], [])
            words.append(match[2])
        else:
            words.append(line.strip())
    return {name: _markdown(" ".join(words)) for name, words in entries.items()}


def _markdown(text: str) -> str:
    """Turn reStructuredText's code and roles into Markdown's code."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`").strip()


def _row(cells: Sequence[str]) -> str:
    texts = (re.sub(r"\s*\n\s*", " ", cell.strip()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _number(value: float) -> str:
    """Write a limit shortly: large ones are powers of two, or one below."""
    for shift, suffix in ((0, ""), (1, " − 1")):
        if value > 2**32 and (int(value) + shift).bit_count() == 1:
            return f"2^{(int(value) + shift).bit_length() - 1}{suffix}"
    return f"{value:g}"
