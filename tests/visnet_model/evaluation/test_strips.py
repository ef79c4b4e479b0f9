"""Ranked strips of the plain colours: which images, framed how; and which queries are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from visnet_aug.errors import DatasetError
from visnet_model.data.images import MemoryImages
from visnet_model.data.table import read_tables
from visnet_model.evaluation import strips as room
from visnet_model.evaluation.accuracy import Evaluation, evaluate_network
from visnet_model.evaluation.ranking import QueryScores
from visnet_model.evaluation.strips import choose_strips, draw_strips


@pytest.fixture
def evaluation(colours: Path, sees_colours: nn.Module) -> Evaluation:
    tables = read_tables(colours)
    images = {split: MemoryImages.load(table, 64, 32) for split, table in tables.items()}
    return evaluate_network(sees_colours, tables, images)


def names(evaluation: Evaluation, found: np.ndarray) -> list[str]:
    return [Path(evaluation.gallery.table.name(int(row))).stem for row in found]


def test_shows_the_protocols_ranking(evaluation: Evaluation) -> None:
    *right, wrong = choose_strips(evaluation, 3)
    assert [strip.first_match for strip in right] == [1, 1]
    first = next(strip for strip in right if strip.query == 0)
    # the query's own camera is left out, and so is junk
    assert names(evaluation, first.found)[0] == "1_c2"
    assert set(names(evaluation, first.found)) == {"1_c2", "2_c2", "0_c2", "3_c2"}
    assert first.right.tolist() == [True, False, False, False]
    assert names(evaluation, wrong.found)[:2] == ["0_c2", "3_c2"]
    assert wrong.right[:2].tolist() == [False, True]
    assert (wrong.query, wrong.first_match, wrong.average_precision) == (2, 2, 0.5)


def test_frames_right_green_and_wrong_red(evaluation: Evaluation, tmp_path: Path) -> None:
    chosen = choose_strips(evaluation, 3)
    draw_strips(evaluation, chosen, tmp_path / "strips.png")
    page = np.asarray(Image.open(tmp_path / "strips.png"))
    cells = [room.MARGIN]
    cells += [
        room.MARGIN + room.CELL[0] + room.QUERY_GAP + n * (room.CELL[0] + room.GAP)
        for n in range(room.SHOWN)
    ]
    assert page.shape[1] == cells[-1] + room.CELL[0] + room.MARGIN
    for number, strip in enumerate(chosen):
        top = room.MARGIN + room.HEADING + number * (room.CELL[1] + room.CAPTION)
        frames = [tuple(page[top + 100, left + 1].tolist()) for left in cells]
        expected = [room.RIGHT if right else room.WRONG for right in strip.right]
        empty = [room.PAPER] * (room.SHOWN - len(expected))
        assert frames == [room.QUERY, *expected, *empty]
        # the image itself, inside its frame
        colour = page[top + 100, cells[0] + room.CELL[0] // 2].tolist()
        assert colour == [[255, 0, 0], [0, 255, 0], [0, 0, 255]][strip.query]


def test_marks_differ_without_colours(evaluation: Evaluation, tmp_path: Path) -> None:
    draw_strips(evaluation, choose_strips(evaluation, 1), tmp_path / "strips.png")
    page = np.asarray(Image.open(tmp_path / "strips.png"))
    top = room.MARGIN + room.HEADING
    left = room.MARGIN + room.CELL[0] + room.QUERY_GAP + room.CELL[0] - 2 * room.MARK
    side = 2 * room.MARK
    right = page[top : top + side, left : left + side] == room.PAPER
    left += room.CELL[0] + room.GAP
    wrong = page[top : top + side, left : left + side] == room.PAPER
    assert (right.all(axis=-1) != wrong.all(axis=-1)).sum() > 20


def scores(first_match: list[int], precision: list[float]) -> QueryScores:
    return QueryScores(np.array(precision), np.array(first_match), np.zeros(len(precision)))


@pytest.mark.parametrize(
    ("rights", "wrongs", "left_out", "count", "expected"),
    [
        (50, 50, 5, 10, (5, 5)),
        (50, 50, 0, 7, (4, 3)),
        (50, 2, 0, 10, (8, 2)),
        (1, 50, 3, 10, (1, 9)),
        (0, 50, 0, 4, (0, 4)),
        (3, 2, 1, 16, (3, 2)),
    ],
)
def test_draws_right_and_wrong_queries(
    rights: int, wrongs: int, left_out: int, count: int, expected: tuple[int, int]
) -> None:
    first = [1] * rights + [2] * wrongs + [0] * left_out
    precision = np.random.default_rng(0).random(len(first)).tolist()
    drawn = room._draw_queries(scores(first, precision), count, np.random.default_rng(1))
    found = [first[query] for query in drawn]
    assert (found.count(1), found.count(2), found.count(0)) == (*expected, 0)
    assert len(set(drawn)) == len(drawn)
    for group in (drawn[: expected[0]], drawn[expected[0] :]):
        falling = [precision[query] for query in group]
        assert falling == sorted(falling, reverse=True)


def test_draws_from_easy_to_hard_by_seed() -> None:
    many = scores([1] * 100, (np.arange(100) / 100).tolist())
    drawn = room._draw_queries(many, 10, np.random.default_rng(0))
    assert [query // 10 for query in sorted(drawn)] == list(range(10))
    assert drawn == room._draw_queries(many, 10, np.random.default_rng(0))
    assert drawn != room._draw_queries(many, 10, np.random.default_rng(3))


def test_says_which_image_is_gone(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    chosen = choose_strips(evaluation, 1)
    object.__setattr__(evaluation.query.table, "root", tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"moved/query/.*png: cannot be read"):
        draw_strips(evaluation, chosen, tmp_path / "strips.png")
