"""Figure of pretexts' learning curves: one panel per pretext and measure.

Losses of different pretexts are different quantities, and so are their accuracies (of four turns, of finding one image
among a batch), so no two pretexts share an axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import Style, blank, labels, of_pretext
from labeleff.study.names import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labeleff.records.entries import PretrainingRecord

MEASURES = (("loss", "loss", 1), ("accuracy", "accuracy (%)", 100))
"""Key of the training curve (its held-out twin has `heldout_` before it), words, and scale."""
FEW = 4
"""Number of panels up to which a row has two."""

History = Sequence[dict[str, float]]


@dataclass(frozen=True)
class Panel:
    """One measure of one pretext, by seed."""

    pretext: str
    number: int
    """Place of the pretext among all."""
    key: str
    words: str
    scale: float
    histories: Sequence[History]


def panels(pretrainings: Iterable[PretrainingRecord]) -> list[Panel]:
    """Panels of loss, and of accuracy where it was recorded, per pretext; none where no curve was recorded."""
    recorded = [item for item in pretrainings if item.training is not None and item.training.history]
    names = short_names(item.pretraining.pretext for item in recorded)
    groups: dict[str, list[History]] = {}
    for item in recorded:
        if item.training is not None:
            groups.setdefault(names[item.pretraining.pretext.label], []).append(item.training.history)
    return [
        Panel(name, number, *measure, histories)
        for number, (name, histories) in enumerate(groups.items())
        for measure in MEASURES
        if any(_points(history, prefix + measure[0], 1) for history in histories for prefix in ("", "heldout_"))
    ]


def learning_curves(panels: Sequence[Panel], heading: str, looks: Mapping[str, Style] | None = None) -> Figure:
    """Draw panels against epochs, one line per seed.

    `looks` are colours by pretext; the others have one by their place.
    """
    columns = min(len(panels), 2 if len(panels) <= FEW else 3)
    rows = -(-len(panels) // columns)
    figure = blank(9.5 if columns > 1 else 7.0, 4.2 if rows == 1 else 0.4 + 2.5 * rows)
    names = labels(panel.pretext for panel in panels)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        look = of_pretext(looks, panel.pretext, panel.number)
        _panel(axes, panel.histories, panel.key, panel.scale, look["color"])
        axes.set_title(names[panel.pretext], fontsize=9, loc="left")
        axes.set_ylabel(panel.words)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(panels) - columns) : len(panels)]:  # the lowest panel of each column
        axes.set_xlabel("epochs of pretraining")
    figure.suptitle(heading, fontsize=10, x=0.01, ha="left")
    return figure


def _panel(axes: Axes, histories: Sequence[History], key: str, scale: float, colour: str) -> None:
    """Draw one measure of one pretext: training as lines, held-out images dashed.

    Values of training are means over windows; where there is one window, a level line spans it.
    """
    for kind, prefix, line in (("training", "", "-"), ("held out", "heldout_", "--")):
        for history in histories:
            points = _points(history, prefix + key, scale)
            if len(points) == 1 and not prefix:  # the mean of one window, which begins where training does
                points = [(0.0, points[0][1]), *points]
            if points:
                in_legend = kind in axes.get_legend_handles_labels()[1]
                axes.plot(
                    *zip(*points, strict=True),
                    label=f"_{kind}" if in_legend else kind,
                    color=colour,
                    linestyle=line,
                    linewidth=1.2,
                    marker=".",
                    markersize=3,
                    alpha=0.8,
                )
    axes.grid(color="0.92", linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)


def _points(history: History, key: str, scale: float) -> list[tuple[float, float]]:
    """Epochs and values of a curve; steps in place of epochs where it has none."""
    return [(entry.get("epoch", entry.get("step", 0.0)), scale * entry[key]) for entry in history if key in entry]
