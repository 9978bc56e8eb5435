"""Break-even of several arms with one baseline is that of each alone."""

from __future__ import annotations

import numpy as np
import pytest

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
    assert found == {name: crossing(base, runs, name=name) for name, runs in arms.items()}
    assert [item and item.kind for item in found.values()] == ["inside", "above", None, None]
    assert crossings(BaselineCurve.fit(base, BAYES), {}) == {}


@pytest.mark.parametrize("method", methods())
def test_a_fitted_baseline_gives_what_its_runs_give(method: str) -> None:
    base = arm(0.3, 0.1, 0, (20, 50, 100, 200, 400))
    arms = {"early": arm(0.4, 0.05, 1), "over": arm(0.5, 0.1, 2), "same": base}
    curve = BaselineCurve.fit(base, method)
    found, expected = arm_utilities(curve, arms), utilities(base, arms, method=method)
    assert {name: item.points for name, item in found.items()} == {name: item.points for name, item in expected.items()}
    assert crossings(curve, arms) == {
        name: crossing(base, runs, method=method, name=name) for name, runs in arms.items()
    }
