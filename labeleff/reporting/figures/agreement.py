"""Figure of means by a trained against those by a frozen protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeleff.reporting.figures import style
from labeleff.reporting.rank_agreement import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4
"""Largest number of rungs in a figure, one panel each."""


def draw(item: Agreement, heading: str, quantity: str) -> Figure:
    """Draw means in % by the trained protocol against those by the frozen one: a dot per pretext, a panel per rung."""
    rows = np.unique(np.linspace(0, len(item.rungs) - 1, min(PANELS, len(item.rungs))).round().astype(int))
    figure = style.blank(1.5 + 2.7 * len(rows), 3.4)
    panels = figure.subplots(1, len(rows), squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        for column, name in enumerate(item.pretexts):
            lap, colour = divmod(column, len(style.COLOURS))
            x, y = (100 * side[row, column] for side in item.means)
            marker = {
                "color": style.COLOURS[colour],
                "marker": style.MARKERS[(column + lap) % len(style.MARKERS)],
            }
            axes.plot([x], [y], linestyle="none", label=style.label(name), **marker)
        axes.set_title(f"n = {item.rungs[row]:,}, rank correlation {item.by_rung[row].value:.2f}", fontsize=8.5)
        axes.set_xlabel(f"{item.frozen} (%)")
        axes.grid(color="0.92", linewidth=0.6)
    panels[0].set_ylabel(f"{item.trained} (%)")
    style.legend(panels[-1], 1)
    figure.suptitle(f"{heading}: {quantity}", fontsize=10, x=0.01, ha="left")
    return figure
