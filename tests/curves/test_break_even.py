"""Break-even of several arms with one baseline is that of each alone."""

from __future__ import annotations

import numpy as np

from labeleff.curves.break_even import crossing, crossings
from labeleff.statistics.stats import Runs

NS = (20, 50, 100, 200)


def arm(start: float, slope: float, seed: int, ns: tuple[int, ...] = NS) -> Runs:
    rng = np.random.default_rng(seed)
    return {n: {(d, 0): start + slope * k + 0.01 * rng.standard_normal() for d in range(3)} for k, n in enumerate(ns)}


def test_several_arms_are_each_alone() -> None:
    base = arm(0.3, 0.1, 0)
    arms = {"early": arm(0.4, 0.05, 1), "over": arm(0.5, 0.1, 2), "same": base, "short": arm(0.4, 0.1, 3, (20,))}
    found = crossings(base, arms)
    assert found == {name: crossing(base, runs, name=name) for name, runs in arms.items()}
    assert [item and item.kind for item in found.values()] == ["inside", "above", None, None]
    assert crossings(base, {}) == {}
