"""Figures of a report: accuracy and utility against labels, and learning curves of the pretexts.

Drawn through matplotlib's objects, without pyplot and its global state; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from labeleff.comparison import Comparison
from labeleff.measured import Measured, Place
from labeleff.stats import mean_intervals
from labeleff.utilities import UtilityPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labeleff.record import PretrainingRecord

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
"""Okabe and Ito's palette (2008), its yellow left out for white paper, with two of Tol's; the baseline is black."""
MARKERS = "sD^vP*Xh"
LINEAR_UP_TO = 8.0
"""Utilities over this put the figure's axis on a logarithmic scale beyond 1."""


def _figure(width: float = 7.0) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def render(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """The figure as a file's bytes, without dates or versions; characters that the font lacks become boxes."""
    import matplotlib

    stream = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "labeleff"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    return stream.getvalue()


def _styles(measured: Measured) -> dict[str, dict[str, Any]]:
    """Colour, marker and line by arm: the baseline black, the others from the palette in their order."""
    styles: dict[str, dict[str, Any]] = {}
    for arm in measured.arms:
        if arm == measured.baseline:
            styles[arm] = {"color": "black", "marker": "o", "linestyle": "-"}
            continue
        index = len([name for name in styles if name != measured.baseline])
        lap = index // len(COLOURS)
        styles[arm] = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[(index + lap) % len(MARKERS)],
            "linestyle": ("-", "--", ":", "-.")[lap % 4],
        }
    return styles


def _label_axis(axes: Axes, rungs: Sequence[int]) -> None:
    """Logarithmic label counts with a tick at the rungs, thinned out where they would collide."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    span = rungs[-1] / rungs[0]
    ticks = [rungs[0]]
    for n in rungs[1:]:
        if n / ticks[-1] >= span ** (1 / 9):
            ticks.append(n)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("labels n")
    axes.set_xlim(rungs[0] * span**-0.04, rungs[-1] * span**0.04)


def label(name: str, most: int = 36) -> str:
    """A name as a figure shows it: taken literally, its middle left out where it is long."""
    if len(name) > most:
        name = f"{name[: most // 2]}…{name[-(most - 1 - most // 2) :]}"
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def title(measured: Measured, place: Place) -> str:
    """What stands over a figure of the place."""
    rehearsal = "  (rehearsal: numbers mean nothing)" if measured.rehearsal else ""
    return f"{label(measured.settings[place].title, 80)}{rehearsal}"


def _beside_legend(entries: int) -> tuple[Figure, int]:
    """A figure with room for a legend of so many entries, and the legend's number of columns."""
    columns = 1 + entries // 24
    return _figure(7.0 + 1.6 * (columns - 1)), columns


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5, ncols=columns)


def accuracy(measured: Measured, place: Place) -> Figure:
    """Accuracy in % against labels: every run as a dot, means as lines, intervals of the means as bands."""
    figure, columns = _beside_legend(len(measured.arms))
    axes = figure.add_subplot()
    for arm, style in _styles(measured).items():
        runs = measured.at(place, arm)
        if not runs:
            continue
        intervals = mean_intervals(runs, level=measured.level)
        ns = [item.n for item in intervals]
        axes.plot(ns, [100 * item.mean for item in intervals], label=label(arm), markersize=4.5, linewidth=1.5, **style)
        for item in intervals:
            dots = [100 * value for value in runs[item.n].values()]
            axes.plot([item.n] * len(dots), dots, ".", color=style["color"], alpha=0.35, markersize=3)
        ends = [(100 * i.low, 100 * i.high) for i in intervals if i.low is not None and i.high is not None]
        if len(ends) == len(ns):
            low, high = zip(*ends, strict=True)
            axes.fill_between(ns, low, high, color=style["color"], alpha=0.15, linewidth=0)
    setting = measured.settings[place]
    chance = setting.chance
    if chance is not None:
        axes.axhline(100 * chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    _label_axis(axes, setting.rungs)
    axes.set_ylabel(setting.quantity)
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    _legend(axes, columns)
    return figure


def _limits(points: Sequence[UtilityPoint]) -> tuple[float, float]:
    """Range of the utility axis: everything that was measured, and 0, with room for arrows."""
    ends = [(p.utility, p.bound, p.low, p.high) for p in points]
    known = [0.0, *(value for item in ends for value in item if value is not None)]
    top = max(known)
    return max(-1.05, min(-0.25, 1.3 * min(known) - 0.1)), max(0.5, 1.25 * top if top <= LINEAR_UP_TO else 1.8 * top)


def _unmeasurable(axes: Axes, ladder: tuple[int, int], limits: tuple[float, float]) -> None:
    """Shade what the baseline's ladder can't tell: over n_last/n - 1 and under n_first/n - 1."""
    import numpy as np

    ns = np.geomspace(ladder[0] / 2, ladder[1] * 2, 400)
    over = np.clip(ladder[1] / ns - 1, *limits)
    under = np.clip(ladder[0] / ns - 1, *limits)
    shade: dict[str, Any] = {"color": "0.88", "linewidth": 0, "zorder": 0}
    axes.fill_between(ns, over, limits[1], label="outside the baseline's\nladder: bounds only", **shade)
    axes.fill_between(ns, limits[0], under, **shade)


def _draw_point(axes: Axes, point: UtilityPoint, x: float, limits: tuple[float, float], style: Any) -> None:
    """A measured utility with its interval, or a bound with an arrow towards where the utility lies."""
    colour = style["color"]
    if point.bound is not None:
        up = point.kind == "above"
        axes.plot(x, point.bound, marker=style["marker"], markersize=5.5, color=colour, mfc="white", zorder=5)
        arrow = {"arrowstyle": "<|-", "color": colour, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 3}
        tail = (x, point.bound)
        if up:
            axes.annotate("", tail, (0, 20), textcoords="offset points", arrowprops=arrow)
        else:
            axes.annotate("", tail, (x, max(-1.0, point.bound - 0.25)), arrowprops=arrow)
    elif point.utility is not None:
        axes.plot(x, point.utility, marker=style["marker"], markersize=5.5, color=colour)
    if point.p_above is None:
        return
    if point.kind == "inside":
        low = limits[0] if point.low is None else point.low
        high = limits[1] if point.high is None else point.high
        axes.plot([x, x], [low, high], color=colour, linewidth=1.3)
    elif point.kind == "above" and point.low is not None and point.bound is not None:
        axes.plot([x, x], [point.low, point.bound], color=colour, linewidth=1.3)
    elif point.kind == "below" and point.high is not None and point.bound is not None:
        axes.plot([x, x], [point.bound, point.high], color=colour, linewidth=1.3)


def utility(measured: Measured, comparisons: Sequence[Comparison]) -> Figure:
    """Utility of every arm at one place against labels, with intervals; bounds are hollow, with arrows."""
    import numpy as np

    place, baseline = comparisons[0].place, comparisons[0].baseline
    figure, columns = _beside_legend(len(comparisons))
    axes = figure.add_subplot()
    limits = _limits([point for item in comparisons for point in item.points])
    ladder = sorted(measured.at(place, baseline))
    rungs = measured.settings[place].rungs
    _label_axis(axes, rungs)
    if limits[1] > LINEAR_UP_TO:
        axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    axes.axhline(0, color="black", linewidth=1)
    styles = _styles(measured)
    spread = (rungs[-1] / rungs[0]) ** 0.012
    for index, item in enumerate(comparisons):
        shift = spread ** (index - (len(comparisons) - 1) / 2) if len(comparisons) <= 8 else 1.0
        style = styles[item.arm]
        inside = [(p.n * shift, p.utility if p.utility is not None else np.nan) for p in item.points]
        axes.plot(*zip(*inside, strict=True), color=style["color"], linestyle=style["linestyle"], linewidth=1)
        axes.plot([], [], label=label(item.arm), **style)
        for point in item.points:
            _draw_point(axes, point, point.n * shift, limits, style)
    _unmeasurable(axes, (ladder[0], ladder[-1]), limits)
    axes.set_ylim(*limits)
    _plain_numbers(axes)
    axes.set_ylabel(f"utility U(n) against {label(baseline)}")
    axes.set_title(title(measured, place), fontsize=10, loc="left")
    _legend(axes, columns)
    return figure


def _plain_numbers(axes: Axes) -> None:
    """Ticks at 1, 2, 5 times powers of ten, or at some of these powers, written out."""
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


def pretexts(pretrainings: Iterable[PretrainingRecord], heading: str) -> Figure | None:
    """Learning curves of the pretexts, one line a seed: loss, and accuracy where they have one.

    None where no curve was recorded.
    """
    wanted = [item for item in pretrainings if item.training is not None and item.training.history]
    if not wanted:
        return None
    figure = _figure(9.5)
    left, right = figure.subplots(1, 2)
    kinds = list(dict.fromkeys(item.pretraining.pretext.name for item in wanted))
    named: set[str] = set()
    for item in wanted:
        assert item.training is not None
        name, history = item.pretraining.pretext.name, item.training.history
        style = {"color": COLOURS[kinds.index(name) % len(COLOURS)], "alpha": 0.8}
        hide = "_" if name in named else ""
        named.add(name)
        _curve(left, history, "loss", 1, label=f"{hide}{name}", **style)
        _curve(right, history, "accuracy", 100, label=f"{hide}{name}: training", **style)
        _curve(right, history, "heldout_accuracy", 100, label=f"{hide}{name}: held out", linestyle="--", **style)
    for axes, what in ((left, "pretext loss"), (right, "pretext accuracy (%)")):
        axes.set_xlabel("epochs of pretraining")
        axes.set_ylabel(what)
        axes.grid(color="0.92", linewidth=0.6)
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
    left.set_title(heading, fontsize=10, loc="left")
    return figure


def _curve(axes: Axes, history: Sequence[dict[str, float]], key: str, scale: float, **style: Any) -> None:
    points = [(entry.get("epoch", entry.get("step", 0.0)), scale * entry[key]) for entry in history if key in entry]
    if points:
        axes.plot(*zip(*points, strict=True), linewidth=1.4, marker=".", markersize=4, **style)
