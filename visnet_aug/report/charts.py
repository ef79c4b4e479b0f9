"""Charts as SVG, drawn here: histograms that follow the page's colours in light and dark.

Colours are classes (``copies``, ``f3`` for the fourth family), which the page's style sheet knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

Counts = npt.NDArray[np.int64]

_WIDTH: Final = 420
_HEIGHT: Final = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 12, 26
"""Space for the axes, in the chart's own pixels."""

_NAMES, _TOTALS, _THICKEST = 92, 48, 22.0
"""Space before and behind bars, and their greatest height."""

_SMALL: Final = (150, 44)
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Series:
    """One group of values.

    Attributes:
        name: For the legend.
        style: Class that colours it.
        counts: How many values fall in each bin.
    """

    name: str
    style: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit: a dashed line at a value, with what it is."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that is divided into parts.

    Attributes:
        name: Stands before it.
        style: Class that colours it.
        parts: Name and count of each part.
    """

    name: str
    style: str
    parts: Sequence[tuple[str, int]]

    @property
    def total(self) -> int:
        """What is counted in all parts together."""
        return sum(count for _, count in self.parts)


def histogram(
    title: str,
    edges: Sequence[float],
    series: Sequence[Series],
    *,
    of: str,
    marks: Sequence[Mark] = (),
    whole: bool = False,
) -> Markup:
    """Draw a histogram whose groups stand on each other.

    Args:
        title: What it shows, for those who don't see it.
        edges: Of the bins, one more than there are bins.
        series: The groups, from the ground up.
        of: What is counted, for the tips: ``images``.
        marks: Limits.
        whole: Whether values are whole numbers, and so is what stands along the axis.
    """
    totals = np.sum([each.counts for each in series], axis=0)
    top = _ceiling(int(totals.max(initial=0)))
    plot = _Plot(edges[0], edges[-1], top)
    parts = [
        *_grid(plot),
        *_bars(plot, edges, series, of),
        *_axis(plot, whole),
        *_marks(plot, marks),
    ]
    return _svg(title, _WIDTH, _HEIGHT, parts)


def bars(title: str, rows: Sequence[Bar], *, of: str) -> Markup:
    """Draw bars below each other.

    Args:
        title: What they show, for those who don't see it.
        rows: The bars.
        of: What is counted, for the tips.
    """
    step = (_HEIGHT - _TOP) / max(1, len(rows))
    height = min(step - 4, _THICKEST)
    room = (_WIDTH - _NAMES - _TOTALS) / max(1, *(row.total for row in rows))
    name = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>')
    bar = Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
        "<title>{}, {}: {:,} {}</title></rect>"
    )
    total = Markup('<text x="{:.1f}" y="{:.1f}">{:,}</text>')
    drawn = []
    for number, row in enumerate(rows):
        x, y = float(_NAMES), _TOP + number * step
        drawn.append(name.format(x - 8, y + height / 2 + 4, row.name))
        for part, count in row.parts:
            width = max(count * room - 1, 0.75)
            drawn.append(bar.format(row.style, x, y, width, height, row.name, part, count, of))
            x += count * room
        drawn.append(total.format(x + 6, y + height / 2 + 4, row.total))
    return _svg(title, _WIDTH, _HEIGHT, drawn)


def comparison(title: str, before: Counts, after: Counts, style: str) -> Markup:
    """Draw two histograms over each other, each as shares of its own: grey before, coloured after.

    Args:
        title: What it shows.
        before: Counts by bin; may be all zero.
        after: Counts by the same bins.
        style: Class that colours it.
    """
    width, height = _SMALL
    shares = [counts / max(1, counts.sum()) for counts in (before, after)]
    top = max(1e-9, *(float(share.max(initial=0)) for share in shares))
    parts = [
        Markup('<path class="{}" d="{}"/>').format(cls, _steps(share / top, width, height))
        for cls, share in zip(("before", f"after {style}"), shares, strict=True)
    ]
    return _svg(title, width, height, parts)


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where values are on the chart."""

    low: float
    high: float
    top: int

    def x(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, count: float) -> float:
        return _HEIGHT - _BOTTOM - count / self.top * (_HEIGHT - _TOP - _BOTTOM)


def _grid(plot: _Plot) -> Iterator[Markup]:
    for count in sorted({0, plot.top // 2, plot.top}):
        y = plot.y(count)
        line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
        yield line.format(_LEFT, _WIDTH - _RIGHT, y, y)
        text = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:,}</text>')
        yield text.format(_LEFT - 6, y + 4, count)


def _bars(
    plot: _Plot, edges: Sequence[float], series: Sequence[Series], of: str
) -> Iterator[Markup]:
    ground = np.zeros(len(edges) - 1, np.int64)
    bar = Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
        "<title>{}: {:,} {} ({:g} to {:g})</title></rect>"
    )
    for each in series:
        for number, count in enumerate(each.counts.tolist()):
            if not count:
                continue
            left, right = plot.x(edges[number]), plot.x(edges[number + 1])
            top = plot.y(ground[number] + count)
            height = plot.y(ground[number]) - top
            gap = 1 if right - left > 4 else 0
            yield bar.format(
                each.style, left, top, right - left - gap, max(height, 0.75),
                each.name, count, of, round(edges[number], 3), round(edges[number + 1], 3),
            )  # fmt: skip
        ground = ground + each.counts


def _axis(plot: _Plot, whole: bool) -> Iterator[Markup]:
    for value in _ticks(plot.low, plot.high, 1 if whole else 0):
        text = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:g}</text>')
        yield text.format(plot.x(value), _HEIGHT - 8, round(value, 6) + 0.0)


def _marks(plot: _Plot, marks: Sequence[Mark]) -> Iterator[Markup]:
    for mark in marks:
        if not plot.low <= mark.value <= plot.high:
            continue
        x = plot.x(mark.value)
        line = Markup('<line class="limit" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>')
        yield line.format(x, x, _TOP - 2, _HEIGHT - _BOTTOM)
        anchor = "end" if x > _WIDTH / 2 else "start"
        text = Markup('<text class="limit" x="{:.1f}" y="{}" text-anchor="{}">{}</text>')
        yield text.format(x + (-4 if anchor == "end" else 4), _TOP + 6, anchor, mark.label)


def _steps(shares: npt.NDArray[np.float64], width: int, height: int) -> str:
    """Outline bins as one path, closed along the ground."""
    step = width / len(shares)
    points = [f"M0 {height}"]
    for number, share in enumerate(shares.tolist()):
        points.append(f"V{height - share * (height - 2):.1f}H{(number + 1) * step:.1f}")
    return "".join([*points, f"V{height}Z"])


def _svg(title: str, width: int, height: int, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">')
    return Markup("").join([head.format(width, height, escape(title)), *parts, Markup("</svg>")])


def _ticks(low: float, high: float, minimum: float) -> Iterator[float]:
    """Yield about `_TICKS` round numbers from low to high, ``minimum`` or more apart."""
    if high <= low:
        yield low
        return
    step = 10.0 ** np.floor(np.log10((high - low) / _TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= _TICKS)
    step = max(step, minimum)
    yield from np.arange(np.ceil(low / step) * step, high + step / 1e6, step).tolist()


def _ceiling(count: int) -> int:
    """Return a round even number that is not below a count."""
    if count <= 2:
        return 2
    unit = 10 ** (len(str(count)) - 1)
    for factor in (1, 2, 3, 4, 5, 6, 8):
        if (ceiling := unit * factor) >= count and ceiling % 2 == 0:
            return int(ceiling)
    return int(unit * 10)
