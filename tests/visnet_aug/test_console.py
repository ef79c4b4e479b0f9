"""What commands say of masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from visnet_aug.console import ConsoleObserver
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.store import MaskEntry

ENTRY = MaskEntry("a", "0" * 64, "1" * 64, 0.4, 0.9, None, "accepted", "", "segmenter", "2" * 64)
UNRATED = "these weights do not predict the quality of masks"


def said(capsys: pytest.CaptureFixture[str], *entries: dict[str, Any]) -> str:
    found = {str(i): replace(ENTRY, **values) for i, values in enumerate(entries)}
    ConsoleObserver().masked(MaskSummary(found, len(found), 0, 0, {}))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (
            [{"mask_quality": 0.9}, {"mask_quality": 0.7}, {"mask_quality": 0.97}],
            "predicted quality of the usable masks: median 0.90, lowest 0.70",
        ),
        (
            [{"mask_quality": 0.3, "verdict": "rejected"}, {"mask_quality": 0.8}, {}],
            "predicted quality of the usable masks: median 0.80, lowest 0.80",
        ),
        ([{}, {}], f"{UNRATED}: it is not judged"),
        ([{}, {"origin": "edited"}], f"{UNRATED}: it is not judged"),
    ],
)
def test_the_quality_of_masks_is_summed_up(
    capsys: pytest.CaptureFixture[str], entries: list[dict[str, Any]], line: str
) -> None:
    assert said(capsys, *entries).splitlines().count(line) == 1


@pytest.mark.parametrize("origin", ["edited", "theirs.json"])
def test_nothing_is_said_of_quality_where_no_network_made_a_mask(
    capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    assert "quality" not in said(capsys, {"origin": origin}, {"verdict": "rejected"})
