"""Style of all figures: axes, colours, legend, rendering.

They are drawn through matplotlib's objects, without pyplot and its global state; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.reporting.figures.look import Kind, Look
from labeleff.reporting.measurements import Measurements, Place, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
"""Okabe and Ito's palette (2008), its yellow left out for white paper, with two of Tol's; the baseline is black."""
MARKERS = "sD^vP*Xh"
MOST_ARMS = 24
"""Largest number of arms, beside the baseline, that a figure shows: more can't be told apart."""
BEST = 12
"""Number of arms that a figure shows where there are more than MOST_ARMS: the best, with room around them."""
LEGEND = 15
"""Number of legend entries per column."""
FONT = 10.0
"""Size in points of most letters where none is asked for."""
NARROW = 5.5
"""Width in inches under which there is no room for a legend beside the axes."""
BESIDE = "beside"
"""Mark of legends that stand beside their axes."""
DPI = 150
Style = dict[str, Any]
"""Colour, marker and line style, as matplotlib's `plot` takes them."""
DATES = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What matplotlib would write into a file that isn't the same tomorrow, or in its next version."""
FIXED: dict[Any, Any] = {
    "svg.hashsalt": "labeleff",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}
"""Settings by which text stays text, and a layout stays as it is."""


def blank(width: float = 7.0, height: float = 4.2) -> Figure:
    """Create an empty figure; width and height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def fit(figure: Figure, look: Look) -> None:
    """Give a figure the size and the letters that are asked for; without room beside the axes, legends go below."""
    from matplotlib.text import Text

    if look.font_size is not None:
        scale = look.font_size / FONT
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_tick_params(labelsize=scale * float(axis.get_major_ticks(1)[0].label1.get_fontsize()))
        ticks = {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in axis.get_ticklabels()}
        for text in set(figure.findobj(Text)) - ticks:
            text.set_fontsize(scale * float(text.get_fontsize()))
    if look.size is not None:
        figure.set_size_inches(*look.size)
        if look.size[0] < NARROW:
            _legends_below(figure)


def _legends_below(figure: Figure) -> None:
    """Put legends that stand beside axes under them."""
    for axes in figure.axes:
        old = axes.get_legend()
        if old is None or old.get_label() != BESIDE:
            continue
        size = old.get_texts()[0].get_fontsize()
        old.remove()
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", frameon=False, fontsize=size, ncols=2)


def render(figure: Figure, kind: Kind) -> bytes:
    """Render a figure to a file's bytes, without dates or versions.

    Its layout is computed the first time, without the drawing that matplotlib would do for it, and kept.
    """
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context(FIXED):
        if (layout := figure.get_layout_engine()) is not None:
            figure.set_dpi(DPI)
            layout.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(stream, format=kind, dpi=DPI, metadata=DATES[kind])
    return stream.getvalue()


def styles(measured: Measurements) -> dict[str, Style]:
    """Colour, marker and line style of the arms to draw, in their order."""
    every = styles_of_all(measured)
    return {arm: every[arm] for arm in measured.look.arms or measured.arms}


def styles_of_all(measured: Measurements) -> dict[str, Style]:
    """Colour, marker and line style of every arm: the baseline black, the others from the palette.

    They follow from an arm's place among all arms, so that it looks the same in every figure.
    """
    others = [arm for arm in measured.arms if arm != measured.baseline]
    baseline = {"color": "black", "marker": "o", "linestyle": "-"}
    return {measured.baseline: baseline} | {arm: numbered(index) for index, arm in enumerate(others)}


def of_pretext(looks: Mapping[str, Style] | None, name: str, index: int) -> Style:
    """The look of a pretext where `looks` have one, else that of its place among those drawn."""
    return (looks or {}).get(name) or numbered(index)


def spaced(count: int, most: int) -> list[int]:
    """At most `most` of the positions 0..count-1 at equal distances, the first and the last among them."""
    import numpy as np

    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(most, count)).round())]


def numbered(index: int) -> Style:
    """Colour, marker and line style number `index` of the palette, from 0, in which no two of 32 are alike."""
    lap, colour = divmod(index, len(COLOURS))
    return {
        "color": COLOURS[colour],
        "marker": MARKERS[(index + lap) % len(MARKERS)],
        "linestyle": ("-", "--", ":", "-.")[lap % 4],
    }


def clip(axis: Axis, setting: Setting) -> None:
    """Cut an axis where the metric ends, with a little room for what is drawn there; it stays open where that is."""
    units, entry = setting.units, setting.metric_entry
    worst, best = units.shown(0.0), units.shown(1.0)
    if entry.open or math.isinf(entry.worst):
        worst = math.copysign(math.inf, worst - best)
    least, most = sorted((worst, best))
    room = 0.02 * units.size
    low, high = axis.get_view_interval()
    axis.set_view_interval(max(low, least - room), min(high, most + room), ignore=True)


def label_axis(axes: Axes, rungs: Sequence[int]) -> None:
    """Set a logarithmic axis of label counts with ticks at the rungs, fewer where they would collide."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    span = max(rungs[-1] / rungs[0], 2.0)  # one rung alone needs some width too
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
    """Prepare a name for a figure: escaped, and its middle left out where it has over `most` characters."""
    if len(name) > most:
        name = f"{name[: most // 2]}…{name[-(most - 1 - most // 2) :]}"
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def title(measured: Measurements, place: Place) -> str:
    """Title of a figure of the place."""
    rehearsal = "  (rehearsal: numbers mean nothing)" if measured.rehearsal else ""
    return f"{label(measured.settings[place].title, 80)}{rehearsal}"


def beside_legend(entries: int) -> tuple[Figure, int]:
    """Create a figure with room for a legend of the given number of entries; also gives the legend's columns."""
    columns = 1 + entries // LEGEND
    return blank(7.0 + 1.9 * (columns - 1)), columns


def legend(axes: Axes, columns: int) -> None:
    """Draw the legend beside the axes, where it hides nothing."""
    drawn = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5, ncols=columns)
    drawn.set_label(BESIDE)
