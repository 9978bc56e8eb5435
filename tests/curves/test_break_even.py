"""Break-even of several arms with one baseline is that of each alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeleff.curves import break_even
from labeleff.curves.break_even import crossing, crossings
from labeleff.curves.methods import BAYES, methods
from labeleff.curves.utility import BaselineCurve, arm_utilities, utilities
from labeleff.stats.resampling import Runs

NS = (20, 50, 100, 200)


def arm(start: float, slope: float, seed: int, ns: tuple[int, ...] = NS) -> Runs:
    rng = np.random.default_rng(seed)
    return {n: {(d, 0): start + slope * k + 0.01 * rng.standard_normal() for d in range(3)} for k, n in enumerate(ns)}


def test_several_arms_are_each_alone() -> None:
    base = arm(0.3, 0.1, 0)
    arms = {"early": arm(0.4, 0.05, 1), "over": arm(0.5, 0.1, 2), "same": base, "short": arm(0.4, 0.1, 3, (20,))}
    found = crossings(BaselineCurve.fit(base, BAYES), arms)
    assert found == {name: crossing(base, runs) for name, runs in arms.items()}
    assert [item and item.kind for item in found.values()] == ["inside", "above", None, None]
    assert crossings(BaselineCurve.fit(base, BAYES), {}) == {}


@pytest.mark.parametrize("method", methods())
def test_a_fitted_baseline_gives_what_its_runs_give(method: str) -> None:
    base = arm(0.3, 0.1, 0, (20, 50, 100, 200, 400))
    arms = {"early": arm(0.4, 0.05, 1), "over": arm(0.5, 0.1, 2), "same": base}
    curve = BaselineCurve.fit(base, method)
    found, expected = arm_utilities(curve, arms), utilities(base, arms, method=method)
    assert {name: item.points for name, item in found.items()} == {name: item.points for name, item in expected.items()}
    assert crossings(curve, arms) == {name: crossing(base, runs, method=method) for name, runs in arms.items()}


def test_of_several_crossings_the_one_that_divides_gain_from_loss_is_given() -> None:
    """Two flat curves cross once more by noise; the sum over ln n tells that from a gain."""
    ns = np.array([10.0, 100.0, 1000.0, 10000.0])
    rows = np.array(
        [
            [0.2, -0.2, 0.001, -0.002],
            [0.2, -0.1, 0.3, -0.1],
            [-0.2, -0.1, 0.0, -0.1],
            [-0.2, -0.1, 0.1, 0.2],
            [0.2, -0.1, -0.1, 0.001],
        ]
    )
    found = break_even._main_fall(ns, rows)
    assert found[0] == pytest.approx(10**1.5)
    assert found[1] == pytest.approx(1000 * 10**0.75)
    assert found[2] == 0
    assert found[3] == np.inf
    assert found[4] == pytest.approx(10 ** (1 + 2 / 3))


def test_the_dividing_crossing_is_that_of_a_slow_sum() -> None:
    ns = np.geomspace(10, 5000, 7)
    rows = np.random.default_rng(3).normal(0, 1, (200, 7)) + np.linspace(0.5, -0.5, 7)
    fine = np.linspace(np.log(ns[0]), np.log(ns[-1]), 20001)
    for row, place in zip(rows, break_even._main_fall(ns, rows), strict=True):
        values = np.interp(fine, np.log(ns), row)
        sums = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(fine))])
        falls = [k for k in range(len(fine) - 1) if values[k] > 0 >= values[k + 1]]
        tops = {math.exp(fine[k]): sums[k] for k in falls} | ({math.inf: sums[-1]} if row[-1] > 0 else {})
        assert place == (pytest.approx(max(tops, key=lambda n: tops[n]), rel=1e-3) if tops else 0)
