"""The page in a real browser: what people do with it, and what it must never do."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from visnet_aug.builder.build import build
from visnet_aug.cli.main import main
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe
from visnet_aug.report.site import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

VIEWS = ("overview", "families", "masks", "rejected", "distributions", "images", "recipe")

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a build's report; in the end there must have been no error and no request."""
    wrong: list[str] = []
    contexts = []

    def open_page(
        root: Path, address: str = "", *, width: int = 1280, scheme: str = "light"
    ) -> Page:
        viewport = {"width": width, "height": 800}
        context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"{error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("requestfailed", lambda request: wrong.append(f"not there: {request.url}"))
        page.on(
            "request",
            lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url),
        )
        page.goto((root / "report/index.html").as_uri() + address)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def rows(root: Path, which: Callable[[ManifestRow], bool] = lambda row: True) -> list[ManifestRow]:
    return [row for row in read_manifest(root / "manifest.csv") if which(row)]


def name(row: ManifestRow) -> str:
    return row.path.rpartition("/")[2]


def shown(page: Page) -> list[str]:
    """The names of the images in the grid, all of which fit the screen."""
    titles = page.eval_on_selector_all("#grid .tile", "tiles => tiles.map(tile => tile.title)")
    return [str(title) for title in titles]


def address(row: ManifestRow) -> str:
    return f"#/image/{quote(row.path)}"


@pytest.mark.parametrize("which", ["set", "published", "probe"])
def test_all_views_open(reports: dict[str, Path], open_page: Open, which: str) -> None:
    page = open_page(reports[which])
    for number, view in enumerate(VIEWS, 1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"#{view}", state="visible")
        page.wait_for_function("document.querySelectorAll('nav [aria-current=page]').length === 1")
        assert page.locator(".view:visible").count() == 1
        assert page.locator("nav [aria-current=page]").get_attribute("data-view") == view
        if view in ("overview", "families", "masks", "images"):
            assert page.locator(f"#{view} .picture").count() > 0
    for view in reversed(VIEWS[:-1]):
        page.go_back()
        page.wait_for_selector(f"#{view}", state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(
    reports: dict[str, Path], open_page: Open, scheme: str
) -> None:
    for width in (390, 1280):
        page = open_page(reports["set"], width=width, scheme=scheme)
        for number in range(1, len(VIEWS) + 1):
            page.keyboard.press(str(number))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(page.url.partition("#")[0] + address(rows(reports["set"])[0]))
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_follow_the_system_until_they_are_chosen(
    reports: dict[str, Path], open_page: Open
) -> None:
    page = open_page(reports["set"], scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.click("#theme")
    light = page.evaluate(colour)
    assert light != dark
    page.reload()
    assert page.evaluate(colour) == light
    page.click("#theme")
    assert page.evaluate(colour) == dark
    assert page.locator("#theme").get_attribute("aria-label") == "Colours: dark"


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("pid=2", lambda row: row.pid == 2),
        ("pid=-1", lambda row: row.pid == -1),
        ("camera=3", lambda row: row.camid == 3),
        ("split=gallery", lambda row: row.split == "gallery"),
        ("kind=augmented", lambda row: row.kind == "augmented"),
        ("family=noise", lambda row: row.family == "noise"),
        ("variant=gaussian", lambda row: row.variant == "gaussian"),
        ("mask=usable", lambda row: row.mask is not None),
        ("mask=none%3A+border", lambda row: "0002_c1" in row.path),
        ("q=0002_c2+NOISE", lambda row: "0002_c2" in row.path and row.family == "noise"),
        ("pid=1&camera=1", lambda row: (row.pid, row.camid) == (1, 1)),
        ("q=nobody", lambda row: False),
    ],
)  # fmt: skip
def test_addresses_filter(
    reports: dict[str, Path], open_page: Open, query: str, which: Callable[[ManifestRow], bool]
) -> None:
    page = open_page(reports["set"], f"#/images?{query}")
    wanted = rows(reports["set"], which)
    assert sorted(shown(page)) == sorted(map(name, wanted))
    assert page.inner_text("#found").startswith(f"{len(wanted)} of 47 images")
    assert page.locator("#nothing").is_visible() is (not wanted)
    assert page.inner_text("#active") == ("" if query.startswith("q=") else str(query.count("=")))


def test_the_form_filters_and_back_undoes_it(reports: dict[str, Path], open_page: Open) -> None:
    page = open_page(reports["set"], "#/images")
    everything = shown(page)
    page.select_option("[name=kind]", "augmented")
    page.wait_for_url("**/*#/images?kind=augmented")
    page.select_option("[name=family]", "blur")
    page.wait_for_url("**/*family=blur")
    blurred = rows(reports["set"], lambda row: row.family == "blur")
    assert sorted(shown(page)) == sorted(map(name, blurred))
    choices = page.eval_on_selector_all("[name=variant] option", "all => all.map(o => o.value)")
    assert set(choices) == {"", *(row.variant for row in blurred)}
    page.go_back()
    page.wait_for_function("document.forms.filters.family.value === ''")
    assert page.input_value("[name=kind]") == "augmented"
    page.click("text=Clear")
    page.wait_for_url("**/*#/images")
    page.wait_for_selector("#found:has-text('47 of 47')")
    assert shown(page) == everything
    page.keyboard.press("/")
    page.keyboard.type("0011_c1")
    page.wait_for_url("**/*q=0011_c1")
    page.wait_for_selector("#found:has-text('2 of 47')")
    assert all("0011_c1" in title for title in shown(page))


@pytest.mark.parametrize("column", ["intensity", "area", "confidence", "brightness"])
def test_images_stand_in_order(reports: dict[str, Path], open_page: Open, column: str) -> None:
    page = open_page(reports["set"], f"#/images?kind=augmented&order={column}")
    values = f"visnet.grid.found.map((i) => visnet.store.{column}(i))"
    rising = page.evaluate(values)
    assert rising == sorted(rising)
    page.select_option("[name=order]", f"-{column}")
    page.wait_for_url(f"**/*order=-{column}")
    assert page.evaluate(values) == sorted(rising, reverse=True)


def test_a_click_opens_an_image_with_all_that_is_known(
    reports: dict[str, Path], open_page: Open
) -> None:
    row = rows(reports["set"], lambda row: row.kind == "augmented")[3]
    page = open_page(reports["set"], "#/images?kind=augmented")
    page.click(f"#grid [title='{name(row)}']")
    dialog = page.locator("#detail")
    page.wait_for_selector(f"text={row.sha256}")
    assert page.url.endswith(address(row))
    assert dialog.locator("h2").inner_text() == name(row)
    captions = dialog.locator(".pictures figcaption").all_inner_texts()
    assert captions == ["source", str(row.family).replace("_", " ")]
    record = dialog.locator("#record").inner_text()
    for value in (row.source, row.variant, row.seed, row.mask, row.mask_area, row.intensity):
        assert str(value) in record
    loaded = "images => images.every((image) => image.complete && image.naturalWidth > 0)"
    page.wait_for_function(f"({loaded})([...document.querySelectorAll('#detail img')])")
    assert dialog.locator(".pictures .mask").count() == 0
    page.keyboard.press("m")
    assert dialog.locator(".pictures .mask").count() == 2
    made_of = rows(reports["set"], lambda other: other.source == row.source)
    assert dialog.locator("#detail-sisters .tile").count() == len(made_of)
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    assert page.url.endswith("#/images?kind=augmented")


def test_the_command_that_is_copied_replays_the_image(
    reports: dict[str, Path],
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = rows(reports["set"], lambda row: row.kind == "augmented")[0]
    page = open_page(reports["set"], address(row))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("c")
    page.wait_for_selector("#said.shown")
    command = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    assert command == ["visnet-aug", "replay", str(reports["set"].resolve()), row.path]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    assert (left.value.code or 0, "the same bytes" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize("which", ["set", "published", "probe", "sample"])
def test_links_find_as_many_images_as_they_say(
    reports: dict[str, Path], open_page: Open, tmp_path: Path, which: str
) -> None:
    root = reports.get(which) or shutil.copytree(reports["set"], tmp_path / "out")
    if which == "sample":
        write_report(root, sample=10, workers=1)
    page = open_page(root)
    links: dict[str, str] = {}
    for view in ("masks", "rejected", "families"):
        page.goto(page.url.partition("#")[0] + f"#/{view}")
        page.wait_for_selector(f"#{view}", state="visible")
        found = page.locator(f"#{view} .subhead .all").all()
        links |= {str(link.get_attribute("href")): link.inner_text() for link in found}
    assert len(links) >= 6
    for query, said in links.items():
        page.goto(page.url.partition("#")[0] + query)
        number = re.match(r"[\d,]+", page.inner_text("#found"))
        assert number is not None
        assert said == f"all {number[0]} →"
        assert number[0] != "0"
    if which != "published":  # with a mask once, not again for each of its copies
        accepted = sum(row.mask is not None and row.kind == "original" for row in rows(root))
        usable = "#/images?mask=usable&order=confidence&kind=original"
        assert which == "sample" or links[usable] == f"all {accepted} →"


def test_without_originals_the_page_says_so(reports: dict[str, Path], open_page: Open) -> None:
    row = rows(reports["published"], lambda row: row.kind == "augmented")[0]
    page = open_page(reports["published"])
    assert "Copies stand without their originals" in page.inner_text("#overview .lede")
    page = open_page(reports["published"], address(row))
    assert f"{row.source} is not in this set" in page.inner_text("#detail-note")
    assert page.locator("#detail-pictures figure").count() == 1
    assert page.inner_text("#command").endswith("--src SOURCE_DATASET")


def test_the_keyboard_is_enough(reports: dict[str, Path], open_page: Open) -> None:
    page = open_page(reports["set"], "#/images?split=train")
    titles = shown(page)
    focused = "document.activeElement.title"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == titles[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == titles[2]
    page.keyboard.press("End")
    assert page.evaluate(focused) == titles[-1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    below = titles.index(page.evaluate(focused))
    assert below == int(page.get_attribute("#grid", "aria-colcount") or 0)
    page.keyboard.press("Enter")
    heading = page.locator("#detail h2")
    assert heading.inner_text() == titles[below]
    page.keyboard.press("ArrowRight")
    assert heading.inner_text() == titles[below + 1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert heading.inner_text() == titles[below - 1]
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    page.wait_for_function(f"{focused} === {titles[below - 1]!r}")
    assert page.url.endswith("#/images?split=train")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert page.locator("#grid .mask").count() > 0


def test_only_what_is_on_the_screen_is_drawn(reports: dict[str, Path], open_page: Open) -> None:
    page = open_page(reports["set"], "#/images", width=390)
    page.locator("#zoom").fill("5")
    first = set(shown(page))
    assert 0 < len(first) < 47
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("document.querySelector(\"#grid [data-place='46']\") !== null")
    assert set(shown(page)) - first
    assert len(shown(page)) < 47
    assert page.get_attribute("#grid", "aria-rowcount") == str(-(-47 // 3))


def test_an_address_leads_to_its_image(reports: dict[str, Path], open_page: Open) -> None:
    row = rows(reports["set"])[-1]
    page = open_page(reports["set"], address(row))
    assert page.inner_text("#detail h2") == name(row)
    page.keyboard.press("Escape")
    page.wait_for_selector("#images", state="visible")
    page.goto(page.url.partition("#")[0] + "#/image/nowhere.jpg")
    page.wait_for_selector("text=There is no such image")
    assert not page.locator("#detail").is_visible()


def test_a_person_is_seen_before_all_families(reports: dict[str, Path], open_page: Open) -> None:
    page = open_page(reports["probe"])
    captions = page.locator("#person .caption b").all_inner_texts()
    assert captions == ["source", "noise", "blur"]
    first = page.inner_text("#person-number")
    page.click("#person-after")
    assert page.inner_text("#person-number") != first
    page.click("#person .tile >> nth=1")
    assert "2 of" in page.inner_text("#detail-place") or "1 of 2" in page.inner_text(
        "#detail-place"
    )
    page.keyboard.press("Escape")
    page.wait_for_selector("#overview", state="visible")


def test_pictures_have_the_shape_of_their_images(reports: dict[str, Path], open_page: Open) -> None:
    page = open_page(reports["set"], "#/images?pid=1&kind=original&camera=1")
    picture = page.locator("#grid .picture")
    width, height = picture.evaluate("element => [element.offsetWidth, element.offsetHeight]")
    assert height == 2 * width  # crops of 32×64
    assert picture.evaluate("element => element.style.backgroundPosition") == "0px 0px"


def test_masks_of_large_images_are_shown_as_they_are(
    jpeg: Callable[..., bytes], ellipses: SegmenterFactory, tmp_path: Path, open_page: Open
) -> None:
    for folder, pid in (("bounding_box_train", 1), ("query", 2), ("bounding_box_test", 2)):
        (tmp_path / "src" / folder).mkdir(parents=True)
        for camid in (1, 2):
            name = f"{pid:04}_c{camid}s1_000001_00.jpg"
            (tmp_path / "src" / folder / name).write_bytes(jpeg(camid, (200, 400)))
    out = tmp_path / "out"
    build(tmp_path / "src", out, recipe=Recipe(images=8), workers=1, segmenter=ellipses)
    write_report(out, workers=1)
    row = rows(out, lambda row: row.kind == "augmented")[0]
    page = open_page(out, address(row))
    page.keyboard.press("m")
    page.wait_for_function("document.querySelectorAll('#detail .exact').length === 2")
    width = "[...document.querySelectorAll('#detail .exact')].every((i) => i.naturalWidth === 200)"
    page.wait_for_function(width)


def test_names_are_never_markup(hostile: Path, open_page: Open) -> None:
    page = open_page(hostile)
    for number in range(1, len(VIEWS) + 1):
        page.keyboard.press(str(number))
    row = rows(hostile, lambda row: row.kind == "augmented")[0]
    page.goto(page.url.partition("#")[0] + address(row))
    assert page.locator("#detail h2").text_content() == name(row)
    page.wait_for_selector(f"text={row.sha256}")
    assert str(row.family) in (page.text_content("#record") or "")
    command = shlex.split(page.text_content("#command") or "")
    assert command[1:] == ["replay", str(hostile.resolve()), row.path]
    page.wait_for_function(
        "[...document.querySelectorAll('#detail img')].every((i) => i.naturalWidth)"
    )
    page.keyboard.press("Escape")
    page.goto(page.url.partition("#")[0] + f"#/images?q={quote('<script>owned')}&pid=<b>")
    page.goto(page.url.partition("#")[0] + f"#/families/{quote(str(row.family))}")
    assert page.locator("#family .tile").count() > 0
    assert page.evaluate("typeof owned") == "undefined"
    assert page.locator("img[src=x], main script, main b:has-text('owned')").count() == 0
    assert re.fullmatch(r".* · 47 images", page.title(), re.DOTALL)
