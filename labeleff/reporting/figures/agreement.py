"""Linear against finetuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeleff.reporting.figures import style as figures_style
from labeleff.reporting.rank_agreement import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4
"""Rungs of a figure."""


def draw(item: Agreement, heading: str, quantity: str) -> Figure:
    """Means in % by the trained protocol against those by the frozen one, a dot a pretext, a panel a rung."""
    places = np.unique(np.linspace(0, len(item.rungs) - 1, min(PANELS, len(item.rungs))).round().astype(int))
    figure = figures_style.blank(1.5 + 2.7 * len(places), 3.4)
    panels = figure.subplots(1, len(places), squeeze=False)[0]
    for axes, place in zip(panels, places, strict=True):
        for column, name in enumerate(item.pretexts):
            lap, colour = divmod(column, len(figures_style.COLOURS))
            x, y = (100 * side[place, column] for side in item.means)
            style = {
                "color": figures_style.COLOURS[colour],
                "marker": figures_style.MARKERS[(column + lap) % len(figures_style.MARKERS)],
            }
            axes.plot([x], [y], linestyle="none", label=figures_style.label(name), **style)
        axes.set_title(f"n = {item.rungs[place]:,}, rank correlation {item.by_rung[place].value:.2f}", fontsize=8.5)
        axes.set_xlabel(f"{item.frozen} (%)")
        axes.grid(color="0.92", linewidth=0.6)
    panels[0].set_ylabel(f"{item.trained} (%)")
    figures_style.legend(panels[-1], 1)
    figure.suptitle(f"{heading}: {quantity}", fontsize=10, x=0.01, ha="left")
    return figure
