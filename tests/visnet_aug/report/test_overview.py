from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visnet_aug.datasets.counts import SplitCounts
from visnet_aug.report import overview as module
from visnet_aug.report.finished import read_finished
from visnet_aug.report.overview import Overview, overview
from visnet_aug.verification.verdict import Problem

SMALL = {
    "train": SplitCounts(12, 4, 3, 0, 0),
    "query": SplitCounts(6, 2, 3, 0, 0),
    "gallery": SplitCounts(12, 2, 3, 3, 3),
}
"""The small dataset, as if it were the published one."""

TEST = {"query": (6, 6, 0), "gallery": (12, 12, 0)}
VERSIONS = {"probe-query": (12, 0, 12), "probe-gallery": (18, 0, 18)}


@pytest.fixture
def seen(reports: dict[str, Path]) -> Callable[[str], Overview]:
    return lambda name: overview(read_finished(reports[name], None))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUBLISHED", SMALL)
    monkeypatch.setattr(module, "PUBLISHED_TRAIN", 29)
    monkeypatch.setattr(module, "PUBLISHED_TOTAL", 47)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("set", {"train": (29, 12, 17), **TEST}),
        ("published", {"train": (14, 0, 14), "val": (8, 0, 8), **TEST}),
        ("probe", {"query": (6, 6, 0), "gallery": (9, 9, 0), **VERSIONS}),
    ],
)  # fmt: skip
def test_splits_are_counted_against_the_plan(
    seen: Callable[[str], Overview], name: str, counts: dict[str, tuple[int, int, int]]
) -> None:
    view = seen(name)
    assert {
        line.name: (line.images.value, line.originals.value, line.copies.value)
        for line in view.lines
    } == counts
    assert view.as_planned
    assert view.as_published is None
    assert view.total.value == sum(part.count for part in view.parts)
    assert view.copies == sum(of[2] for of in counts.values())


def test_a_row_that_was_not_planned_is_seen(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    fewer = replace(finished.tables, rows=finished.tables.rows[1:])
    assert not overview(replace(finished, tables=fewer, shown=fewer.rows)).as_planned


def test_market_1501_is_known_by_its_numbers(
    seen: Callable[[str], Overview], published: None
) -> None:
    assert seen("set").as_published is True
    assert seen("probe").as_published is None


def test_numbers_that_differ_from_the_published_are_beside_them(
    seen: Callable[[str], Overview], published: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PUBLISHED_TRAIN", 30)
    view = seen("set")
    assert view.as_published is False
    train = view.lines[0]
    assert (train.images.value, train.images.published, train.images.agrees) == (29, 30, False)
    assert train.originals.agrees


def test_the_published_composition_is_compared_without_what_it_holds_back(
    seen: Callable[[str], Overview], published: None
) -> None:
    view = seen("published")
    assert view.total.published is None
    assert [line.images.published for line in view.lines] == [29, None, 6, 12]
    assert [line.originals.published for line in view.lines] == [None, None, 6, 12]


def test_the_share_of_usable_masks_is_never_rounded_up(seen: Callable[[str], Overview]) -> None:
    view = seen("set")
    assert view.masks == (11, 12)
    assert [replace(view, masks=of).masked for of in ((12_930, 12_936), (9, 9), (0, 0))] == [
        0.999, 1, 0,
    ]  # fmt: skip


def test_qualities_are_summed_up_where_they_are_known(
    seen: Callable[[str], Overview], rated_set: Path
) -> None:
    assert seen("set").qualities is None
    finished = read_finished(rated_set, None)
    usable = [e.mask_quality or 0 for e in finished.tables.entries.values() if e.accepted]
    assert overview(finished).qualities == (np.median(usable), min(usable))
    page = (rated_set / "report/index.html").read_text()
    assert f"has a median of {np.median(usable):.2f}; the lowest is" in page


def test_settings_that_are_not_the_defaults_are_named(seen: Callable[[str], Overview]) -> None:
    changes = {name: (default, here) for name, default, here in seen("published").changes}
    assert changes["composition"] == ('"originals-and-copies"', '"published"')
    assert changes["encoding"] == ('"match"', '"png"')
    assert not changes.keys() & {"seed", "layout"}


def test_checksums_say_which_tables_changed(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    assert all(same for _, _, same in overview(finished).checksums)
    problem = Problem("tables", "rejected.csv: changed since it was built")
    changed = replace(finished, tables=replace(finished.tables, problems=[problem]))
    states = {name: same for name, _, same in overview(changed).checksums}
    assert states.pop("rejected.csv") is False
    assert states
    assert all(states.values())
