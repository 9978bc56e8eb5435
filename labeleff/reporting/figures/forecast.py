"""Figure of a forecast: the pilot's runs, the expected accuracy with its intervals, and the targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labeleff.catalogue.metrics import Units
from labeleff.curves.forecast import Forecast, LabelForecast, Range
from labeleff.curves.rung_means import shown_values
from labeleff.reporting.figures.style import COLOURS, beside_legend, clip, label, label_axis, legend, quantity
from labeleff.reporting.measurements import Setting
from labeleff.stats.resampling import Runs
from labeleff.stats.stand_ins import StandIns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 0.16
"""Part of the axis before its end that has no other tick."""


def forecast(found: Forecast, runs: Runs, name: str, setting: Setting) -> Figure:
    """Draw one arm's forecast; `setting` has the name and the units of the vertical axis."""
    shown = setting.units.shown
    figure, columns = beside_legend(4 + len(found.labels))
    axes = figure.add_subplot()
    ns = [each.n for each in found.curve]
    interval = f"{100 * found.level:g} %"
    axes.plot(ns, [shown(each.accuracy.value) for each in found.curve], color=COLOURS[1], label="expected (median)")
    _band(axes, ns, [each.accuracy.mapped(shown) for each in found.curve], 0.25, f"its interval, {interval}")
    _band(axes, ns, [each.run.mapped(shown) for each in found.curve], 0.12, f"one run, {interval}")
    dots = [(n, shown(value)) for n, rung in sorted(runs.items()) for value in shown_values(rung)]
    what = "means of the pilot" if any(isinstance(rung, StandIns) for rung in runs.values()) else "runs of the pilot"
    axes.plot(*zip(*dots, strict=True), "k.", markersize=4, label=what)
    for place, target in enumerate(found.labels):
        _target(axes, target, setting.units, COLOURS[(0, 2, 3, 4, 5, 6, 7)[place % 7]], ns[0], ns[-1])
    label_axis(axes, _ticks(found))
    axes.axvspan(found.last.n, axes.get_xlim()[1], color="0.94", linewidth=0, zorder=0, label="beyond the pilot")
    axes.set_ylabel(quantity(setting.quantity))
    axes.set_title(label(name, 80), fontsize=10, loc="left")
    axes.grid(color="0.9", linewidth=0.6)
    clip(axes.yaxis, setting)
    legend(axes, columns)
    return figure


def _band(axes: Axes, ns: Sequence[float], ranges: Sequence[Range], alpha: float, name: str) -> None:
    low, high = ([getattr(each, end) for each in ranges] for end in ("low", "high"))
    axes.fill_between(ns, low, high, color=COLOURS[1], alpha=alpha, linewidth=0, label=name)


def _target(axes: Axes, found: LabelForecast, units: Units, colour: str, first: float, last: float) -> None:
    """Draw a target as a line, its labels as a point, and their interval as a bar within the axis."""
    height = units.shown(found.target)
    axes.axhline(height, color=colour, linestyle=":", linewidth=1, label=f"target {units.exact(found.target)}")
    low, high = max(found.labels.low, first), min(found.labels.high, last)
    if found.kind != "below" and low <= last:
        axes.plot([low, high], [height, height], color=colour, linewidth=2)
        if found.labels.high > last:
            axes.plot([last], [height], ">", color=colour, markersize=6)
        if found.labels.value <= last:
            axes.plot([found.labels.value], [height], "o", color=colour, markersize=5.5)


def _ticks(found: Forecast) -> list[int]:
    """Rungs, beyond them 1, 2 and 5 times powers of ten as far as there is room, and the curve's end."""
    rungs, last = [int(rung.n) for rung in found.rungs], found.curve[-1].n
    powers = range(int(math.log10(rungs[-1])), int(math.log10(last)) + 1)
    room = last / (last / rungs[0]) ** ROOM
    return [*rungs, *(m * 10**e for e in powers for m in (1, 2, 5) if rungs[-1] < m * 10**e < room), int(last)]
