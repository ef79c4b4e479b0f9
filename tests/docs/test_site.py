"""The site builds strictly, its links lead somewhere, and it fetches nothing from elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("zensical", reason="the site's generator is not installed")

LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
"""What a page fetches by itself, beside what it links to."""


@dataclass
class Page(HTMLParser):
    """A page's ids and links."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and (target := values.get(LOADED[tag])):
            self.loads.append(target)


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(root / "docs", folder / "docs")
    shutil.copy(root / "zensical.toml", folder)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def pages(project: Path) -> dict[Path, Page]:
    found = {}
    for path in sorted((project / "site").rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def build(folder: Path) -> None:
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def nav_pages(nav: object) -> Iterator[str]:
    for entry in nav if isinstance(nav, list) else [nav]:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from nav_pages(value)
        else:
            yield str(entry)


def test_every_page_is_in_the_navigation_once(root: Path) -> None:
    config = tomllib.loads((root / "zensical.toml").read_text())
    docs = root / "docs"
    written = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    assert sorted(nav_pages(config["project"]["nav"])) == written


def test_links_lead_to_pages_pictures_and_headings(pages: dict[Path, Page]) -> None:
    assert len(pages) > 10
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are absolute: it is shown anywhere
            continue
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchors = pages[target].ids if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(pages: dict[Path, Page]) -> None:
    fetched = [f"{path.name}: {link}" for path, page in pages.items() for link in page.loads]
    assert not [line for line in fetched if "//" in line]


def test_only_what_is_read_is_published(project: Path) -> None:
    docs = project / "docs"
    files = [path.relative_to(docs) for path in docs.rglob("*") if path.is_file()]
    own = [path for path in files if path.parts[0] != "vendor"]
    assert {path.suffix for path in own} <= {
        ".md",
        ".ipynb",
        ".jpg",
        ".png",
        ".webp",
        ".svg",
        ".css",
    }


@pytest.mark.parametrize("link", ["gone.md", "results.md#no-such-heading"])
def test_a_broken_link_fails_the_build(tmp_path: Path, root: Path, link: str) -> None:
    shutil.copytree(root / "docs", tmp_path / "docs")
    shutil.copy(root / "zensical.toml", tmp_path)
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write(f"\n[broken]({link})\n")
    with pytest.raises(AssertionError, match="does not exist"):
        build(tmp_path)
