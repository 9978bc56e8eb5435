"""Figure of utility against labels: measured points solid, other points hollow.

Hollow with a dashed interval: extrapolated. Hollow with an arrow: a limit or a bound, and U lies where the arrow
points. Short bars are the measured bounds of hollow points. Many arms are drawn as a forest plot of label ratios.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labeleff.curves.bounds import Reading, worth
from labeleff.curves.methods import extrapolates
from labeleff.curves.utility import FAR
from labeleff.reporting.figures.forest import APART, Dot, Panel, chosen, forest
from labeleff.reporting.figures.style import arm_labels, beside_legend, label_axis, legend, part, styles, title
from labeleff.reporting.findings import Comparison
from labeleff.reporting.measurements import Measurements

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINEAR_UP_TO = 8.0
"""Utility above which the axis becomes logarithmic beyond 1."""
BETWEEN = 0.4
"""Part of the way between two rungs, on a logarithmic axis, that arms side by side take up."""
REACH = 16.0
"""Factor by which ends of intervals in a forest plot may lie outside of all its dots; longer ones are cut."""

Limits = tuple[float, float]


@dataclass(frozen=True)
class _Mark:
    """Marker of one rung of one arm, with its interval."""

    x: float
    y: float
    """Position of the marker."""
    reading: Reading

    @property
    def solid(self) -> bool:
        return self.reading.shown == "point"

    @property
    def arrow(self) -> int:
        """Direction of the arrow: 1 where U lies above the marker, -1 where it lies below, 0 where it lies at it."""
        return {"lower limit": 1, "at least": 1, "at most": -1}.get(self.reading.shown, 0)

    def interval(self, limits: Limits) -> Limits | None:
        """Ends of the interval's line within the axis; None without an interval."""
        if not self.reading.interval or self.reading.shown == "lower limit":
            return None
        low, high = self.reading.low, self.reading.high
        below = self.y if self.arrow < 0 else limits[0] if low is None else low
        above = self.y if self.arrow > 0 else limits[1] if high is None else high
        return max(below, limits[0]), min(above, limits[1])

    def open(self, limits: Limits) -> bool:
        """Whether the interval's line goes on beyond the axis."""
        ends = self.interval(limits)
        return ends is not None and self.arrow == 0 and ends[1] >= limits[1]


def _mark(reading: Reading, x: float) -> _Mark:
    """Mark of a reading at `x`."""
    y = reading.value
    if reading.shown == "lower limit":
        y = reading.low
    elif reading.shown in ("at least", "at most"):
        y = reading.bound
    assert y is not None
    return _Mark(x, y, reading)


def _limits(marks: Sequence[tuple[int, _Mark]], last: float) -> Limits:
    """Range of the utility axis for marks with their label counts: markers, ends of intervals, and 0.

    Upper ends count up to FAR times the baseline's last rung, so that an endless interval doesn't flatten the others.
    """
    values = [0.0]
    for n, mark in marks:
        low, high = mark.reading.low, mark.reading.high
        most = max(mark.y, FAR * last / n - 1)
        values += [mark.y, *([] if low is None else [min(low, mark.y)]), *([] if high is None else [min(high, most)])]
    top, bottom = max(values), min(values)
    return max(-1.05, min(-0.25, 1.3 * bottom - 0.1)), max(0.5, 1.25 * top if top <= LINEAR_UP_TO else 1.8 * top)


def utility(measured: Measurements, comparisons: Sequence[Comparison]) -> Figure:
    """Draw the utility of every arm at one place against labels."""
    if len(comparisons) > APART:
        return _forest(measured, comparisons)
    place, baseline = comparisons[0].place, comparisons[0].baseline
    figure, columns = beside_legend(len(comparisons))
    axes, names = figure.add_subplot(), arm_labels(measured, [baseline, *(item.arm for item in comparisons)])
    rungs, ladder = measured.settings[place].rungs, sorted(measured.at(place, baseline))
    label_axis(axes, rungs)
    for n in rungs:
        axes.axvline(n, color="0.94", linewidth=0.6, zorder=0)
    spread = _spread(rungs, len(comparisons))
    low, high = axes.get_xlim()
    reach = spread ** ((len(comparisons) + 1) / 2)  # the outermost arms, whole
    axes.set_xlim(min(low, rungs[0] / reach), max(high, rungs[-1] * reach))
    marks: dict[str, list[_Mark]] = {}
    for index, item in enumerate(comparisons):
        shift = spread ** (index - (len(comparisons) - 1) / 2)
        marks[item.arm] = [_mark(worth(point), point.n * shift) for point in item.points]
    limits = _limits(
        [(point.n, mark) for item in comparisons for point, mark in zip(item.points, marks[item.arm], strict=True)],
        ladder[-1],
    )
    if limits[1] > LINEAR_UP_TO:
        axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    axes.set_ylim(*limits)
    axes.axhline(0, color="black", linewidth=1)
    for arm, style in styles(measured).items():
        if arm in marks:
            axes.plot([], [], label=names[arm], **style)
            _draw(axes, marks[arm], limits, style)
    pairs = [(item, *pair) for item in comparisons for pair in zip(item.points, marks[item.arm], strict=True)]
    _doubted(axes, [mark for item, point, mark in pairs if item.doubts(point.n)])
    _outside(axes, (ladder[0], ladder[-1]), limits, extrapolates(measured.method))
    _plain_numbers(axes)
    axes.set_ylabel(f"utility U(n) against {names[baseline]}")
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    legend(axes, columns)
    return figure


def _spread(rungs: Sequence[int], arms: int) -> float:
    """Factor between the label counts of arms side by side, so that none comes near another rung."""
    nearest = min((high / low for low, high in itertools.pairwise(rungs)), default=2.0)
    return float(min(max(rungs[-1] / rungs[0], 2.0) ** 0.012, nearest ** (BETWEEN / max(1, arms))))


def _forest(measured: Measurements, comparisons: Sequence[Comparison]) -> Figure:
    """Draw the label ratio n1/n = U(n) + 1 of every arm, as a mean over the ladder and at some rungs."""
    place, baseline = comparisons[0].place, comparisons[0].baseline
    measured_ns = sorted({point.n for item in comparisons for point in item.points})
    rungs = chosen(measured_ns)
    dots = {"mean over the ladder": {item.arm: _mean(item) for item in comparisons if item.mean is not None}}
    for n in rungs:
        dots[f"n = {n:,}"] = {
            item.arm: _ratio(worth(point), doubted=bool(item.doubts(n)))
            for item in comparisons
            for point in item.points
            if point.n == n
        }
    every = [dot for panel in dots.values() for dot in panel.values()]
    least, most = min(dot.at for dot in every) / REACH, max(dot.at for dot in every) * REACH
    ends = [1.0, *(end for dot in every for end in (dot.at, dot.low, dot.high) if end is not None)]
    ends = [end for end in ends if least < end < most]
    limits = 0.8 * min(ends), 1.25 * max(ends)
    panels = [Panel(words, {arm: _cut(dot, limits) for arm, dot in panel.items()}) for words, panel in dots.items()]
    name = arm_labels(measured, [baseline, *(item.arm for item in comparisons)])[baseline]
    left_out = part(len(rungs), len(measured_ns))
    quantity = f"label ratio n1/n = U(n) + 1 against {name}; hollow: not measured{left_out}"
    figure, grid = forest(panels, measured, quantity, title(measured, place))
    for axes in grid:
        axes.set_xscale("log")
        axes.set_xlim(*limits)
        axes.axvline(1, color="black", linewidth=1, zorder=1)
        _few_ticks(axes, limits)
    return figure


def _mean(item: Comparison) -> Dot:
    """Dot of an arm's mean label ratio, with its interval for all arms of the place, or for itself with a headline."""
    assert item.mean is not None
    above, below = item.mean.above > 0, item.mean.below > 0
    arrow = 0 if above == below else 1 if above else -1
    low, high = item.mean.ends
    if low is not None and high is not None:
        low, high = 0.0 if item.mean.open_low else low, math.inf if item.mean.open_high else high
    return Dot(item.mean.ratio, low, high, above or below, arrow, item.doubts_mean)


def _ratio(reading: Reading, *, doubted: bool) -> Dot:
    """Dot of a utility as a label ratio; an end that doesn't exist lies at 0 or infinity."""
    mark = _mark(reading, 0.0)
    low, high = reading.low, reading.high
    if not reading.interval or reading.shown == "lower limit":
        low = high = mark.y
    ends = (-1.0 if low is None else low) + 1, (math.inf if high is None else high) + 1
    return Dot(mark.y + 1, *ends, hollow=not mark.solid, arrow=mark.arrow, doubted=doubted)


def _cut(dot: Dot, limits: Limits) -> Dot:
    """The dot with its interval cut at the ends of the axis."""
    low, high = (None if end is None else min(max(end, limits[0]), limits[1]) for end in (dot.low, dot.high))
    return replace(dot, low=low, high=high)


def _few_ticks(axes: Axes, limits: Limits) -> None:
    """Set ticks at powers of two, or at some of them, written as plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    first, last = math.ceil(math.log2(limits[0])), math.floor(math.log2(limits[1]))
    ticks = [2.0**power for power in range(first, last + 1) if power % max(1, math.ceil((last - first) / 5)) == 0]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}" if at >= 1 else f"1/{1 / at:,.0f}"))


def _draw(axes: Axes, marks: Sequence[_Mark], limits: Limits, style: dict[str, Any]) -> None:
    """Draw one arm: lines through its points, intervals, markers, arrows."""
    colour = style["color"]
    measured = [(mark.x, mark.y if mark.solid else float("nan")) for mark in marks]
    axes.plot(*zip(*measured, strict=True), color=colour, linestyle=style["linestyle"], linewidth=1)
    continued = [
        (place, height)
        for first, second in itertools.pairwise(marks)
        if not (first.arrow or second.arrow or (first.solid and second.solid))
        for place, height in ((first.x, first.y), (second.x, second.y), (second.x, float("nan")))
    ]
    if continued:
        axes.plot(*zip(*continued, strict=True), color=colour, linestyle="--", linewidth=1)
    _intervals(axes, [m for m in marks if not _dashed(m)], limits, colour, dashed=False)
    _intervals(axes, [m for m in marks if _dashed(m)], limits, colour, dashed=True)
    _markers(axes, [m for m in marks if m.solid], colour, marker=style["marker"], markersize=5.5)
    bars = [(m.x, m.reading.bound) for m in marks if m.reading.bound is not None and m.y != m.reading.bound]
    if bars:
        axes.plot(*zip(*bars, strict=True), "_", color=colour, markersize=7, markeredgewidth=1.2)
    hollow = [m for m in marks if not m.solid]
    _markers(axes, hollow, colour, marker=style["marker"], markersize=5.5, mfc="white", zorder=5)
    for direction, arrow in ((1, r"$\uparrow$"), (-1, r"$\downarrow$")):
        _arrows(axes, [(m.x, m.y) for m in marks if m.arrow == direction], arrow, 11 * direction, colour)
    _arrows(axes, [(m.x, limits[1]) for m in marks if m.open(limits)], "^", -2, colour)


def _dashed(mark: _Mark) -> bool:
    return mark.reading.shown == "extrapolated"


def _intervals(axes: Axes, marks: Sequence[_Mark], limits: Limits, colour: str, *, dashed: bool) -> None:
    ends = [(m.x, *pair) for m in marks if (pair := m.interval(limits)) is not None]
    if ends:
        xs, low, high = ([row[column] for row in ends] for column in range(3))
        axes.vlines(xs, low, high, colors=colour, linestyles="dashed" if dashed else "solid", linewidth=1.3)


def _markers(axes: Axes, marks: Sequence[_Mark], colour: str, **how: Any) -> None:
    if marks:
        axes.plot([m.x for m in marks], [m.y for m in marks], linestyle="", color=colour, **how)


def _doubted(axes: Axes, marks: Sequence[_Mark]) -> None:
    """Cross out what rests on an assumption that fails."""
    _markers(axes, marks, "black", marker="x", markersize=9, zorder=5, label="an assumption fails (see the report)")


def _arrows(axes: Axes, places: Sequence[tuple[float, float]], arrow: str, points: int, colour: str) -> None:
    """Draw arrows at places, shifted up by `points`."""
    from matplotlib.transforms import offset_copy

    if places:
        figure = axes.get_figure(root=True)
        shifted = offset_copy(axes.transData, fig=figure, y=points, units="points")
        size = 4 if arrow == "^" else 10
        axes.plot(
            *zip(*places, strict=True),
            linestyle="",
            marker=arrow,
            markersize=size,
            markeredgewidth=0.3,
            color=colour,
            transform=shifted,
            clip_on=False,
            zorder=4,
        )


def _outside(axes: Axes, ladder: tuple[int, int], limits: Limits, models: bool) -> None:
    """Shade the area that the baseline's ladder can't measure: over n_last/n - 1 and under n_first/n - 1."""
    import numpy as np

    ns = np.geomspace(ladder[0] / 2, ladder[1] * 2, 400)
    over = np.clip(ladder[1] / ns - 1, *limits)
    under = np.clip(ladder[0] / ns - 1, *limits)
    shade: dict[str, Any] = {"color": "0.9", "linewidth": 0, "zorder": 0}
    what = ":\nhollow, dashed: extrapolated\narrow: limit, bar: measured" if models else ":\nbounds only"
    axes.fill_between(ns, over, limits[1], label=f"outside the baseline's ladder{what}", **shade)
    axes.fill_between(ns, limits[0], under, **shade)


def _plain_numbers(axes: Axes) -> None:
    """Set ticks at 1, 2, 5 times powers of ten, or at some of these powers, written without exponents."""
    import numpy as np
    from matplotlib.ticker import FixedLocator, FuncFormatter

    if axes.get_yscale() != "linear":
        top = axes.get_ylim()[1]
        decades = max(1, int(np.log10(top)))
        steps = (1, 2, 5) if decades <= 3 else (1,)
        powers = range(0, decades + 1, max(1, decades // 6))
        ticks = [m * 10**e for e in powers for m in steps if m * 10**e <= top]
        axes.yaxis.set_major_locator(FixedLocator([-1, -0.5, 0, *ticks]))
        axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
