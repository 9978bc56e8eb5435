"""Figure of accuracy against labels: lines, or for many arms a forest plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labeleff.reporting.figures.forest import APART, Dot, Panel, chosen, forest
from labeleff.reporting.figures.style import (
    arm_labels,
    beside_legend,
    clip,
    label_axis,
    legend,
    part,
    quantity,
    styles,
    title,
)
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.stand_ins import StandIns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy(measured: Measurements, place: Place) -> Figure:
    """Draw the place's metric against labels: runs as dots, means as lines, their intervals as bands."""
    setting = measured.settings[place]
    shown = setting.units.shown
    drawn = {arm: style for arm, style in styles(measured).items() if measured.at(place, arm)}
    if len(drawn) > APART + 1:
        return _forest(measured, place, drawn)
    figure, columns = beside_legend(len(drawn))
    axes, names = figure.add_subplot(), arm_labels(measured, drawn)
    for arm, style in drawn.items():
        runs = measured.at(place, arm)
        intervals = measured.intervals[place, arm]
        ns = [item.n for item in intervals]
        means = [shown(item.mean) for item in intervals]
        axes.plot(ns, means, label=names[arm], markersize=4.5, linewidth=1.5, **style)
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
    axes.set_ylabel(quantity(setting.quantity))
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    clip(axes.yaxis, setting)
    legend(axes, columns)
    return figure


def _forest(measured: Measurements, place: Place, drawn: Mapping[str, dict[str, Any]]) -> Figure:
    """Draw the means of every arm with their intervals, a panel per rung."""
    setting = measured.settings[place]
    shown = setting.units.shown
    rungs = sorted({n for arm in drawn for n in measured.at(place, arm)})
    means = {arm: {item.n: item for item in measured.intervals[place, arm]} for arm in drawn}
    panels = [
        Panel(
            f"n = {n:,}",
            {
                arm: Dot(
                    shown(item.mean),
                    None if item.low is None else shown(item.low),
                    None if item.high is None else shown(item.high),
                )
                for arm, by_n in means.items()
                if (item := by_n.get(n))
            },
        )
        for n in chosen(rungs)
    ]
    words = f"{quantity(setting.quantity)}{part(len(panels), len(rungs))}"
    figure, axes = forest(panels, measured, words, title(measured, place))
    for each in axes:
        clip(each.xaxis, setting)
        if setting.chance is not None:
            each.axvline(shown(setting.chance), color="0.4", linestyle=":", linewidth=1)
    return figure
