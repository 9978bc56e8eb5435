"""Figure of accuracy against labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import beside_legend, label, label_axis, legend, styles, title
from labeleff.reporting.measurements import Measurements, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy(measured: Measurements, place: Place) -> Figure:
    """Draw the place's metric in % against labels: every run as a dot, means as lines, their intervals as bands."""
    figure, columns = beside_legend(len(measured.arms))
    axes = figure.add_subplot()
    for arm, style in styles(measured).items():
        runs = measured.at(place, arm)
        if not runs:
            continue
        intervals = measured.intervals[place, arm]
        ns = [item.n for item in intervals]
        axes.plot(ns, [100 * item.mean for item in intervals], label=label(arm), markersize=4.5, linewidth=1.5, **style)
        dots = [(item.n, 100 * value) for item in intervals for value in runs[item.n].values()]
        axes.plot(*zip(*dots, strict=True), ".", color=style["color"], alpha=0.35, markersize=3)
        ends = [(100 * i.low, 100 * i.high) for i in intervals if i.low is not None and i.high is not None]
        if len(ends) == len(ns):
            low, high = zip(*ends, strict=True)
            axes.fill_between(ns, low, high, color=style["color"], alpha=0.15, linewidth=0)
    setting = measured.settings[place]
    chance = setting.chance
    if chance is not None:
        axes.axhline(100 * chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    label_axis(axes, setting.rungs)
    axes.set_ylabel(setting.quantity)
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    legend(axes, columns)
    return figure
