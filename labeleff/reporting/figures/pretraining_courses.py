"""Figure of the mean label ratio along points of pretraining: shares of its steps, or numbers of its images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labeleff.reporting.figures.style import Style, arm_labels, beside_legend, legend, styles_of_all, title
from labeleff.reporting.measurements import Measurements

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labeleff.reporting.pretraining.courses import Course

REACH = 16.0
"""Factor by which ends of intervals may lie outside of all points; longer ones are cut."""
APART = 0.012
"""Part of the axis between arms side by side."""


def draw(measured: Measurements, courses: Sequence[Course]) -> Figure:
    """Draw the mean label ratio n1/n of every arm, with its interval, against the point of pretraining."""
    figure, legend_columns = beside_legend(len(courses))
    axes, names = figure.add_subplot(), arm_labels(measured, [item.arm for item in courses])
    looks, first = styles_of_all(measured), courses[0]
    ticks = _ticks(first)
    ratios = [stop.comparison.mean.ratio for item in courses for stop in item.stops if stop.comparison.mean]
    limits = min(ratios, default=1.0) / REACH, max(ratios, default=1.0) * REACH
    for number, item in enumerate(courses):
        shift = APART * (number - (len(courses) - 1) / 2) * (max(ticks.values()) - min(ticks.values()))
        _draw(axes, item, [ticks[item.words(stop.point)] + shift for stop in item.stops], looks[item.arm], limits)
        axes.plot([], [], label=names[item.arm], **looks[item.arm])
    axes.axhline(1, color="black", linewidth=1, zorder=1)
    _scale(axes, first, ticks)
    axes.set_ylabel(f"mean label ratio n1/n against {names[measured.baseline]}")
    axes.set_title(title(measured, first.home), fontsize=10, loc="left")
    legend(axes, legend_columns)
    return figure


def _ticks(course: Course) -> dict[str, float]:
    """Positions of the points by their words: shares in %, or numbers of images by ln; all images come last."""
    places: dict[str, float] = {}
    for stop in course.stops:
        at = course.at(stop)
        if course.axis == "steps":
            places[course.words(stop.point)] = 100 * (at or 1.0)
        else:
            last = max(places.values(), default=0.0)
            places[course.words(stop.point)] = last + 1.0 if at is None else math.log(at)
    return places


def _draw(axes: Axes, course: Course, xs: Sequence[float], look: Style, limits: tuple[float, float]) -> None:
    means = [stop.comparison.mean for stop in course.stops]
    known = [(x, mean) for x, mean in zip(xs, means, strict=True) if mean is not None]
    axes.plot(
        [x for x, _ in known], [mean.ratio for _, mean in known], color=look["color"], linestyle=look["linestyle"]
    )
    for x, mean in known:
        hollow = mean.above > 0 or mean.below > 0
        face = "white" if hollow else look["color"]
        axes.plot([x], [mean.ratio], linestyle="", marker=look["marker"], color=look["color"], mfc=face, zorder=5)
        if mean.joint_low is not None and mean.joint_high is not None:
            low = 0.0 if mean.open_low else mean.joint_low
            high = math.inf if mean.open_high else mean.joint_high
            ends = max(low, limits[0]), min(high, limits[1])
            axes.vlines([x], [ends[0]], [ends[1]], colors=look["color"], linewidth=1.3)


def _scale(axes: Axes, course: Course, ticks: dict[str, float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    names = {at: f"{at:g}" if course.axis == "steps" else words.removesuffix(" images") for words, at in ticks.items()}
    axes.set_yscale("log", base=2)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}" if at >= 1 else f"1/{1 / at:,.0f}"))
    axes.xaxis.set_major_locator(FixedLocator(list(names)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: names.get(at, "")))
    axes.set_xlabel("share of the pretraining's steps (%)" if course.axis == "steps" else "images without labels")
    axes.grid(color="0.92", linewidth=0.6)
