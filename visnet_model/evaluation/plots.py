"""Charts of the CMC curve and of the background sensitivity.

They do not use pyplot, which chooses a backend and keeps state for the whole process.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from visnet_aug.files import replace_file
from visnet_model.evaluation.accuracy import CURVE, Evaluation
from visnet_model.evaluation.probe import Accuracy, BackgroundSensitivity
from visnet_model.evaluation.ranking import RANKS, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#0072b2"
ORANGE: Final = "#e69f00"
GREY: Final = "#6b7078"
"""Distinguishable for the colour-blind (Okabe and Ito)."""

PAPER: Final = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
"""Background of text that a line could cross."""

PUBLISHED: Final = (0.8705, 0.9318, 0.9590, 0.9715)
"""CMC of the paper's VisNet on Market-1501 at `RANKS`."""


def draw_cmc(evaluation: Evaluation, path: Path) -> None:
    """Draw the CMC curve, with the paper's points.

    Args:
        evaluation: The evaluation.
        path: The PNG to write.

    Raises:
        OutputError: It cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.4), layout="constrained", dpi=150)
    axes = figure.subplots()
    ranking = evaluation.ranking
    _draw_curve(axes, ranking, f"this network: mAP {ranking.mAP:.2%}", BLUE, above=False)
    if evaluation.reranked is not None:
        label = f"re-ranked: mAP {evaluation.reranked.mAP:.2%}"
        _draw_curve(axes, evaluation.reranked, label, ORANGE, above=True)
    label = "VisNet as published, on Market-1501: mAP 77.65%"
    axes.plot(RANKS, PUBLISHED, "D", color=GREY, ms=4.5, mfc="none", label=label)
    axes.set_title(
        f"{ranking.queries:,} queries, {len(evaluation.gallery.table):,} gallery images",
        loc="left",
        fontsize=10,
    )
    axes.set_xlabel("rank of the first match")
    axes.set_xticks(RANKS)
    axes.set_xlim(-0.2, max(CURVE) + 1.2)
    axes.set_ylabel("fraction of queries")
    axes.set_ylim(min(0.9 * ranking.cmc[1], ranking.cmc[1] - 0.05, PUBLISHED[0] - 0.05), 1.005)
    axes.yaxis.set_major_formatter("{x:.0%}")
    _tidy(axes)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    _save(figure, path)


def draw_probe(probe: BackgroundSensitivity, path: Path) -> None:
    """Draw the accuracy of each version as bars, with a line for the untouched images.

    Args:
        probe: The background sensitivity.
        path: The PNG to write.

    Raises:
        OutputError: It cannot be written.
    """
    from matplotlib.figure import Figure

    height = 1.5 + 0.62 * (len(probe.versions) + 1)
    figure = Figure(figsize=(10.5, height), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_bars(left, probe, "mAP", lambda accuracy: accuracy.mAP)
    _draw_bars(right, probe, "Rank-1", lambda accuracy: accuracy.rank1)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    _save(figure, path)


def _draw_curve(axes: Axes, ranking: Ranking, label: str, colour: str, *, above: bool) -> None:
    """Draw one curve, with its numbers at `RANKS` above or below it."""
    axes.plot(CURVE, [ranking.cmc[rank] for rank in CURVE], color=colour, lw=1.8, label=label)
    rates = [ranking.cmc[rank] for rank in RANKS]
    axes.plot(RANKS, rates, "o", color=colour, ms=4.5)
    for rank, rate in zip(RANKS, rates, strict=True):
        axes.annotate(
            f"{100 * rate:.1f}",
            (rank, rate),
            (-4, 5) if above else (4, -12),
            textcoords="offset points",
            ha="right" if above else "left",
            fontsize=8,
            color=colour,
        )


def _draw_bars(
    axes: Axes, probe: BackgroundSensitivity, name: str, value: Callable[[Accuracy], float]
) -> None:
    """Draw one measure: two bars per version, and the mean last."""
    versions = (*probe.versions, probe.mean)
    untouched = value(probe.untouched)
    for offset, colour, label, numbers in (
        (-0.19, BLUE, "only queries rewritten", [value(version.queries) for version in versions]),
        (
            0.19,
            ORANGE,
            "queries and gallery rewritten",
            [value(version.both) for version in versions],
        ),
    ):
        places = [place + offset for place in range(len(versions))]
        bars = axes.barh(places, numbers, height=0.34, color=colour, label=label)
        texts = [_with_change(number, untouched) for number in numbers]
        axes.bar_label(bars, texts, padding=4, fontsize=8, bbox=PAPER)
    axes.axvline(untouched, color=GREY, lw=1.2, ls="--", label="nothing rewritten")
    axes.set_title(f"{name}: {untouched:.1%} with nothing rewritten", loc="left", fontsize=10)
    axes.set_yticks(range(len(versions)), [version.family for version in versions])
    axes.set_ylim(len(versions) - 0.45, -0.55)
    if len(versions) > 1:
        axes.axhline(len(versions) - 1.5, color=GREY, lw=0.6)
    limit = 1.28 * max(untouched, axes.dataLim.xmax, 0.01)  # room for the texts
    axes.set_xlim(0, limit)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= min(1, limit)])
    axes.xaxis.set_major_formatter("{x:.0%}")
    _tidy(axes)
    axes.tick_params(axis="y", length=0)


def _with_change(rate: float, untouched: float) -> str:
    change = f"{100 * (rate - untouched):+.1f}".replace("-", "\N{MINUS SIGN}")
    return f"{100 * rate:.1f}  ({change})"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _save(figure: Figure, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    replace_file(path, canvas.print_png)
