from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.report.distributions import changes, charts
from visnet_aug.report.finished import FinishedBuild, read_finished
from visnet_aug.report.measures import Measures

TITLES = [
    "Mask area", "Mask confidence", "Copies per identity", "Cameras", "Families", "Intensity",
]  # fmt: skip


def measured(finished: FinishedBuild) -> list[Measures]:
    """Copies are brighter by 50 than originals."""
    return [Measures(150 if row.copy else 100, 40, 60, 20) for row in finished.shown]


@pytest.mark.parametrize("name", ["set", "published", "probe"])
def test_charts_of_each_kind_of_set(reports: dict[str, Path], name: str) -> None:
    finished = read_finished(reports[name], None)
    found = {chart.title: chart for chart in charts(finished)}
    assert list(found) == TITLES
    assert all(chart.svg.startswith("<svg") for chart in found.values())
    accepted = sum(entry.accepted for entry in finished.tables.entries.values())
    tips = found["Mask area"].svg.split("usable: ")[1:]
    assert sum(int(tip.split(" ")[0]) for tip in tips) == accepted


def test_qualities_are_a_chart_where_they_are_known(rated_set: Path) -> None:
    finished = read_finished(rated_set, None)
    found = {chart.title: chart for chart in charts(finished)}
    assert list(found) == [*TITLES[:2], "Mask quality", *TITLES[2:]]
    rejected = [entry for entry in finished.tables.entries.values() if not entry.accepted]
    tips = found["Mask quality"].svg.split("rejected: ")[1:]
    assert sum(int(tip.split(" ")[0]) for tip in tips) == len(rejected) > 0


def test_changes_compare_copies_with_their_sources(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    found = changes(finished, measured(finished))
    assert found is not None
    assert found.before == "their sources"
    assert [row.name for row in found.rows] == ["all copies", *finished.families]
    for row in found.rows:
        assert [cell[1:] for cell in row.cells] == [(100, 150), (40, 40), (60, 60), (20, 20)]


def test_without_sources_changes_compare_with_test_images(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["published"], None)
    found = changes(finished, measured(finished))
    assert found is not None
    assert found.before == "the untouched test images"
    assert found.rows[0].cells[0][1:] == (100, 150)


def test_images_that_cannot_be_shown_are_left_out(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    some = [None if row.kind == "original" else of
            for row, of in zip(finished.shown, measured(finished), strict=True)]  # fmt: skip
    found = changes(finished, some)
    assert found is not None
    assert found.rows[0].cells[0][1:] == (None, 150)


def test_without_copies_there_is_nothing_to_compare(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    bare = FinishedBuild(finished.tables, [row for row in finished.shown if row.kind == "original"])
    assert changes(bare, measured(bare)) is None
