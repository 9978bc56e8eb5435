"""A row per arm and a panel per label count, for more arms than lines can be told apart (forest plots)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import arm_labels, blank, spaced, styles
from labeleff.reporting.measurements import Measurements

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

APART = 8
"""Largest number of arms, beside the baseline, that are drawn as lines in one pair of axes."""
PANELS = 3
"""Largest number of label counts in a forest plot."""


@dataclass(frozen=True)
class Dot:
    """One arm in one panel: where it lies, its interval, and what of that isn't known."""

    at: float
    low: float | None = None
    """Lower end; None where there is none within the axis."""
    high: float | None = None
    hollow: bool = False
    """Whether it isn't measured: extrapolated, a limit or a bound."""
    arrow: int = 0
    """1 where the value lies above, -1 where it lies below, 0 where it lies at the dot."""
    doubted: bool = False
    """Whether it rests on an assumption that fails."""


@dataclass(frozen=True)
class Panel:
    """One panel of a forest plot."""

    title: str
    dots: Mapping[str, Dot]
    """Dots by arm; rows of arms without one stay empty."""


def chosen(rungs: Sequence[int]) -> list[int]:
    """The first, the last, and rungs between them, PANELS at most."""
    return [rungs[place] for place in spaced(len(rungs), PANELS)]


def forest(panels: Sequence[Panel], measured: Measurements, quantity: str, heading: str) -> tuple[Figure, list[Axes]]:
    """Draw panels side by side, with the arms in the order of `styles`, the first on top; gives their axes too.

    `quantity` and `heading` are escaped.
    """
    looks = {arm: look for arm, look in styles(measured).items() if any(arm in panel.dots for panel in panels)}
    rows = {arm: len(looks) - 1 - row for row, arm in enumerate(looks)}
    names = arm_labels(measured, rows)
    figure = blank(2.2 + 2.5 * len(panels), 1.3 + 0.24 * len(rows))
    grid = list(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0])
    for axes, panel in zip(grid, panels, strict=True):
        for arm, dot in panel.dots.items():
            if arm in rows:
                _draw(axes, dot, rows[arm], looks[arm])
        axes.set_title(panel.title, fontsize=9, loc="left")
        axes.grid(axis="x", color="0.92", linewidth=0.6)
        axes.set_axisbelow(True)
    grid[0].set_yticks([*rows.values()], [names[arm] for arm in rows], fontsize=8.5)
    grid[0].set_ylim(-0.6, len(rows) - 0.4)
    figure.supxlabel(quantity, fontsize=10)
    figure.suptitle(heading, fontsize=10, x=0.01, ha="left")
    return figure, grid


def _draw(axes: Axes, dot: Dot, row: int, look: Mapping[str, str]) -> None:
    colour = look["color"]
    if dot.low is not None or dot.high is not None:
        ends = [dot.at if end is None else end for end in (dot.low, dot.high)]
        axes.plot(ends, [row, row], color=colour, linewidth=1.3, linestyle="--" if dot.hollow else "-")
    face = "white" if dot.hollow else colour
    axes.plot([dot.at], [row], linestyle="", marker=look["marker"], markersize=5, color=colour, mfc=face, zorder=5)
    if dot.arrow:
        axes.annotate(
            "",
            (dot.at, row),
            xytext=(14 * dot.arrow, 0),
            textcoords="offset points",
            zorder=4,
            arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1},
        )
    if dot.doubted:
        axes.plot([dot.at], [row], linestyle="", marker="x", markersize=8, color="black", zorder=6)
