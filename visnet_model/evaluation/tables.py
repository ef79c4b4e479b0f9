"""Tables of ``visnet-eval``: the paper's Table I with our row, camera pairs, a probe's versions.

Rates are in percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from visnet_model.evaluation.accuracy import Evaluation
from visnet_model.evaluation.camera_pairs import CameraPair
from visnet_model.evaluation.complexity import Cost
from visnet_model.evaluation.probe import BackgroundSensitivity
from visnet_model.evaluation.ranking import RANKS, Ranking, rank1_by_chance

Row: TypeAlias = tuple[str, ...] | None
"""Cells, or ``None`` for a rule."""

PAPER: Final = (
    # method, year, CMC at RANKS and mAP as in Table I, parameters (M) and GFLOPs as in Table II
    ("TransReID", "2021", "95.20", "98.0", "98.7", "99.1", "89.50", "86.0", "17.8"),
    ("CLIP-ReID *", "2023", "88.10", "93.8", "95.6", "96.9", "80.30", "63.0", "12.0"),
    ("VisNet, published", "2025", "87.05", "93.18", "95.90", "97.15", "77.65", "32.41", "4.601"),
    ("AANet *", "2019", "82.60", "90.5", "93.2", "95.1", "72.20", "19.0", "2.5"),
    ("IDE", "2018", "79.51", "", "", "", "59.87", "", ""),
    ("PSE", "2018", "87.7", "94.5", "96.8", "", "69.0", "", ""),
    ("TriNet", "2017", "84.9", "", "", "", "69.1", "", ""),
    ("SVDNet", "2017", "82.3", "", "", "", "62.1", "", ""),
    ("MGN (flip)", "2018", "95.7", "", "", "", "86.9", "68.75", "48"),
)
"""The paper's Table I on Market-1501, with the columns of Table II."""

MARKET_QUERIES, MARKET_GALLERY = 3_368, 15_913
"""Sizes of Market-1501's test set without junk, on which the paper evaluates."""


def paper_table(evaluation: Evaluation, cost: Cost) -> str:
    """Return the paper's Table I with our row below it."""
    header = ("Market-1501", "year", *(f"R{rank}" for rank in RANKS), "mAP", "params M", "GFLOPs")
    millions = f"{cost.parameters / 1e6:.2f}"
    billions = "" if cost.flops is None else f"{cost.flops / 1e9:.3f}"
    ours = [("this network", "", *_rates(evaluation.ranking), millions, billions)]
    if evaluation.reranked is not None:
        ours.append(("  re-ranked", "", *_rates(evaluation.reranked), millions, billions))
    return "\n".join(
        (
            *_columns([header, *PAPER, None, *ours]),
            "* as the paper cites it",
            *_caveats(evaluation),
        )
    )


def camera_table(pairs: Sequence[CameraPair]) -> str:
    """Return Rank-1 and mAP with a row per query camera and a column per gallery camera."""
    cells = {(pair.query_camid, pair.gallery_camid): pair for pair in pairs}
    rows, columns = (sorted({key[side] for key in cells}) for side in (0, 1))
    lines: list[Row] = [("Rank-1 / mAP", *(f"in camera {camera}" for camera in columns))]
    for row in rows:
        found = (cells.get((row, column)) for column in columns)
        rates = (f"{100 * p.rank1:.1f} / {100 * p.mAP:.1f}" if p else "-" for p in found)
        lines.append((f"of camera {row}", *rates))
    return "\n".join(_columns(lines))


def probe_table(probe: BackgroundSensitivity) -> str:
    """Return the accuracy of each version, and its loss relative to the untouched images."""
    untouched = probe.untouched
    plain = _rate(untouched.mAP), "", _rate(untouched.rank1), ""
    lines: list[Row] = [
        ("rewritten", *("mAP", "lost", "R1", "lost") * 2),
        ("nothing", *plain, *plain),
    ]
    for version in (*probe.versions, probe.mean):
        cells = [version.family]
        for accuracy in (version.queries, version.both):
            lost = accuracy.lost(untouched)
            cells += _rate(accuracy.mAP), _rate(lost.mAP), _rate(accuracy.rank1), _rate(lost.rank1)
        lines.append(tuple(cells))
    lines.insert(-1, None)
    table = list(_columns(lines))
    middle = table[0].rindex("lost", 0, table[0].rindex("mAP")) + len("lost")
    first, second = "only queries".rjust(middle), "both sides".rjust(len(table[0]) - middle)
    return "\n".join((first + second, *table, *_kept(probe)))


def _kept(probe: BackgroundSensitivity) -> Iterator[str]:
    """Yield a note on the images that are untouched in every version."""
    yield (
        f"without a usable mask, so untouched in all rows: {probe.kept_query:,} of "
        f"{probe.query:,} queries, {probe.kept_gallery:,} of {probe.gallery:,} gallery images"
    )


def _caveats(evaluation: Evaluation) -> Iterator[str]:
    """Yield notes on what makes our row not comparable with the others."""
    ranking = evaluation.ranking
    query_table, gallery_table = evaluation.query.table, evaluation.gallery.table
    queries, gallery = len(query_table), len(gallery_table)
    if (queries, gallery) != (MARKET_QUERIES, MARKET_GALLERY):
        yield (
            f"this network: {queries:,} queries and {gallery:,} gallery images, but Market-1501 "
            f"has {MARKET_QUERIES:,} and {MARKET_GALLERY:,}: not comparable with the rows above"
        )
        chance = rank1_by_chance(
            query_table.pids, gallery_table.pids, query_table.camids, gallery_table.camids
        )
        yield f"a random ranking of them has R1 {_rate(chance)}"
    if ranking.left_out:
        yield f"{ranking.left_out:,} queries have no match in the gallery and do not count"


def _rates(ranking: Ranking) -> Iterator[str]:
    """Yield the CMC at `RANKS`, then mAP."""
    yield from (_rate(ranking.cmc[rank]) for rank in RANKS)
    yield _rate(ranking.mAP)


def _rate(value: float) -> str:
    """Format a rate, or a difference of rates, in percent."""
    return f"{100 * value:.2f}"


def _columns(rows: Sequence[Row]) -> Iterator[str]:
    """Yield aligned lines: the first column left-aligned, the others right-aligned."""
    filled = [row for row in rows if row is not None]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    for row in rows:
        if row is None:
            yield "-" * (sum(widths) + 2 * (len(widths) - 1))
            continue
        first, *rest = row
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()
