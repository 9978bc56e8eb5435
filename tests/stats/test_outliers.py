"""Runs that lie far from the others: found where they are, and hardly ever in normal runs."""

from __future__ import annotations

import numpy as np
import pytest

from labeleff.stats.outliers import FALSE_ALARMS, outliers
from labeleff.stats.resampling import Run

NS = (50, 100, 200, 500, 1000, 2000)
Table = dict[int, dict[Run, float]]


def clean(seed: int, arms: int = 3, runs: int = 4, slope: float = -0.3) -> dict[str, Table]:
    """Normal runs whose standard deviation falls with n."""
    rng = np.random.default_rng(seed)
    return {
        f"arm {a}": {
            n: {(k, 0): 0.7 + 0.01 * (n / 50) ** slope * float(rng.standard_normal()) for k in range(runs)} for n in NS
        }
        for a in range(arms)
    }


@pytest.mark.parametrize(("runs", "slope"), [(3, -0.3), (5, 0.0), (10, -0.6)])
def test_normal_runs_have_hardly_ever_one(runs: int, slope: float) -> None:
    tables = 250
    alarms = sum(bool(outliers(clean(seed, runs=runs, slope=slope))) for seed in range(tables))
    assert alarms <= FALSE_ALARMS * tables + 3 * (FALSE_ALARMS * tables) ** 0.5


def test_a_diverged_run_is_named_with_its_distance() -> None:
    table = clean(1)
    table["arm 1"][500][2, 0] = 0.1
    [(arm, [found])] = outliers(table).items()
    assert (arm, found.n, found.run, found.value) == ("arm 1", 500, (2, 0), 0.1)
    assert found.centre == pytest.approx(np.mean([table["arm 1"][500][k, 0] for k in (0, 1, 3)]))
    assert found.distance < -50


def test_two_runs_cannot_be_told_apart_and_equal_runs_have_no_spread() -> None:
    assert outliers({"a": {n: {(0, 0): 0.7, (1, 0): 0.1 if n == 50 else 0.71} for n in NS}}) == {}
    assert outliers({"a": {50: {(k, 0): 1.0 if k else 0.998 for k in range(4)}}}) == {}
    assert outliers({"a": {50: {(0, 0): 0.5}}, "b": {}}) == {}


def test_order_and_names_change_nothing() -> None:
    table = clean(2)
    table["arm 0"][50][3, 0] = 0.9
    turned = {
        name: {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())} for name, runs in table.items()
    }
    assert outliers(turned) == outliers(table)
