"""How masks, copies and pixels are distributed over the set, as charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from visnet_aug.report.charts import Bar, Counts, Mark, Series, bars, comparison, histogram
from visnet_aug.report.finished import FinishedBuild
from visnet_aug.report.measures import NAMES, Measures

_BINS: Final = 40
_MOST_BINS: Final = 60
_TAIL: Final = 99.9
"""Percentile beyond which a long tail is folded into the last bin."""

_EXPLAINED: Final[Mapping[str, str]] = {
    "brightness": "mean of the luma",
    "contrast": "its standard deviation",
    "saturation": "mean of HSV's saturation",
    "sharpness": "standard deviation of the Laplacian; noise is sharp, too",
}

_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its caption.

    Attributes:
        title: Heading.
        note: A sentence.
        svg: The picture.
        legend: Names and classes of its groups, where there is more than one.
    """

    title: str
    note: str
    svg: Markup
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What one family does to the statistics of its images.

    Attributes:
        name: Of the family; ``all copies`` for them together.
        style: Class that colours it.
        cells: For each of `NAMES`: the chart, the means before and after, if any is known.
    """

    name: str
    style: str
    cells: Sequence[tuple[Markup, float | None, float | None]]


@dataclass(frozen=True, slots=True)
class Changes:
    """Image statistics before and after.

    Attributes:
        before: What is compared with.
        columns: Name, explanation and range of each statistic.
        rows: All copies, then each family.
    """

    before: str
    columns: Sequence[tuple[str, str, float]]
    rows: Sequence[Change]


def charts(finished: FinishedBuild) -> list[Chart]:
    """Draw what the tables say of the whole set."""
    found = [
        _areas(finished),
        _confidences(finished),
        _qualities(finished),
        _identities(finished),
        _cameras(finished),
    ]
    found += [_families(finished), _intensities(finished)]
    return [chart for chart in found if chart is not None]


def changes(finished: FinishedBuild, measures: Sequence[Measures | None]) -> Changes | None:
    """Compare copies with their sources, or with the test images where the set has no sources.

    Args:
        finished: The build.
        measures: Of each image that is shown.

    Returns:
        The comparison, or ``None`` if there are no copies to be seen.
    """
    values = np.array([[np.nan] * len(NAMES) if of is None else of for of in measures])
    copies = [finished.places[row.path] for row in finished.copies]
    if not copies:
        return None
    highest = np.nanpercentile(values, _TAIL, axis=0)
    sources = {
        finished.places[row.path]: finished.places[kept.path]
        for row in finished.copies
        if (kept := finished.sources.get(row.source)) is not None
    }
    untouched = [place for place, row in enumerate(finished.shown) if row.kind == "original"]

    def compare(name: str, style: str, places: Sequence[int]) -> Change:
        before = [sources[place] for place in places if place in sources] or untouched
        return Change(name, style, _cells(name, style, values[before], values[places], highest))

    rows = [compare("all copies", "copies", copies)]
    for family in finished.families:
        places = [finished.places[row.path] for row in finished.copies if row.family == family]
        if places:
            rows.append(compare(family, finished.style(family), places))
    return Changes(
        "their sources" if sources else "the untouched test images",
        [(name, _EXPLAINED[name], float(top)) for name, top in zip(NAMES, highest, strict=True)],
        rows,
    )


def _cells(
    name: str, style: str, before: _Numbers, after: _Numbers, highest: _Numbers
) -> list[tuple[Markup, float | None, float | None]]:
    cells = []
    for column, statistic in enumerate(NAMES):
        edges = np.linspace(0, max(float(highest[column]), 1e-9), _BINS + 1)
        old, new = _finite(before[:, column]), _finite(after[:, column])
        title = f"{statistic} of {name}, before and after"
        svg = comparison(title, _count(old, edges), _count(new, edges), style)
        cells.append((svg, _mean(old), _mean(new)))
    return cells


def _areas(finished: FinishedBuild) -> Chart | None:
    settings = finished.tables.recipe.masks if finished.tables.recipe else None
    marks = [Mark(settings.min_area, "min"), Mark(settings.max_area, "max")] if settings else []
    note = "Share of the image that the person covers."
    return _verdicts(finished, "Mask area", note, "area", marks)


def _confidences(finished: FinishedBuild) -> Chart | None:
    settings = finished.tables.recipe.masks if finished.tables.recipe else None
    marks = [Mark(settings.confidence, "min")] if settings else []
    note = "How sure the segmenter is that it found a person."
    return _verdicts(finished, "Mask confidence", note, "confidence", marks)


def _qualities(finished: FinishedBuild) -> Chart | None:
    settings = finished.tables.recipe.masks if finished.tables.recipe else None
    marks = [Mark(settings.quality, "min")] if settings else []
    note = "Predicted IoU of the mask with the true one."
    return _verdicts(finished, "Mask quality", note, "mask_quality", marks)


def _verdicts(
    finished: FinishedBuild, title: str, note: str, name: str, marks: Sequence[Mark]
) -> Chart | None:
    """Draw a number of all masks, usable and rejected."""
    used = finished.tables.masked
    known = [entry for key, entry in finished.tables.entries.items() if key in used]
    entries = [entry for entry in known if getattr(entry, name) is not None]
    if not entries:
        return None
    edges = np.linspace(0, 1, _BINS + 1)
    series = [
        Series(label, style, _count([getattr(e, name) for e in entries if e.accepted is ok], edges))
        for label, style, ok in (("usable", "usable", True), ("rejected", "rejected", False))
    ]
    return _chart(title, note, edges, series, of="masks", marks=marks)


def _identities(finished: FinishedBuild) -> Chart | None:
    """Draw how many images the identities have, before and with copies."""
    rows = [row for row in finished.rows if row.pid > 0 and row.split not in ("query", "gallery")]
    copies = Counter(row.pid for row in rows if row.kind == "augmented")
    numbers = [copies[pid] for pid in {row.pid for row in rows}]
    if not copies:
        return None
    edges = _whole_edges(numbers)
    series = [Series("identities", "copies", _count(numbers, edges))]
    mean = sum(numbers) / len(numbers)
    note = f"{len(numbers):,} identities have {mean:.1f} copies each on average."
    return _chart("Copies per identity", note, edges, series, of="identities", whole=True)


def _cameras(finished: FinishedBuild) -> Chart | None:
    rows = [row for row in finished.rows if row.split not in ("query", "gallery")]
    cameras = [row.camid for row in rows]
    if not cameras:
        return None
    edges = np.arange(min(cameras) - 0.5, max(cameras) + 1)
    series = [
        Series(name, name, _count([row.camid for row in rows if row.kind == kind], edges))
        for name, kind in (("originals", "original"), ("copies", "augmented"))
    ]
    note = "Images with which to train, by camera."
    if finished.tables.product == "probe":
        note = "Rewritten test images, by camera."
    return _chart(
        "Cameras", note, edges, [s for s in series if s.counts.any()], of="images", whole=True
    )


def _families(finished: FinishedBuild) -> Chart | None:
    copies = Counter((row.family, str(row.variant)) for row in finished.rows if row.family)
    if not copies:
        return None
    rows = [
        Bar(
            family.replace("_", " "),
            finished.style(family),
            sorted((variant, count) for (of, variant), count in copies.items() if of == family),
        )
        for family in finished.families
    ]
    note = "Copies of each family; the parts are its variants."
    return Chart("Families", note, bars(f"Families. {note}", rows, of="copies"))


def _intensities(finished: FinishedBuild) -> Chart | None:
    copies = [row for row in finished.rows if row.kind == "augmented"]
    if not copies:
        return None
    edges = np.linspace(0, 1, _BINS + 1)
    series = [
        Series(
            family.replace("_", " "),
            finished.style(family),
            _count([row.intensity or 0 for row in copies if row.family == family], edges),
        )
        for family in finished.families
    ]
    note = "Strength that was drawn for each copy, from 0 to 1."
    return _chart("Intensity", note, edges, series, of="copies")


def _chart(
    title: str, note: str, edges: _Numbers, series: Sequence[Series], *, of: str,
    marks: Sequence[Mark] = (), whole: bool = False,
) -> Chart:  # fmt: skip
    said = f"{title}. {note}"
    svg = histogram(said, edges.tolist(), series, of=of, marks=marks, whole=whole)
    there = [each for each in series if each.counts.any()]
    legend = [(each.name, each.style) for each in there] if len(there) > 1 else []
    return Chart(title, note, svg, legend)


def _whole_edges(numbers: Sequence[int]) -> _Numbers:
    """Return the edges of bins around whole numbers, of several numbers each if there are many."""
    width = -(-(max(numbers) + 1) // _MOST_BINS)
    return np.arange(0, max(numbers) + 1 + width, width, dtype=np.float64) - 0.5


def _count(values: Iterable[float], edges: _Numbers) -> Counts:
    """Count values by bin; what is beyond the last edge is in the last bin."""
    inside = np.clip(np.fromiter(values, np.float64), edges[0], edges[-1])
    return np.histogram(inside, edges)[0].astype(np.int64)


def _mean(values: _Numbers) -> float | None:
    return float(values.mean()) if values.size else None


def _finite(values: _Numbers) -> _Numbers:
    return values[np.isfinite(values)]
