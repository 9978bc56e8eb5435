"""Figure of pretexts' learning curves: one panel per pretext and measure.

Losses of different pretexts are different quantities, and so are their accuracies (of four turns, of finding one image
among a batch), so no two pretexts share an axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import COLOURS, blank, label
from labeleff.study.cell import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labeleff.records.entries import PretrainingRecord

MEASURES = (("loss", "loss", 1), ("accuracy", "accuracy (%)", 100))
"""Key of the training curve (its held-out twin has `heldout_` before it), words, and scale."""
FEW = 4
"""Number of panels up to which a row has two."""

History = Sequence[dict[str, float]]


def learning_curves(pretrainings: Iterable[PretrainingRecord], heading: str) -> Figure | None:
    """Draw loss, and accuracy where it was recorded, against epochs: a panel each per pretext, one line per seed.

    None where no curve was recorded.
    """
    recorded = [item for item in pretrainings if item.training is not None and item.training.history]
    names = short_names(item.pretraining.pretext for item in recorded)
    groups: dict[str, list[History]] = {}
    for item in recorded:
        if item.training is not None:
            groups.setdefault(names[item.pretraining.pretext.label], []).append(item.training.history)
    panels = [
        (name, number, measure)
        for number, (name, histories) in enumerate(groups.items())
        for measure in MEASURES
        if any(_points(history, prefix + measure[0], 1) for history in histories for prefix in ("", "heldout_"))
    ]
    if not panels:
        return None
    columns = min(len(panels), 2 if len(panels) <= FEW else 3)
    rows = -(-len(panels) // columns)
    figure = blank(9.5 if columns > 1 else 7.0, 4.2 if rows == 1 else 0.4 + 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (name, number, (key, words, scale)) in zip(grid, panels, strict=False):
        _panel(axes, groups[name], key, scale, COLOURS[number % len(COLOURS)])
        axes.set_title(label(name), fontsize=9, loc="left")
        axes.set_ylabel(words)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(panels) - columns) : len(panels)]:  # the lowest panel of each column
        axes.set_xlabel("epochs of pretraining")
    figure.suptitle(heading, fontsize=10, x=0.01, ha="left")
    return figure


def _panel(axes: Axes, histories: Sequence[History], key: str, scale: float, colour: str) -> None:
    """Draw one measure of one pretext: training as lines, held-out images dashed."""
    for kind, prefix, line in (("training", "", "-"), ("held out", "heldout_", "--")):
        for history in histories:
            points = _points(history, prefix + key, scale)
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
