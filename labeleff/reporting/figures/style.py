"""Style of all figures: axes, colours, legend, rendering.

They are drawn through matplotlib's objects, without pyplot and its global state; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.reporting.figures.look import Kind, Look
from labeleff.reporting.measurements import Measurements, Place, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

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
LONGEST = 36
"""Number of characters of a name in a figure, from which on its middle is left out."""
SPARE = 3
"""Number of characters after a difference between names that are kept with it, where there is room."""
NEAREST = 0.005
"""Least height of a metric's axis, as a share of the metric's range."""
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
            _thin(figure)
        figure.savefig(stream, format=kind, dpi=DPI, metadata=DATES[kind])
    return stream.getvalue()


def _thin(figure: Figure) -> None:
    """Drop ticks at set places of horizontal axes whose labels would overprint others; the outermost two stay first."""
    from matplotlib.ticker import FixedLocator

    for axis in (axes.xaxis for axes in figure.axes):
        texts = [tick.label1 for tick in axis.get_major_ticks()]
        if not isinstance(axis.get_major_locator(), FixedLocator) or any(text.get_rotation() for text in texts):
            continue
        ticks = sorted((*_ends(text), float(at)) for text, at in zip(texts, axis.get_majorticklocs(), strict=True))
        kept: list[tuple[float, float, float]] = []
        for tick in [*ticks[:1], *ticks[1:][-1:], *ticks[1:-1]]:
            if all(tick[0] > end or tick[1] < start for start, end, _ in kept):
                kept.append(tick)
        if len(kept) < len(ticks):
            axis.set_major_locator(FixedLocator(sorted(at for _, _, at in kept)))


def _ends(text: Text) -> tuple[float, float]:
    """Where a text begins and ends on the page, with room around it."""
    box = text.get_window_extent()
    room = 0.2 * box.height
    return box.x0 - room, box.x1 + room


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
    """Cut an axis where the metric ends, with a little room for what is drawn there; it stays open where that is.

    It isn't drawn closer than NEAREST, and its numbers are written in full.
    """
    from matplotlib.ticker import ScalarFormatter

    units, entry = setting.units, setting.metric_entry
    worst, best = units.shown(0.0), units.shown(1.0)
    if entry.open or math.isinf(entry.worst):
        worst = math.copysign(math.inf, worst - best)
    least, most = sorted((worst, best))
    low, high = axis.get_view_interval()
    lacking = max(0.0, NEAREST * units.size - (high - low)) / 2
    low, high = low - lacking, high + lacking
    room = min(0.02 * units.size, 0.05 * (high - low))
    if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
        formatter.set_useOffset(False)
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
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))
    axes.set_xlabel("labels n")
    axes.set_xlim(rungs[0] * span**-0.04, rungs[-1] * span**0.04)


def _count(value: float) -> str:
    """Write a label count in full, or in millions where that is shorter: `1,281,167`, `1.5M`."""
    whole, millions = f"{value:,.0f}", f"{value / 1e6:,.10g}M"
    return millions if value >= 1e6 and len(millions) < len(whole) else whole


def label(name: str, most: int = LONGEST) -> str:
    """Prepare a name for a figure: escaped, and its middle left out where it has over `most` characters."""
    return escaped(_cut(name, most, most // 2))


def labels(names: Iterable[str]) -> dict[str, str]:
    """Prepare the names of one figure as `label` does, by name, so that distinct names stay distinct."""
    distinct = [*dict.fromkeys(names)]
    return {name: escaped(text) for name, text in zip(distinct, shortened(distinct), strict=True)}


def arm_labels(measured: Measurements, arms: Iterable[str]) -> dict[str, str]:
    """What a figure calls the baseline and these arms, by arm."""
    names = {arm: measured.look.name(arm) for arm in (measured.baseline, *arms)}
    prepared = labels(names.values())
    return {arm: prepared[name] for arm, name in names.items()}


def escaped(name: str) -> str:
    """Let matplotlib take a name literally, which has formulas between dollars and hides names that begin with `_`."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def shortened(names: Sequence[Sequence[str]], most: int = LONGEST) -> list[str]:
    """Join names from their pieces, and leave out pieces of those that are over `most` characters long.

    That is the middle, or where distinct names would become the same another part, in which they don't differ. Where
    there is none they are numbered.
    """
    texts = [_cut(name, most, most // 2) for name in names]
    for text in [text for text, number in Counter(texts).items() if number > 1]:
        places = [place for place, other in enumerate(texts) if other == text]
        apart = _apart([names[place] for place in places], most)
        for place, other in zip(places, apart, strict=True):
            texts[place] = other
    alike, seen = Counter(texts), Counter[str]()
    for place, text in enumerate(texts):
        if alike[text] > 1:
            seen[text] += 1
            texts[place] = f"{text} ({seen[text]})"
    return texts


def _apart(names: Sequence[Sequence[str]], most: int) -> list[str]:
    """Cut names elsewhere than in the middle, as near to it as keeps them distinct, or else twice."""
    for spare in (SPARE, 0):
        for head in sorted(range(spare, most - spare), key=lambda head: abs(head - most // 2)):
            kept = {(_first(name, head - spare), _last(name, most - 1 - head - spare)) for name in names}
            if len(kept) == len(names):
                return [_cut(name, most, head) for name in names]
    columns = enumerate(zip(*names, strict=False))
    differing = next((place for place, pieces in columns if len(set(pieces)) > 1), 0)
    side, start = most // 4, max(0, differing - SPARE)
    middles = [_first(name[start:], most - 2 - 2 * side) for name in names]
    return [f"{_first(name, side)}…{middle}…{_last(name, side)}" for name, middle in zip(names, middles, strict=True)]


def _cut(name: Sequence[str], most: int, head: int) -> str:
    """Join a name, of which over `most` characters only the first `head` and as many of the last as fit are kept."""
    if sum(map(len, name)) <= most:
        return "".join(name)
    return f"{_first(name, head)}…{_last(name, most - 1 - head)}"


def _first(pieces: Sequence[str], most: int) -> str:
    ends = itertools.accumulate(map(len, pieces))
    return "".join(pieces[: sum(end <= most for end in ends)])


def _last(pieces: Sequence[str], most: int) -> str:
    ends = itertools.accumulate(map(len, reversed(pieces)))
    return "".join(pieces[len(pieces) - sum(end <= most for end in ends) :])


def quantity(words: str) -> str:
    """Name of what an axis shows, as long as there is room for beside one."""
    return label(words, 52)


def part(shown: int, of: int) -> str:
    """Clause on label counts that a figure leaves out; empty where it has all."""
    return f"; {shown} of {of} label counts" if shown < of else ""


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
