"""Figure of a forecast: every part is there, and stays within the axis."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeleff.curves.forecast import forecast
from labeleff.curves.utility import as_runs
from labeleff.reporting.figures import forecast as figures
from labeleff.reporting.figures import style
from labeleff.reporting.measurements import Setting

SETTING = Setting("pilot", (100, 300, 1000))
PILOT = {100: [0.60, 0.61, 0.62], 300: [0.69, 0.70, 0.71], 1000: [0.74, 0.75, 0.76]}


@pytest.mark.parametrize("targets", [[], [0.5], [0.8], [0.8, 0.999], [0.5 + k / 100 for k in range(20)]])
def test_parts(targets: list[float]) -> None:
    found = forecast(PILOT, targets=targets)
    axes = figures.forecast(found, as_runs(PILOT), "$a_b$", SETTING).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:4] == ["expected (median)", "its interval, 90 %", "one run, 90 %", "runs of the pilot"]
    assert labels[4:-1] == [f"target {100 * target:.10g} %" for target in targets]
    assert labels[-1] == "beyond the pilot"
    assert axes.get_ylabel() == "accuracy (%)"
    ticks = axes.get_xticks()
    assert (ticks[0], ticks[-1] <= 64000) == (100, True)
    for line in axes.lines:
        if line.get_linestyle() == "-":
            assert max(line.get_xdata()) <= 64000 * (1 + 1e-9)


def test_a_metric_is_taken_literally() -> None:
    found = forecast(PILOT, targets=[])
    figure = figures.forecast(found, as_runs(PILOT), "a", replace(SETTING, split="$y^$"))
    assert figure.axes[0].get_ylabel() == r"accuracy on the \$y^\$ split (%)"
    assert style.render(figure, "png")


def test_same_numbers_same_bytes() -> None:
    found = forecast(PILOT, targets=[0.8])
    first, second = (style.render(figures.forecast(found, as_runs(PILOT), "a", SETTING), "svg") for _ in range(2))
    assert first == second
