"""Figures of a report: accuracy against labels, and what figures share.

Drawn through matplotlib's objects, without pyplot and its global state; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from labeleff.reporting.measurements import Measured, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
"""Okabe and Ito's palette (2008), its yellow left out for white paper, with two of Tol's; the baseline is black."""
MARKERS = "sD^vP*Xh"
LEGEND = 15
"""Entries of a legend that stand below each other beside the axes."""


def blank(width: float = 7.0, height: float = 4.2) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
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


def styles(measured: Measured) -> dict[str, dict[str, Any]]:
    """Colour, marker and line by arm: the baseline black, the others from the palette in their order."""
    found: dict[str, dict[str, Any]] = {}
    for arm in measured.arms:
        if arm == measured.baseline:
            found[arm] = {"color": "black", "marker": "o", "linestyle": "-"}
            continue
        index = len([name for name in found if name != measured.baseline])
        lap = index // len(COLOURS)
        found[arm] = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[(index + lap) % len(MARKERS)],
            "linestyle": ("-", "--", ":", "-.")[lap % 4],
        }
    return found


def label_axis(axes: Axes, rungs: Sequence[int]) -> None:
    """Logarithmic label counts with a tick at the rungs, thinned out where they would collide."""
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
    """A name as a figure shows it: taken literally, its middle left out where it is long."""
    if len(name) > most:
        name = f"{name[: most // 2]}…{name[-(most - 1 - most // 2) :]}"
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def title(measured: Measured, place: Place) -> str:
    """What stands over a figure of the place."""
    rehearsal = "  (rehearsal: numbers mean nothing)" if measured.rehearsal else ""
    return f"{label(measured.settings[place].title, 80)}{rehearsal}"


def beside_legend(entries: int) -> tuple[Figure, int]:
    """A figure with room for a legend of so many entries, and the legend's number of columns."""
    columns = 1 + entries // LEGEND
    return blank(7.0 + 1.9 * (columns - 1)), columns


def legend(axes: Axes, columns: int) -> None:
    """Names beside the axes, so that they hide nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5, ncols=columns)
