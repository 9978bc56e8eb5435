"""The figure of utility: what is solid, hollow, dashed, and where arrows point; its axis stays sane."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import factories

from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.assumptions import Failure
from labeleff.reporting.figures import utility
from labeleff.reporting.findings import Comparison, compare_arms
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACE = Place("t")
BASE: dict[str, Any] = {
    "n": 100, "accuracy": 0.5, "baseline_accuracy": 0.4, "kind": "inside", "n1": 300.0, "n1_bound": None,
    "n1_low": 200.0, "n1_high": 400.0, "utility": 2.0, "bound": None, "low": 1.0, "high": 3.0, "low_bound": False,
    "high_bound": False, "p_above": 0.0, "p_below": 0.0, "p_never": 0.0, "runs": 3,
}  # fmt: skip


def point(**changes: Any) -> UtilityPoint:
    return UtilityPoint(**BASE | changes)


EXTRAPOLATED = {"kind": "extrapolated", "n1": 1500.0, "n1_bound": 1000.0, "n1_low": 900.0, "n1_high": 1e9}
FAR = {"kind": "extrapolated", "n1": 9000.0, "n1_bound": 1000.0, "n1_low": 3000.0, "n1_high": None}
ABOVE = {"kind": "above", "n1": None, "n1_bound": 1000.0, "n1_low": 3000.0, "n1_high": None, "p_never": 0.7}
BELOW = {"kind": "below", "n1": None, "n1_bound": 20.0, "n1_low": None, "n1_high": 20.0}


def drawn(*points: UtilityPoint, method: str = "bayes", failures: tuple[Failure, ...] = ()) -> Axes:
    ladder = {20: {(0, 0): 0.2}, 1000: {(0, 0): 0.7}}
    runs = {(PLACE, "base"): ladder, (PLACE, "arm"): ladder}
    measured = Measurements(
        {PLACE: Setting("t", (20, 100, 1000))}, ("base", "arm"), "base", runs, level=0.9, method=method, design=""
    )
    comparison = Comparison(PLACE, "arm", "base", list(points), list(points), None, None, failures=failures)
    return utility.utility(measured, [comparison]).axes[0]


def markers(axes: Axes, marker: str, *, hollow: bool | None = None) -> list[float]:
    """Heights of all markers of a kind."""
    return [
        float(y)
        for line in axes.lines
        if line.get_marker() == marker and (hollow is None or (line.get_markerfacecolor() == "white") == hollow)
        for y in np.asarray(line.get_ydata())
    ]


def test_what_was_measured_is_solid() -> None:
    axes = drawn(point())
    assert markers(axes, "s", hollow=False) == [2.0]
    assert not markers(axes, "s", hollow=True)
    assert [c.get_linestyle()[0][1] for c in axes.collections[:1]] == [None]
    assert not markers(axes, "_")


def test_extrapolated_points_are_hollow_and_dashed_with_the_bound() -> None:
    axes = drawn(point(**EXTRAPOLATED))
    assert markers(axes, "s", hollow=True) == [14.0]
    assert markers(axes, "_") == [9.0]
    assert axes.collections[0].get_linestyle()[0][1] is not None
    assert axes.get_ylim()[1] < 100
    assert markers(axes, "^") == [axes.get_ylim()[1]]


@pytest.mark.parametrize("changes", [FAR, ABOVE])
def test_limits_have_an_arrow_up(changes: dict[str, Any]) -> None:
    axes = drawn(point(**changes))
    assert markers(axes, "s", hollow=True) == markers(axes, r"$\uparrow$") == [29.0]
    assert markers(axes, "_") == [9.0]
    assert len(axes.collections) == 2


def test_bounds_stand_where_they_were_measured() -> None:
    axes = drawn(point(**BELOW), point(**{**ABOVE, "n": 500, "p_never": None}), method="pchip")
    assert markers(axes, r"$\downarrow$") == [-0.8]
    assert markers(axes, r"$\uparrow$") == [1.0]
    assert not markers(axes, "_")
    assert "bounds only" in axes.get_legend_handles_labels()[1][-1]


def test_a_worse_arm_has_arrows_down_on_a_linear_axis(tmp_path: Path) -> None:
    measured = load(factories.folder(tmp_path)).measured
    comparisons = [
        item for item in compare_arms(replace(measured, baseline="rotation/linear")) if item.arm == "scratch/finetune"
    ]
    axes = utility.utility(measured, comparisons).axes[0]
    assert axes.get_yscale() == "linear"
    assert len(markers(axes, r"$\downarrow$")) >= 5
    assert axes.get_ylim()[0] < -1


def test_ticks_reach_however_far_utility_does() -> None:
    ladder = (1, 10**15 - 1)
    runs = {(PLACE, "a"): {n: {(0, 0): n / 1e16} for n in ladder}, (PLACE, "b"): {n: {(0, 0): 0.9} for n in ladder}}
    measured = Measurements({PLACE: Setting("t", ladder)}, ("a", "b"), "a", runs, level=0.9, method="log", design="")
    axes = utility.utility(measured, compare_arms(measured)).axes[0]
    assert 5 < len(axes.get_yticks()) < 14
    assert max(axes.get_yticks()) > 1e13


def test_what_rests_on_an_assumption_that_fails_is_crossed_out() -> None:
    fails = Failure("arm falls", "arm falls", {"arm": (100,)})
    axes = drawn(point(), point(n=20, utility=1.0), failures=(fails,))
    assert markers(axes, "x") == [2.0]
    assert "an assumption fails (see the report)" in axes.get_legend_handles_labels()[1]
    assert markers(drawn(point()), "x") == []


@pytest.mark.parametrize("rungs", [(50, 60, 50_000), (10, 100, 1000), (10,)])
@pytest.mark.parametrize("arms", [1, 2, 8])
def test_arms_side_by_side_stay_nearer_to_their_rung_than_to_others(rungs: tuple[int, ...], arms: int) -> None:
    spread = utility._spread(rungs, arms)
    reach = spread ** ((arms - 1) / 2)
    nearest = min((high / low for low, high in itertools.pairwise(rungs)), default=2.0)
    assert spread > 1
    assert reach**2 < nearest**0.5


@pytest.mark.parametrize("arms", [1, 2, 8])
def test_the_outermost_arms_lie_within_the_axis(arms: int) -> None:
    names = tuple(f"arm {number}" for number in range(arms))
    ladder = {n: {(0, 0): 0.2 + n / 10_000} for n in (20, 100, 1000)}
    runs = {(PLACE, name): ladder for name in ("base", *names)}
    measured = Measurements(
        {PLACE: Setting("t", (20, 100, 1000))}, ("base", *names), "base", runs, level=0.9, method="bayes", design=""
    )
    points = [point(n=n) for n in (20, 1000)]
    compared = [Comparison(PLACE, name, "base", points, points, None, None) for name in names]
    axes = utility.utility(measured, compared).axes[0]
    low, high = np.log(axes.get_xlim())
    places = np.log([x for line in axes.lines for x in np.asarray(line.get_xdata(), dtype=float) if x > 1])
    edge = 0.005 * (high - low)
    assert low + edge < places.min()
    assert places.max() < high - edge
