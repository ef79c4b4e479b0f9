from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

import visnet_aug
from visnet_aug.builder.build import Observer, Stopwatch, build
from visnet_aug.builder.tables import Timings, read_timings
from visnet_aug.errors import OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=47)
ONE = {"workers": 1}


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished build, to be read only."""
    out = tmp_path_factory.mktemp("timed") / "aug"
    result = build(market, out, recipe=RECIPE, **ONE, segmenter=ellipses)
    timings = read_timings(out)
    assert timings is not None
    assert list(timings.seconds) == list(result.seconds)
    return out


@pytest.fixture
def aug(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "aug")


def timings_of(out: Path) -> Timings:
    timings = read_timings(out)
    assert timings is not None
    return timings


def test_a_build_tells_how_long_it_took(built: Path) -> None:
    timings = timings_of(built)
    assert list(timings.seconds) == ["read", "mask", "pass through", "render", "write tables"]
    assert timings.total == sum(timings.seconds.values())
    assert (timings.masks, timings.made, timings.found) == (12, 47, 0)
    assert (timings.engine, timings.version) == (
        "1 process of this machine", visnet_aug.__version__,
    )  # fmt: skip
    assert timings.manifest == sha256((built / "manifest.csv").read_bytes()).hexdigest()


def test_nothing_to_do_leaves_the_times_as_they_are(
    aug: Path, market: Path, ellipses: SegmenterFactory
) -> None:
    before = (aug / "report/timings.json").read_bytes()
    assert build(market, aug, recipe=RECIPE, **ONE, segmenter=ellipses).seconds == {}
    assert (aug / "report/timings.json").read_bytes() == before


def test_a_build_that_was_gone_on_with_says_so(
    aug: Path, market: Path, ellipses: SegmenterFactory
) -> None:
    for path in sorted((aug / "query").glob("*.jpg"))[:2]:
        path.unlink()
    build(market, aug, recipe=RECIPE, **ONE, segmenter=ellipses)
    timings = timings_of(aug)
    assert (timings.masks, timings.made, timings.found) == (0, 2, 45)
    assert "check" in timings.seconds


def test_another_build_overwrites_them_and_takes_the_old_page_away(
    aug: Path, market: Path, ellipses: SegmenterFactory
) -> None:
    first = timings_of(aug)
    (aug / "report/index.html").write_text("of the old build")
    (aug / "report/notes.txt").write_text("of a person")
    again = {"workers": 1, "force": True}
    build(market, aug, recipe=Recipe(images=40), **again, segmenter=ellipses)
    timings = timings_of(aug)
    assert (timings.made, timings.found) == (40, 0)
    assert timings.manifest != first.manifest
    left = sorted(path.name for path in (aug / "report").iterdir())
    assert left == ["notes.txt", "timings.json"]


def test_a_folder_without_times_has_none(aug: Path) -> None:
    shutil.rmtree(aug / "report")
    assert read_timings(aug) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values | {"manifest": "0" * 64}, "another build"),
        (lambda values: values | {"made": -1}, "damaged"),
        (lambda values: values | {"seconds": {"read": "<b>"}}, "damaged"),
        (lambda values: values | {"seconds": {"read": float("nan")}}, "damaged"),
        (lambda values: values | {"more": 1}, "damaged"),
        (lambda values: [], "damaged"),
    ],
)  # fmt: skip
def test_times_that_cannot_be_this_builds_are_refused(
    aug: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    path = aug / "report/timings.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(OutputError, match=said):
        read_timings(aug)


def test_a_stopwatch_reports_progress_and_notes_stages_that_end() -> None:
    told: list[object] = []

    class Telling(Observer):
        @contextmanager
        def stage(self, name: str) -> Iterator[Advance]:
            told.append(name)
            yield lambda done, total: told.append((done, total))

    watch = Stopwatch(Telling().stage)
    with watch.stage("read") as advance:
        advance(1, 2)
    with pytest.raises(KeyboardInterrupt), watch.stage("mask"):
        raise KeyboardInterrupt
    assert told == ["read", (1, 2), "mask"]
    assert list(watch.seconds) == ["read"]
