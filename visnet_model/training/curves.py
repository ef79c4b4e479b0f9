"""Curves of a run: losses, their weights, accuracies and learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visnet_aug.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[Mapping[str, Any]]

COLOURS = {"identity": "#0072b2", "fidi": "#d55e00", "semantic": "#009e73"}
"""Colours of the losses; distinguishable for the colour-blind (Okabe and Ito)."""

CURVES = "curves.png"


def draw_curves(records: Records, path: Path) -> None:
    """Draw the content of ``metrics.jsonl``.

    Args:
        records: The records, as `log.read_metrics` returns them.
        path: The PNG to write.

    Raises:
        OutputError: It cannot be written.
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    panels: tuple[tuple[str, Callable[[Axes, Records], None]], ...] = (
        ("losses, relative to their first value", _losses),
        ("weights of the losses", _weights),
        ("accuracy", _accuracies),
        ("learning rate", _rates),
    )
    for axes, (title, draw) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        draw(axes, records)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    canvas = FigureCanvasAgg(figure)
    replace_file(path, canvas.print_png)


def _losses(axes: Axes, records: Records) -> None:
    """Draw all losses on one scale; identity starts near ln 751, FIDI below 1."""
    for name, colour in COLOURS.items():
        steps, values = _series(records, "steps", name)
        if values:
            label = f"{name}: {values[0]:.3g} to {values[-1]:.3g}"
            axes.plot(steps, [v / values[0] for v in values], color=colour, lw=1, label=label)


def _weights(axes: Axes, records: Records) -> None:
    for name, colour in COLOURS.items():
        steps, values = _series(records, "steps", f"weight_{name}")
        if values:
            axes.plot(steps, values, color=colour, lw=1, label=name)


def _accuracies(axes: Axes, records: Records) -> None:
    steps, values = _series(records, "steps", "accuracy")
    axes.plot(steps, values, color="#999999", lw=1, label="identity, training batches")
    for name, label, colour in (("rank1", "Rank-1", "#cc79a7"), ("mAP", "mAP", "#0072b2")):
        steps, values = _series(records, "evaluation", name)
        if values:
            axes.plot(steps, values, "o-", ms=3, color=colour, label=f"{label}: {values[-1]:.1%}")
    axes.set_ylim(0, 1)


def _rates(axes: Axes, records: Records) -> None:
    axes.plot(*_series(records, "steps", "learning_rate"), color="#444444", lw=1)
    axes.set_yscale("log")


def _series(records: Records, kind: str, name: str) -> tuple[list[int], list[float]]:
    chosen = [record for record in records if record["kind"] == kind and name in record]
    return [record["step"] for record in chosen], [record[name] for record in chosen]
