"""Style of all figures: axes, colours, legend, rendering.

They are drawn through matplotlib's objects, without pyplot and its global state; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from labeleff.reporting.measurements import Measurements, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
DPI = 150


def blank(width: float = 7.0, height: float = 4.2) -> Figure:
    """Create an empty figure; width and height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def render(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """Render a figure to a file's bytes, without dates or versions; characters that the font lacks become boxes.

    Its layout is computed the first time, without the drawing that matplotlib would do for it, and kept.
    """
    import matplotlib

    stream = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with (
        matplotlib.rc_context(
            {"svg.hashsalt": "labeleff", "figure.autolayout": False, "figure.constrained_layout.use": False}
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        if (layout := figure.get_layout_engine()) is not None:
            figure.set_dpi(DPI)
            layout.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
    return stream.getvalue()


def styles(measured: Measurements) -> dict[str, dict[str, Any]]:
    """Colour, marker and line style by arm: the baseline black, the others from the palette in their order."""
    by_arm: dict[str, dict[str, Any]] = {}
    for arm in measured.arms:
        if arm == measured.baseline:
            by_arm[arm] = {"color": "black", "marker": "o", "linestyle": "-"}
            continue
        index = len([name for name in by_arm if name != measured.baseline])
        lap = index // len(COLOURS)
        by_arm[arm] = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[(index + lap) % len(MARKERS)],
            "linestyle": ("-", "--", ":", "-.")[lap % 4],
        }
    return by_arm


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
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5, ncols=columns)
