from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from visnet_aug.builder.build import build
from visnet_aug.errors import ManifestError, OutputError
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.report.site import write_report

CopyOf = Callable[[str], Path]


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def parts(root: Path) -> Path:
    (folder,) = (root / "report").glob("page-*")
    return folder


def page_data(root: Path) -> dict[str, Any]:
    """What the page's script is called with."""
    script = (parts(root) / "images.js").read_text()
    data: dict[str, Any] = json.loads(script.removeprefix("visnet.images(").removesuffix(");\n"))
    return data


def image_paths(data: dict[str, Any]) -> list[str]:
    """The paths that the script puts together."""
    folders = data["images"]["folder"]
    pairs = zip(folders["codes"], data["images"]["name"], strict=True)
    return [f"{folders['words'][code]}/{name}" for code, name in pairs]


class Elements(HTMLParser):
    """Names and attributes of a page's elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", ["set", "published", "probe"])
def test_the_page_knows_every_image(reports: dict[str, Path], name: str) -> None:
    rows = read_manifest(reports[name] / "manifest.csv")
    data = page_data(reports[name])
    images = data["images"]
    paths = image_paths(data)
    assert paths == [row.path for row in rows]
    for row, source in zip(rows, images["source"], strict=True):
        assert source == (
            row.source if name == "published" and row.copy else paths.index(row.source)
        )
    assert images["pid"] == [row.pid for row in rows]
    assert all(0 <= value <= 255 for value in images["brightness"])
    assert data["keepsOriginals"] is (name != "published")  # which has those of test images alone


@pytest.mark.parametrize("name", ["set", "published", "probe"])
def test_records_are_the_manifests(reports: dict[str, Path], name: str) -> None:
    script = (parts(reports[name]) / "records-0000.js").read_text()
    _, _, text = script.removesuffix(");\n").partition(",")
    rows = read_manifest(reports[name] / "manifest.csv")
    for record, row in zip(json.loads(text), rows, strict=True):
        assert record == {
            "seed": None if row.seed is None else str(row.seed),
            "params": row.params,
            "mask": row.mask,
            "mask_area": row.mask_area,
            "mask_confidence": row.mask_confidence,
            "mask_quality": row.mask_quality,
            "sha256": row.sha256,
        }


def test_the_page_tells_what_was_built(reports: dict[str, Path]) -> None:
    text = re.sub(r"<[^>]*>|\s+", " ", (reports["set"] / "report/index.html").read_text())
    for said in ("47 images", "17 of them", "as planned", "12 originals + 17 copies + 6 query"):
        assert said in text
    assert "not as it was built" not in text
    assert "cannot be shown" not in text


def test_all_that_the_page_names_is_there(reports: dict[str, Path]) -> None:
    for root in reports.values():
        page = root / "report/index.html"
        for _, attributes in Elements(page.read_text()).found:
            for name in ("src", "href"):
                address = attributes.get(name) or ""
                if address and not address.startswith(("#", "data:")):
                    assert (page.parent / address).is_file(), address


def test_the_same_build_gives_the_same_files(copy_of: CopyOf, reports: dict[str, Path]) -> None:
    root = copy_of("set")
    write_report(root, workers=2)
    first = tree(root / "report")
    write_report(root, workers=1)
    assert tree(root / "report") == first
    before = tree(reports["set"] / "report")
    its_own = ("index.html", "images.js", "timings.json")  # the folder's name, the build's time
    there = {name for name in before if not name.endswith(its_own)}
    assert there
    assert {Path(name).name for name in there} <= {Path(name).name for name in first}


def test_a_sample_shows_whole_sisterhoods_and_counts_all(copy_of: CopyOf) -> None:
    root = copy_of("set")
    page = write_report(root, sample=10, workers=1).read_text()
    shown = set(image_paths(page_data(root)))
    rows = read_manifest(root / "manifest.csv")
    assert len(shown) < len(rows) == 47
    sources = {row.source for row in rows if row.path in shown}
    assert len(sources) == 10
    assert shown == {row.path for row in rows if row.source in sources}
    assert f"a sample of {len(shown)} images" in page
    assert ">47<" in page


def times_told(root: Path) -> str:
    """What the page says about how long the build took."""
    page = write_report(root, workers=1).read_text()
    part = page.partition("How long it took</h2>")[2].partition("</div>")[0]
    return re.sub(r"<[^>]*>|\s+", " ", part)


def test_the_page_tells_how_long_it_took_if_that_is_known(
    copy_of: CopyOf, reports: dict[str, Path]
) -> None:
    root = copy_of("set")
    assert "Nothing beside this set says so" in times_told(root)
    path = root / "report/timings.json"
    shutil.copy(reports["set"] / "report/timings.json", path)
    data = path.read_bytes()
    said = times_told(root)
    assert path.read_bytes() == data  # though the rest of the folder was replaced
    for words in ("read", "render", "masks/s", "images/s", "47 images and 12 masks", "1 process"):
        assert words in said
    assert "last run alone" not in said
    path.write_text(json.dumps(json.loads(data) | {"made": 2, "found": 45, "masks": 0}))
    said = times_told(root)
    assert "runs before it, which did not come to their end, had made 45 images" in said
    assert "masks/s" not in said
    path.write_text(json.dumps(json.loads(data) | {"manifest": "0" * 64}))
    assert "another build" in times_told(root)
    path.write_bytes(data[:-20])
    assert "damaged" in times_told(root)


def test_files_that_cannot_be_shown_are_told(copy_of: CopyOf) -> None:
    root = copy_of("set")
    rows = read_manifest(root / "manifest.csv")
    (root / rows[0].path).unlink()
    (root / rows[1].path).write_bytes(b"\xff\xd8\xff no picture")
    masked = next(row for row in rows if row.mask)
    (root / str(masked.mask)).unlink()
    page = write_report(root, workers=1).read_text()
    assert "3 files cannot be shown" in page
    for path in (rows[0].path, rows[1].path, str(masked.mask)):
        assert f"<code>{path}</code>" in page
    assert page_data(root)["images"]["brightness"][:2] == [-1, -1]


def test_damaged_tables_are_told(copy_of: CopyOf) -> None:
    root = copy_of("set")
    for name in ("build.json", "recipe.yaml", "rejected.csv"):
        (root / name).write_text("{")
    page = write_report(root, workers=1).read_text()
    assert "not as it was built" in page
    assert "build.json: damaged" in page


def test_a_manifest_without_images_is_shown_as_such(copy_of: CopyOf) -> None:
    root = copy_of("set")
    header = (root / "manifest.csv").read_text().partition("\n")[0]
    (root / "manifest.csv").write_text(f"{header}\n")
    page = write_report(root, workers=1).read_text()
    assert "planned were 47" in page
    assert "manifest.csv: changed since it was built" in page
    assert image_paths(page_data(root)) == []


def test_a_set_in_shards_is_shown(market: Path, picky: SegmenterFactory, tmp_path: Path) -> None:
    recipe = Recipe(images=47)
    build(market, tmp_path / "out", recipe=recipe, workers=1, shards=3, segmenter=picky)
    write_report(tmp_path / "out", workers=1)
    images = page_data(tmp_path / "out")["images"]
    assert not any(images["linkable"])
    assert min(images["brightness"]) >= 0
    assert {path.partition("/")[0] for path in images["origin"] if path} == {
        "bounding_box_train", "query", "bounding_box_test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (shutil.rmtree, OutputError, "no such folder"),
        (lambda root: (root / "manifest.csv").unlink(), OutputError, "no manifest.csv"),
        (lambda root: (root / "manifest.csv").write_text(""), ManifestError, "empty"),
        (lambda root: (root / "report").write_text(""), OutputError, "report"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(
    copy_of: CopyOf, damage: Callable[[Path], object], error: type[Exception], said: str
) -> None:
    root = copy_of("set")
    damage(root)
    with pytest.raises(error, match=said):
        write_report(root, workers=1)


def test_names_never_become_markup(hostile: Path, reports: dict[str, Path]) -> None:
    def scripts(root: Path) -> list[str | None]:
        page = Elements((root / "report/index.html").read_text())
        assert not any(tag == "img" for tag, _ in page.found)
        assert not any(name.startswith("on") for _, names in page.found for name in names)
        return [names.get("src") for tag, names in page.found if tag == "script"]

    names = [str(source).rpartition("/")[2] for source in scripts(hostile)]
    assert names == [str(source).rpartition("/")[2] for source in scripts(reports["set"])]
    data = [path for path in parts(hostile).glob("*.js") if path.name[:6] in ("images", "record")]
    assert len(data) == 2
    for path in data:
        assert not set("<>&\u2028") & set(path.read_text())
