"""Figure of linear probes over pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from labeleff.catalogue.metrics import metric
from labeleff.records.training_log import ProbeCurve, mean_curve
from labeleff.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(
    groups: Mapping[str, Sequence[ProbeCurve]], heading: str, looks: Mapping[str, style.Style] | None = None
) -> Figure:
    """Draw the probe's metric in % against epochs, untrained encoders at 0: thin per seed, thick the mean over seeds.

    `groups` are curves of all seeds by pretext, at least one; `looks` are colours, markers and lines by pretext.
    """
    drawn, legend_columns = style.beside_legend(len(groups) + 1)
    axes, names = drawn.add_subplot(), style.labels(groups)
    for number, (name, seeds) in enumerate(groups.items()):
        look = style.of_pretext(looks, name, number)
        line = {key: look[key] for key in ("color", "linestyle")}
        for curve in seeds:
            points = [(point.epoch, 100 * point.value) for point in curve.points if point.value is not None]
            axes.plot(*_columns(points), linewidth=0.7, alpha=0.5, label="_seed", **line)
        means = [(epoch, 100 * value) for epoch, value in mean_curve(seeds)]
        axes.plot(
            *_columns(means),
            linewidth=2,
            marker=look["marker"],
            markersize=4,
            label=names[name],
            **line,
        )
    first = next(iter(groups.values()))[0]
    axes.axhline(100 * first.chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    axes.set_xlabel("epochs of pretraining (0: untrained)")
    axes.set_ylabel(style.quantity(f"{metric(first.metric).words} of a linear probe (%)"))
    axes.set_title(heading, fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    style.legend(axes, legend_columns)
    return drawn


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
