"""Tables as text: cells, columns and notes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from visnet_model.evaluation.camera_pairs import CameraPair
from visnet_model.evaluation.complexity import Cost
from visnet_model.evaluation.probe import Accuracy, BackgroundSensitivity, Version
from visnet_model.evaluation.ranking import Ranking
from visnet_model.evaluation.tables import camera_table, paper_table, probe_table

RANKING = Ranking(0.61234, {1: 0.75, 5: 0.875, 10: 0.9, 20: 1.0}, 0.2, 8, 0)
COST = Cost(32_411_720, 3_170_000_000)


class Table:
    """So many images, each of its own identity."""

    def __init__(self, images: int, camid: int) -> None:
        self.pids = np.arange(images)
        self.camids = np.full(images, camid)

    def __len__(self) -> int:
        return len(self.pids)


def evaluation(queries: int = 3368, gallery: int = 15_913, **changes: object) -> Any:
    return SimpleNamespace(
        query=SimpleNamespace(table=Table(queries, camid=1)),
        gallery=SimpleNamespace(table=Table(gallery, camid=2)),
        **{"ranking": RANKING, "reranked": None, **changes},
    )


def test_our_row_is_below_the_papers() -> None:
    lines = paper_table(evaluation(), COST).splitlines()
    header = "Market-1501 year R1 R5 R10 R20 mAP params M GFLOPs"
    published = "VisNet, published 2025 87.05 93.18 95.90 97.15 77.65 32.41 4.601"
    ours = "this network 75.00 87.50 90.00 100.00 61.23 32.41 3.170"
    assert [" ".join(line.split()) for line in lines if "VisNet" in line] == [published]
    assert " ".join(lines[0].split()) == header
    assert " ".join(lines[-2].split()) == ours
    assert lines[-1] == "* as the paper cites it"
    # one column under the other
    assert lines[0].index("mAP") + 3 == lines[-2].index("61.23") + 5


def test_reranked_and_uncounted() -> None:
    text = paper_table(evaluation(reranked=RANKING), Cost(11_650_000, None))
    assert "  re-ranked" in text
    assert text.splitlines()[-2].endswith("11.65")


@pytest.mark.parametrize(("size", "said"), [((3368, 15_913), False), ((666, 3559), True)])
def test_says_when_rows_cannot_be_compared(size: tuple[int, int], said: bool) -> None:
    assert ("not comparable" in paper_table(evaluation(*size), COST)) is said


def test_says_what_chance_would_give_on_other_sets() -> None:
    """One match in 50 images for each query that has one."""
    assert "a random ranking of them has R1 2.00" in paper_table(evaluation(10, 50), COST)


def test_says_how_many_queries_were_left_out() -> None:
    ranking = Ranking(0.5, RANKING.cmc, 0.5, 8, 2)
    assert "2 queries have no match" in paper_table(evaluation(ranking=ranking), COST)


def test_camera_pairs_form_a_matrix() -> None:
    pairs = [CameraPair(1, 2, 0.5, 1.0, 3), CameraPair(2, 5, 0.25, 0.125, 3)]
    assert [line.split() for line in camera_table(pairs).splitlines()] == [
        ["Rank-1", "/", "mAP", "in", "camera", "2", "in", "camera", "5"],
        ["of", "camera", "1", "100.0", "/", "50.0", "-"],
        ["of", "camera", "2", "-", "12.5", "/", "25.0"],
    ]


def test_probe_shows_losses_and_untouched_images() -> None:
    versions = (
        Version("blur", Accuracy(0.7, 0.8), Accuracy(0.6, 0.9)),
        Version("color_shift", Accuracy(0.5, 0.4), Accuracy(0.8, 1.0)),
    )
    lines = probe_table(
        BackgroundSensitivity(Accuracy(0.75, 0.9), versions, 20, 100, 1, 7)
    ).splitlines()
    middle = lines[1].index("lost", lines[1].index("R1")) + len("lost")
    assert (lines[0][:middle].split(), lines[0][middle:].split()) == (
        ["only", "queries"],
        ["both", "sides"],
    )
    cells = {
        line.split()[0]: [float(c) for c in line.split()[1:]]
        for line in lines[2:-1]
        if line[0] != "-"
    }
    assert cells["nothing"] == [75, 90, 75, 90]
    assert cells["blur"] == [70, 5, 80, 10, 60, 15, 90, 0]
    assert cells["color_shift"] == [50, 25, 40, 50, 80, -5, 100, -10]
    assert cells["mean"] == [60, 15, 60, 30, 70, 5, 95, -5]
    assert "1 of 20 queries, 7 of 100 gallery images" in lines[-1]
