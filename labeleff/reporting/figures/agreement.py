"""Figure of means by a trained against those by a frozen protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labeleff.reporting.figures import style
from labeleff.reporting.rank_agreement import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4
"""Largest number of rungs in a figure, one panel each."""


def draw(item: Agreement, heading: str, quantity: str, looks: Mapping[str, style.Style] | None = None) -> Figure:
    """Draw means in % by the trained protocol against those by the frozen one: a dot per pretext, a panel per rung."""
    rows = style.spaced(len(item.rungs), PANELS)
    figure = style.blank(1.5 + 2.7 * len(rows), 3.4)
    names = style.labels(item.pretexts)
    panels = figure.subplots(1, len(rows), squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        for column, name in enumerate(item.pretexts):
            x, y = (100 * side[row, column] for side in item.means)
            look = style.of_pretext(looks, name, column)
            marker = {key: look[key] for key in ("color", "marker")}
            axes.plot([x], [y], linestyle="none", label=names[name], **marker)
        axes.set_title(f"n = {item.rungs[row]:,}, rank correlation {item.by_rung[row].value:.2f}", fontsize=8.5)
        axes.set_xlabel(f"{style.label(item.frozen)} (%)")
        axes.grid(color="0.92", linewidth=0.6)
    panels[0].set_ylabel(f"{style.label(item.trained)} (%)")
    style.legend(panels[-1], 1)
    figure.suptitle(
        f"{heading}: {style.quantity(quantity)}{style.part(len(rows), len(item.rungs))}", fontsize=10, x=0.01, ha="left"
    )
    return figure
