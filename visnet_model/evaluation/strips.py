"""Pictures of ranked results: each row has a query and the gallery images that rank first for it.

Matches have a green frame with a tick, other images a red frame with a cross, so that colours are
not needed to tell them apart. As in the protocol, the gallery has no junk and no images with the
query's identity and camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from visnet_aug.errors import DatasetError
from visnet_aug.files import replace_file
from visnet_model.data.images import read_image
from visnet_model.data.table import ImageTable, Indices
from visnet_model.evaluation.accuracy import Evaluation
from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.ranking import QueryScores, score_queries

Colour: TypeAlias = tuple[int, int, int]

SHOWN: Final = 10
"""Gallery images in a row."""

PICTURE: Final = (96, 192)
"""Width and height of the box that an image is fitted into."""

FRAME: Final = 5
GAP: Final = 10
QUERY_GAP: Final = 30
MARGIN: Final = 28
HEADING: Final = 92
CAPTION: Final = 42
MARK: Final = 11
"""Radius of the disc behind a tick or cross. All lengths are in pixels."""

RIGHT: Final[Colour] = (0, 135, 95)
WRONG: Final[Colour] = (206, 62, 0)
"""Green and red that differ in lightness, for the colour-blind (after Okabe and Ito)."""

QUERY: Final[Colour] = (40, 44, 52)
PAPER: Final[Colour] = (250, 250, 248)
INK: Final[Colour] = (28, 30, 34)
GREY: Final[Colour] = (112, 116, 124)

CELL: Final = (PICTURE[0] + 2 * FRAME, PICTURE[1] + 2 * FRAME)


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A query and the gallery images that rank first for it.

    Attributes:
        query: Row in the query table.
        found: Rows in the gallery table, nearest first, at most `SHOWN`.
        right: Which of them are matches.
        first_match: Rank of the first match, from 1.
        average_precision: The query's average precision.
    """

    query: int
    found: Indices
    right: npt.NDArray[np.bool_]
    first_match: int
    average_precision: float


def choose_strips(evaluation: Evaluation, count: int, seed: int = 0) -> list[Strip]:
    """Choose queries at random, half of them with a match at rank 1, and rank the gallery for them.

    Each half is spread evenly over its range of average precision. If one half has too few queries,
    the other gets more.

    Args:
        evaluation: The evaluation of a network.
        count: Number of strips; fewer if there are not that many queries.
        seed: Seed of the choice.

    Returns:
        First the strips with a match at rank 1, then the others, each by falling average precision.
    """
    distances = EuclideanDistances(evaluation.query.embeddings, evaluation.gallery.embeddings)
    query, gallery = evaluation.query.table, evaluation.gallery.table
    scores = score_queries(distances, query.pids, gallery.pids, query.camids, gallery.camids)
    strips = []
    for row in _draw_queries(scores, count, np.random.default_rng(seed)):
        same = gallery.pids == query.pids[row]
        allowed = np.flatnonzero(~(same & (gallery.camids == query.camids[row])))
        order = np.argsort(distances[row : row + 1][0, allowed], kind="stable")
        found = allowed[order[:SHOWN]]
        strips.append(
            Strip(
                query=row,
                found=found,
                right=same[found],
                first_match=int(scores.first_match[row]),
                average_precision=float(scores.average_precision[row]),
            )
        )
    return strips


def draw_strips(evaluation: Evaluation, strips: list[Strip], path: Path) -> None:
    """Draw strips below each other on a page.

    Args:
        evaluation: The evaluation that they were chosen from.
        strips: The strips, from top to bottom.
        path: The PNG to write.

    Raises:
        DatasetError: An image cannot be read.
        OutputError: The page cannot be written.
    """
    step = CELL[0] + GAP
    width = 2 * MARGIN + CELL[0] + QUERY_GAP + SHOWN * step - GAP
    row = CELL[1] + CAPTION
    page = Image.new("RGB", (width, 2 * MARGIN + HEADING + len(strips) * row), PAPER)
    _draw_heading(page, evaluation, strips)
    for number, strip in enumerate(strips):
        top = MARGIN + HEADING + number * row
        query, gallery = evaluation.query.table, evaluation.gallery.table
        _draw_cell(page, (MARGIN, top), query, strip.query, QUERY)
        place = f"match at {strip.first_match:,}, AP {strip.average_precision:.0%}"
        _write(page, (MARGIN, top + CELL[1] + 30), place, 12, GREY)
        left = MARGIN + CELL[0] + QUERY_GAP
        for index, right in zip(strip.found.tolist(), strip.right.tolist(), strict=True):
            _draw_cell(page, (left, top), gallery, index, RIGHT if right else WRONG)
            _draw_mark(page, (left + CELL[0] - MARK, top + MARK), right)
            left += step
    replace_file(path, lambda file: page.save(file, "PNG", compress_level=4))


def _draw_queries(scores: QueryScores, count: int, rng: np.random.Generator) -> list[int]:
    """Choose queries that have a match, as described in `choose_strips`."""
    groups = [np.flatnonzero(scores.first_match == 1), np.flatnonzero(scores.first_match > 1)]
    right, wrong = (len(group) for group in groups)
    rights = min(right, max((count + 1) // 2, count - wrong))
    chosen: list[int] = []
    for group, size in zip(groups, (rights, min(wrong, count - rights)), strict=True):
        if size:
            shuffled = rng.permutation(group)  # otherwise ties would be ordered by file name
            precision = scores.average_precision[shuffled]
            falling = shuffled[np.argsort(-precision, kind="stable")]
            places = (np.arange(size) + rng.random()) * len(group) / size
            chosen += falling[places.astype(np.int64)].tolist()
    return chosen


def _draw_heading(page: Image.Image, evaluation: Evaluation, strips: list[Strip]) -> None:
    ranking = evaluation.ranking
    _write(page, (MARGIN, MARGIN + 26), "Queries and their ten nearest images", 26, INK)
    subtitle = (
        f"{len(strips)} of {ranking.queries:,} queries: first those with a match at rank 1, then "
        f"the others, from easy to hard; Rank-1 {ranking.cmc[1]:.1%}, mAP {ranking.mAP:.1%}"
    )
    _write(page, (MARGIN, MARGIN + 50), subtitle, 14, GREY)
    left = MARGIN + CELL[0] + QUERY_GAP
    _write(page, (MARGIN, MARGIN + HEADING - 10), "query", 14, INK)
    for rank in range(SHOWN):
        place = left + rank * (CELL[0] + GAP)
        _write(page, (place, MARGIN + HEADING - 10), f"{rank + 1}", 14, INK)


def _draw_cell(
    page: Image.Image, corner: tuple[int, int], table: ImageTable, index: int, colour: Colour
) -> None:
    """Draw an image with a frame, and its identity and camera below."""
    left, top = corner
    draw = ImageDraw.Draw(page)
    draw.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] - 1), colour)
    page.paste(_picture(table, index), (left + FRAME, top + FRAME))
    pid = int(table.pids[index])
    who = f"pid {pid}" if pid else "distractor"
    _write(page, (left, top + CELL[1] + 15), f"{who} · cam {int(table.camids[index])}", 12, INK)


def _picture(table: ImageTable, index: int) -> Image.Image:
    """Return an image fitted into `PICTURE`, padded with grey if it is not 1:2."""
    try:
        image = read_image(table, index)
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetError(
            f"{table.path(index)}: cannot be read ({error}); build the set again"
        ) from error
    return ImageOps.pad(image, PICTURE, Image.Resampling.LANCZOS, color=(200, 200, 200))


def _draw_mark(page: Image.Image, centre: tuple[int, int], right: bool) -> None:
    """Draw a tick or a cross on a disc."""
    x, y = centre
    draw = ImageDraw.Draw(page)
    draw.ellipse((x - MARK, y - MARK, x + MARK, y + MARK), RIGHT if right else WRONG, PAPER, 2)
    if right:
        draw.line((x - 5, y, x - 2, y + 4, x + 5, y - 4), PAPER, 3, joint="curve")
    else:
        draw.line((x - 4, y - 4, x + 4, y + 4), PAPER, 3)
        draw.line((x - 4, y + 4, x + 4, y - 4), PAPER, 3)


def _write(page: Image.Image, place: tuple[int, int], text: str, size: int, colour: Colour) -> None:
    """Write a line of text whose baseline starts at a place."""
    ImageDraw.Draw(page).text(place, text, colour, _font(size), anchor="ls")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
