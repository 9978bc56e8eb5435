"""What a next rung teaches, against the closed form of jointly normal quantities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeleff.curves.forecast import forecast
from labeleff.curves.next_rung import candidates, remaining_variance, run_sd
from labeleff.curves.rung_means import checked_rungs, means_of_groups

COUNT = 800


@pytest.mark.parametrize("correlation", [0.0, -0.5, -0.9, 1.0])
@pytest.mark.parametrize("noise", [0.005, 0.02, 0.1])
def test_the_variance_left_is_the_normal_one(correlation: float, noise: float) -> None:
    """Var(q) - Cov(q, f)^2 / (Var f + noise^2) for jointly normal q and f."""
    normal = np.random.default_rng(1).standard_normal((2, COUNT))
    accuracy = 0.8 + 0.03 * normal[0]
    quantity = 7 + 1.2 * (correlation * normal[0] + math.sqrt(1 - correlation**2) * normal[1])
    expected = 1.2**2 * (1 - correlation**2 * 0.03**2 / (0.03**2 + noise**2))
    [left] = remaining_variance(quantity[:, None], accuracy, noise)
    assert left == pytest.approx(expected, rel=0.12, abs=0.02 * 1.2**2)


def test_it_is_never_more_than_now_and_noise_hides_everything() -> None:
    rng = np.random.default_rng(2)
    quantities = rng.standard_normal((COUNT, 2))
    accuracy, now = quantities[:, 1], quantities.var(axis=0)
    assert remaining_variance(quantities, accuracy, 0.001)[0] == now[0]
    assert remaining_variance(quantities, accuracy, 1e6) == pytest.approx(now, rel=0.01)
    assert remaining_variance(quantities, accuracy, 1e-9)[1] < 0.05 * now[1]


def test_candidates_lie_between_distant_rungs_and_beyond_the_last() -> None:
    assert candidates(np.array([100.0, 150.0, 600.0])) == [300, 900, 1200, 1800, 2400, 4800, 9600]
    assert candidates(np.array([1.0, 2.0])) == [3, 4, 6, 8, 16, 32]
    assert all(isinstance(n, int) for n in candidates(np.array([1.0, 2.0, 7.0])))
    assert candidates(np.array([0.001, 0.1])) == [0.01, 0.15, 0.2, 0.3, 0.4, 0.8, 1.6]


def test_the_spread_of_runs_is_interpolated() -> None:
    measured = means_of_groups(checked_rungs([100, 400], [[0.4, 0.5, 0.6], [0.69, 0.70, 0.71]]))
    inside, beyond = run_sd(measured, np.array([200.0, 4000.0]))
    first, last = np.sqrt(measured.variance * measured.counts)
    assert inside == pytest.approx(math.sqrt(first * last))
    assert beyond == pytest.approx(last)


def test_labels_that_are_there_are_free_and_the_best_is_paid_for() -> None:
    runs = {100: [0.60, 0.61, 0.62], 1000: [0.74, 0.75, 0.76]}
    found = forecast(runs, targets=[0.8], labelled=2500).learning[0]
    assert [rung.additional for rung in found.rungs] == [0, 0, 0, 500, 1500, 5500, 13500]
    assert all(0 <= rung.removed <= 1 and rung.sd <= found.sd and rung.runs == 3 for rung in found.rungs)
    assert found.best is not None
    assert found.best.per_label == max(rung.per_label for rung in found.rungs if rung.additional)
    assert found.free is not None
    assert found.free.removed == max(rung.removed for rung in found.rungs if not rung.additional)
    assert found.free.per_label == math.inf
