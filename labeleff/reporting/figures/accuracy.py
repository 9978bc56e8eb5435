"""Figure of accuracy against labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import beside_legend, label, label_axis, legend, styles, title
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.stand_ins import StandIns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy(measured: Measurements, place: Place) -> Figure:
    """Draw the place's metric against labels: runs as dots, means as lines, their intervals as bands."""
    setting = measured.settings[place]
    shown = setting.units.shown
    figure, columns = beside_legend(len(measured.arms))
    axes = figure.add_subplot()
    for arm, style in styles(measured).items():
        runs = measured.at(place, arm)
        if not runs:
            continue
        intervals = measured.intervals[place, arm]
        ns = [item.n for item in intervals]
        means = [shown(item.mean) for item in intervals]
        axes.plot(ns, means, label=label(arm), markersize=4.5, linewidth=1.5, **style)
        measured_ns = [n for n in ns if not isinstance(runs[n], StandIns)]
        dots = [(n, shown(value)) for n in measured_ns for value in runs[n].values()]
        if dots:
            axes.plot(*zip(*dots, strict=True), ".", color=style["color"], alpha=0.35, markersize=3)
        ends = [(shown(i.low), shown(i.high)) for i in intervals if i.low is not None and i.high is not None]
        if len(ends) == len(ns):
            low, high = zip(*ends, strict=True)
            axes.fill_between(ns, low, high, color=style["color"], alpha=0.15, linewidth=0)
    chance = setting.chance
    if chance is not None:
        axes.axhline(shown(chance), color="0.4", linestyle=":", linewidth=1, label="chance")
    label_axis(axes, setting.rungs)
    axes.set_ylabel(setting.quantity)
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    legend(axes, columns)
    return figure
