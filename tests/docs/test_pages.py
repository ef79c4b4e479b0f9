"""Pages say what the code says: blocks made from it are up to date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from docsite.errors import error_classes
from docsite.makers import MAKERS
from docsite.markdown import attributes, describe, limits
from docsite.pages import FOLDER, names_of_blocks, out_of_date, up_to_date
from docsite.records import type_in_words
from docsite.settings import settings_table, values_of
from visnet_aug.command import CHECK_FAILED, INTERRUPTED

PAGES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_what_the_code_says(page: str) -> None:
    text = (FOLDER / page).read_text(encoding="utf-8")
    made = up_to_date(text, MAKERS)
    assert text.splitlines() == made.splitlines(), "run: python -m docsite"


def test_every_maker_has_its_block_once() -> None:
    pages = ((FOLDER / page).read_text(encoding="utf-8") for page in PAGES)
    assert sorted(name for page in pages for name in names_of_blocks(page)) == sorted(MAKERS)


def test_a_page_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "before\n\n<!-- made by docsite: a -->\nold\n<!-- end -->\n\nafter\n"
    (tmp_path / "page.md").write_text(page)
    (tmp_path / "plain.md").write_text("no block")
    monkeypatch.setattr("docsite.pages.FOLDER", tmp_path)
    [(path, made)] = out_of_date({"a": lambda: "new\\1"})
    assert path.name == "page.md"
    assert made == page.replace("old\n", "\nnew\\1\n\n")
    path.write_text(made)
    assert list(out_of_date({"a": lambda: "new\\1"})) == []


def test_every_exit_code_has_its_advice() -> None:
    page = (FOLDER / "errors.md").read_text(encoding="utf-8")
    codes = {kind.exit_code for kind in error_classes()} | {CHECK_FAILED, INTERRUPTED}
    assert {int(code) for code in re.findall(r"^### (\d+): ", page, re.MULTILINE)} == codes


class Base(BaseModel):
    """What all have.

    More of it.

    Attributes:
        share: A part,
            of ``1``.
        name: Of the base.
    """

    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    name: str | None = "a|b"


class Below(Base):
    """Another.

    Attributes:
        name: See :func:`name`; ``None`` for none.
        size_pixels: Of it.
        kind: Which.
        bounds: From where to where.
    """

    name: str | None = None
    size_pixels: Annotated[int, Field(ge=1, le=2**64 - 1)] = 3
    kind: Literal["one", "two"] = "one"
    bounds: tuple[float, float] = (0.0, 1.0)


def test_docstrings_are_read_with_those_of_bases() -> None:
    assert describe(Base) == "What all have.\n\nMore of it."
    assert attributes(Below)["share"] == "A part, of `1`."
    assert attributes(Below)["name"] == "See `name`; `None` for none."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("share", "number, ≥ 0, < 1"),
        ("name", "text or `null`"),
        ("size_pixels", "integer, 1 to 2^64 − 1; pixels"),
        ("kind", "`one`, `two`"),
        ("bounds", "[low, high], each number"),
    ],
)
def test_values_are_said_in_words(name: str, words: str) -> None:
    assert values_of(Below, name).replace("\N{NO-BREAK SPACE}", " ") == words


def test_settings_have_a_row_each_with_default_and_meaning() -> None:
    rows = settings_table(Below(name="a|b")).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert rows[2] == "| `share` | `0.5` | number, ≥ 0, < 1 | A part, of `1`. |"
    assert rows[3] == "| `name` | `a\\|b` | text or `null` | See `name`; `null` for none. |"
    assert len(rows) == 2 + len(Below.model_fields)


def test_a_setting_without_meaning_is_an_error() -> None:
    class Silent(Base):
        """Says nothing of it."""

        unsaid: int = 0

    with pytest.raises(ValueError, match=r"Silent\.unsaid"):
        settings_table(Silent())


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0, 1), "0 to 1"),
        ((0, None), "≥ 0"),
        ((0, None, True), "> 0"),
        ((0, 180, True), "> 0, ≤ 180"),
        ((0, 2**64, False, True), "≥ 0, < 2^64"),
        ((None, None), ""),
    ],
)
def test_limits(bounds: tuple[float | None, ...], words: str) -> None:
    assert limits(*bounds).replace("\N{NO-BREAK SPACE}", " ") == words  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "integer"),
        (float | None, "number, or empty"),
        (Literal["a", "", "b"], "`a`, empty, `b`"),
        (dict[str, int] | None, "JSON object, or empty"),
    ],
)
def test_types_of_cells_are_said_in_words(kind: object, words: str) -> None:
    assert type_in_words(kind) == words
