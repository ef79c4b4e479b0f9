from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from visnet_aug.report import contacts
from visnet_aug.report.finished import FinishedBuild, read_finished


@pytest.fixture(params=["set", "published", "probe"])
def finished(request: pytest.FixtureRequest, reports: dict[str, Path]) -> FinishedBuild:
    return read_finished(reports[request.param], None)


def test_variants_go_from_weak_to_strong(finished: FinishedBuild) -> None:
    families = contacts.families(finished)
    assert [family.name for family in families] == list(finished.families)
    assert sum(family.copies for family in families) == len(finished.copies)
    for family in families:
        assert sum(variant.copies for variant in family.variants) == family.copies
        for variant in family.variants:
            strengths = [row.intensity or 0.0 for row in variant.examples]
            assert strengths == sorted(strengths)
            assert {row.variant for row in variant.examples} == {variant.name}
            assert variant.weakest <= strengths[0]
            assert strengths[-1] <= variant.strongest


def test_a_person_is_shown_before_as_many_families_as_there_are(finished: FinishedBuild) -> None:
    people = contacts.people(finished)
    assert people
    for copies in people:
        assert len({row.pid for row in copies}) == 1
        families = [row.family for row in copies]
        assert families == [name for name in finished.families if name in families]
    assert len({copies[0].pid for copies in people}) == len(people)
    if finished.tables.product == "probe":
        assert all(len({row.source for row in copies}) == 1 for copies in people)
        assert all(len(copies) == len(finished.families) for copies in people)


def test_masks_are_shown_by_camera_and_at_their_extremes(finished: FinishedBuild) -> None:
    groups = {group.key: group for group in contacts.masks(finished)}
    assert set(groups) == {"unsure", "smallest", "largest", "camera1", "camera2", "camera3"}
    accepted = sum(entry.accepted for entry in finished.tables.entries.values())
    assert groups["largest"].count == accepted
    assert sum(groups[f"camera{number}"].count for number in (1, 2, 3)) == accepted


def test_masks_with_a_quality_are_shown_from_the_worst(rated_set: Path) -> None:
    finished = read_finished(rated_set, None)
    worst, *others = contacts.masks(finished)
    assert worst.key == "worst"
    assert "unsure" not in {group.key for group in others}
    qualities = [row.mask_quality for row in worst.examples]
    assert None not in qualities
    assert qualities == sorted(quality for quality in qualities if quality is not None)
    rejected = {group.key: group.count for group in contacts.rejected_masks(finished)}
    assert rejected == {"low_quality": 12 - worst.count}


def test_rejected_masks_are_counted_even_where_they_are_not_in_the_set(
    reports: dict[str, Path],
) -> None:
    (group,) = contacts.rejected_masks(read_finished(reports["set"], None))
    assert (group.key, group.count, len(group.examples)) == ("border", 1, 1)
    (group,) = contacts.rejected_masks(read_finished(reports["published"], None))
    assert (group.key, group.count, len(group.examples)) == ("border", 1, 0)
    assert contacts.rejected_masks(read_finished(reports["probe"], None)) == []


def test_masks_edited_by_hand_come_first(reports: dict[str, Path]) -> None:
    finished = read_finished(reports["set"], None)
    name, entry = next((n, e) for n, e in finished.tables.entries.items() if e.accepted)
    entries = {**finished.tables.entries, name: replace(entry, origin="edited")}
    edited = replace(finished, tables=replace(finished.tables, entries=entries))
    group = contacts.masks(edited)[0]
    assert (group.key, [row.path for row in group.examples]) == (
        "edited", [finished.masked[name].path],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"angle_degrees": 107.2, "length_pixels": 13}, "angle 107°, length 13 px"),
        ({"sigma_levels": 12.5, "intensity": 0.3, "seed": 5}, "sigma 12.5 levels"),
        ({"center": [1, 2], "see_through": True, "max_factor": 1.5}, "max 1.5×"),
        ({"pixels": 3, "opacity": 0.61234}, "pixels 3, opacity 0.612"),
        ({}, ""),
    ],
)  # fmt: skip
def test_drawn_numbers_are_said_with_their_units(params: dict[str, object], said: str) -> None:
    assert contacts.describe_params(params) == said
