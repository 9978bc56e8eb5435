"""Figure of training on stories by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labeleff.reporting import story_results
from labeleff.reporting.figures.style import blank
from labeleff.reporting.story_results import Answers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTITIES = ("loss", "accuracy")
"""Quantities that are drawn by epoch, one figure each."""


def figure(group: Sequence[Answers], what: str) -> Figure:
    """Draw a quantity by epoch, one panel per task: training and validation, each with its best epoch marked."""
    columns = min(4, len(group))
    rows = math.ceil(len(group) / columns)
    drawing = blank(max(7.0, 3.2 * columns), max(3.6, 2.4 * rows))
    for number, item in enumerate(group, start=1):
        axes = drawing.add_subplot(rows, columns, number)
        _panel(axes, item, what)
        if number == 1:
            axes.legend(frameon=False, fontsize=8)
    drawing.supxlabel("epoch")
    drawing.supylabel(what)
    return drawing


def _panel(axes: Axes, item: Answers, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    history = item.chosen.training.history if item.chosen.training else []
    marks = story_results.extremes(history)
    axes.set_title(item.name, fontsize=9)
    for prefix, colour in (("", "black"), ("validation_", "#D55E00")):
        entries = [entry for entry in history if f"{prefix}{what}" in entry]
        if not entries:
            continue
        epochs, values = [e["epoch"] for e in entries], [e[f"{prefix}{what}"] for e in entries]
        line, name = ("--", "validation") if prefix else ("-", "training")
        axes.plot(epochs, values, color=colour, linewidth=1.2, linestyle=line, label=name)
        best = marks.get(f"{'lowest' if what == 'loss' else 'highest'}_{prefix}{what}")
        if best is not None:
            axes.plot(epochs[best], values[best], "o", color=colour, markersize=4)
            corner, step = (0.97 if what == "loss" else 0.2), -0.1
            axes.text(
                0.97,
                corner + (step if prefix else 0),
                f"best at {epochs[best]:,.0f}",
                transform=axes.transAxes,
                ha="right",
                va="top",
                fontsize=7,
                color=colour,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
    if what == "accuracy":
        axes.set_ylim(0, 1.05)
    else:
        axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
