"""The figure of one quantity over time: every number a line a series, its levels, and where it changed them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labeleff.reporting.amounts import scale
from labeleff.reporting.figures import COLOURS, MARKERS, beside_legend, label, legend
from labeleff.tracking.history import History, Series
from labeleff.tracking.history_report import names_of
from labeleff.tracking.quantities import Quantity, Subject, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6
"""Numbers that one figure shows."""
TICKS = 12
"""Runs that the axis names."""


def figures(found: History) -> dict[str, Figure]:
    """By file name: `history-QUANTITY-1`, and so on where there are many numbers; none for a single run."""
    drawn: dict[str, Figure] = {}
    for metric in found.metrics if len(found.entries) > 1 else []:
        for number, subjects in enumerate(found.groups(metric, MOST), start=1):
            drawn[f"history-{metric}-{number}"] = _figure(found, metric, subjects)
    return drawn


def _figure(found: History, metric: str, subjects: Sequence[Subject]) -> Figure:
    figure, columns = beside_legend(len(subjects))
    axes = figure.add_subplot()
    what = quantity(metric)
    names = names_of(subjects)
    for index, subject in enumerate(subjects):
        for series in found.of(metric):
            if series.subject == subject:
                _draw(
                    axes, series, COLOURS[index], MARKERS[index], label(names[subject]) if series.number == 1 else "_"
                )
    _breaks(axes, found, subjects)
    _axis(axes, found)
    axes.set_ylabel(f"{scale(what)}, {'higher' if what.higher else 'lower'} is better")
    axes.set_title(f"{metric} over time; bars: levels, triangles: their changes", fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    legend(axes, columns)
    return figure


def _shown(what: Quantity, number: float) -> float:
    """In the units of the axis."""
    return number if what.relative or what.unit or what.name == "utility" else 100 * number


def _draw(axes: Axes, series: Series, colour: str, marker: str, name: str) -> None:
    what, places = series.quantity, [point.place for point in series.points]
    values = [_shown(what, point.value.value) for point in series.points]
    axes.plot(places, values, color=colour, marker=marker, markersize=4, linewidth=1.0, alpha=0.9, label=name)
    for point in series.points:
        low, high = point.value.low, point.value.high
        if low is not None and high is not None:
            ends = [_shown(what, low), _shown(what, high)]
            axes.plot([point.place] * 2, ends, color=colour, linewidth=0.8, alpha=0.4)
    for first, last, level in _levels(series):
        axes.plot([first - 0.3, last + 0.3], [_shown(what, level)] * 2, color=colour, linewidth=4, alpha=0.25)
    for change in series.changes:
        middle = _shown(what, (change.before + change.after) / 2)
        shape = "^" if change.after > change.before else "v"
        axes.plot(
            series.points[change.place].place - 0.5,
            middle,
            marker=shape,
            markersize=10,
            color=colour,
            markeredgecolor="black",
            zorder=5,
        )


def _levels(series: Series) -> Iterator[tuple[int, int, float]]:
    """First and last run of every stretch between changes, with its mean; none for a series without changes."""
    cuts = [change.place for change in series.changes]
    if cuts:
        for first, end in itertools.pairwise([0, *cuts, len(series.points)]):
            stretch = series.points[first:end]
            yield stretch[0].place, stretch[-1].place, sum(p.value.value for p in stretch) / len(stretch)


def _breaks(axes: Axes, found: History, subjects: Sequence[Subject]) -> None:
    """Where conditions changed, with the first thing that did."""
    began: dict[int, str] = {}
    for series in found.series:
        if series.subject in subjects and series.began:
            began.setdefault(series.points[0].place, series.began[0])
    for place, reason in began.items():
        axes.axvline(place - 0.5, color="0.4", linestyle=":", linewidth=1)
        text = axes.annotate(label(reason), (place - 0.5, 1.0), xycoords=("data", "axes fraction"), rotation=90)
        text.set(va="top", ha="center", fontsize=7, color="0.35", bbox={"color": "white", "pad": 1.0})


def _axis(axes: Axes, found: History) -> None:
    """Runs by day and commit, thinned out where they would collide."""
    step = 1 + (len(found.entries) - 1) // TICKS
    places = range(0, len(found.entries), step)
    origins = [found.entries[place].origin for place in places]
    names = [f"{origin.date[:10]}\n{origin.short}" for origin in origins]
    axes.set_xticks(list(places), names, rotation=45, ha="right", fontsize=7)
    axes.set_xlim(-0.6, len(found.entries) - 0.4)
    axes.set_xlabel("runs in order of time: day, commit")
