"""Coverage of utility's intervals at every rung of the ladders that people measure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeleff.curves.utility import utility

TABLES = 80
MOST = 0.1 * TABLES + 1.64 * math.sqrt(TABLES * 0.1 * 0.9)
"""A tenth, with binomial slack."""
LADDERS = {
    "a rung per decade": (10, 100, 1000, 10_000),
    "1, 10 and 100 %": (600, 6000, 60_000),
    "1-2-5": (10, 20, 50, 100, 200, 500, 1000, 2000),
}


@pytest.mark.parametrize("ratio", [1.0, 2.0])
@pytest.mark.parametrize("ladder", LADDERS)
def test_either_side_misses_at_most_a_tenth_at_every_rung(ladder: str, ratio: float) -> None:
    """Nominal are 5 %. The baseline saturates; the arm needs 1 / `ratio` of its labels everywhere."""
    ns = np.array(LADDERS[ladder], dtype=float)
    over, under = np.zeros(len(ns)), np.zeros(len(ns))
    for seed in range(TABLES):
        noise = 0.005 * np.random.default_rng(seed).standard_normal((2, len(ns), 3))
        base, arm = (
            dict(zip(LADDERS[ladder], (0.90 - 3.0 * (k * ns[:, None]) ** -0.7 + part).tolist(), strict=True))
            for k, part in zip((1, ratio), noise, strict=True)
        )
        points = utility(base, arm)
        over += [point.low is not None and point.low > ratio - 1 for point in points]
        under += [point.high is not None and point.high < ratio - 1 for point in points]
    assert over.max() <= MOST
    assert under.max() <= MOST


def test_intervals_are_not_wide_for_safety() -> None:
    """On a dense ladder with three runs per rung they claim the arm's gain at more than one rung."""
    ns = np.array(LADDERS["1-2-5"], dtype=float)
    noise = 0.005 * np.random.default_rng(0).standard_normal((2, len(ns), 3))
    base, arm = (
        dict(zip(LADDERS["1-2-5"], (0.90 - 3.0 * (k * ns[:, None]) ** -0.7 + part).tolist(), strict=True))
        for k, part in zip((1, 2), noise, strict=True)
    )
    assert sum(point.sign == 1 for point in utility(base, arm)) >= 3


@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_one_run_per_rung_covers_too(noise: float) -> None:
    """Noise is borrowed from other curves, whose runs are noisier or steadier."""
    ns, missed = (50, 100, 200, 500, 1000, 2000), 0
    for seed in range(60):
        errors = noise * np.random.default_rng(seed).standard_normal((2, len(ns)))
        base, arm = (
            {n: [float(0.90 - 2.0 * (k * n) ** -0.5 + error)] for n, error in zip(ns, row, strict=True)}
            for k, row in zip((1, 2), errors, strict=True)
        )
        points = utility(base, arm)
        assert all("learned noise" in point.flags for point in points)
        missed += sum(
            (point.low is not None and point.low > 1) or (point.high is not None and point.high < 1) for point in points
        )
    assert missed <= 0.2 * 60 * len(ns)
