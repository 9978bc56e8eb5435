"""Coverage of moderated variances: wherever noise lies on the ladder, and however many rungs and runs there are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from labeleff.stats.intervals import Estimate, rung_estimates
from labeleff.stats.moderation import Array, moderated_variance

TABLES = 60
SHAPES: dict[str, Array] = {
    "constant": np.ones(5),
    "as n^-0.25": 2 ** (-0.25 * np.arange(5)),
    "as n^-0.5": 2 ** (-0.5 * np.arange(5)),
    "steep": 133 ** (-np.arange(5) / 4),
    "first rung noisy": np.array([10.0, 1, 1, 1, 1]),
    "middle rung noisy": np.array([1, 1, 10.0, 1, 1]),
    "last rung noisy": np.array([1, 1, 1, 1, 10.0]),
}
"""Standard deviation of a run at 50, 100, ... labels."""
ALIKE = {"nested": 0.9, "independent": 0.0}
"""Correlation between rungs of the noise of one draw."""


def tables(sds: Array, draws: int, alike: float) -> list[Array]:
    """TABLES tables of accuracies (draws, rungs)."""
    rng = np.random.default_rng(7)
    every = []
    for _ in range(TABLES):
        common, own = rng.standard_normal((draws, 1)), rng.standard_normal((draws, len(sds)))
        every.append(0.5 + 0.01 * sds * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own))
    return every


def ladder(rungs: int) -> list[int]:
    return [50 * 2**k for k in range(rungs)]


def estimates(table: Array) -> list[Estimate]:
    ns = ladder(table.shape[1])
    return list(
        rung_estimates(
            {n: {(d, 0): float(v) for d, v in enumerate(column)} for n, column in zip(ns, table.T, strict=True)}
        ).values()
    )


def widths(found: list[Estimate], draws: int, level: float) -> Array:
    """Half widths of the intervals of a table, in standard deviations of a run's mean, whose true sd is 0.01."""
    return np.array([special.stdtrit(each.df, 0.5 + level / 2) * np.sqrt(each.variance * draws) for each in found])


def coverage(sds: Array, draws: int, alike: float = 0.0, level: float = 0.9) -> Array:
    """Coverage at every rung: a mean is independent of the spread, so its part is exact."""
    shares = [
        1 - 2 * special.ndtr(-widths(estimates(table), draws, level) / (0.01 * sds))
        for table in tables(sds, draws, alike)
    ]
    return np.asarray(np.mean(shares, axis=0))


@pytest.mark.parametrize("alike", ALIKE)
@pytest.mark.parametrize("shape", ["constant", "as n^-0.25", "as n^-0.5", "steep"])
def test_intervals_cover_at_every_rung_however_the_noise_falls(shape: str, alike: str) -> None:
    found = coverage(SHAPES[shape], 3, ALIKE[alike])
    assert found.min() > 0.845, found  # 0.87 up to chance
    assert found.mean() < 0.95, found


@pytest.mark.parametrize("shape", ["first rung noisy", "middle rung noisy", "last rung noisy"])
@pytest.mark.parametrize(("draws", "least"), [(3, 0.80), (5, 0.83)])
def test_one_noisy_rung_has_a_wide_interval_and_leaves_the_others_theirs(shape: str, draws: int, least: float) -> None:
    found = coverage(SHAPES[shape], draws)
    assert found.min() > least, found
    assert found.max() < 0.97, found


def test_far_tails_hold_too() -> None:
    for shape in ("constant", "as n^-0.25"):
        found = coverage(SHAPES[shape], 3, level=0.99)
        assert 0.965 < found.min() <= found.max() < 0.998


def test_falling_noise_has_intervals_as_wide_as_if_it_were_known() -> None:
    """Up to a quarter at three draws, of which Student's t alone, with ten degrees of freedom, takes a tenth."""
    sds = SHAPES["as n^-0.25"]
    known = 1.645 * 0.01 * sds
    ratios = [(widths(estimates(table), 3, 0.9) / known).mean() for table in tables(sds, 3, 0.0)]
    assert 1 < np.mean(ratios) < 1.35


def test_a_rung_that_its_runs_set_apart_has_its_own_variance() -> None:
    groups = [[0.49, 0.50, 0.51]] * 4 + [[0.1, 0.5, 0.9]]
    found = moderated_variance(ladder(5), groups)
    assert found is not None
    assert found.variance[-1] > 0.6 * found.own[-1]
    assert found.df[-1] < 6
    assert (found.variance[:4] < 3e-4).all()


def test_scale_and_unit_of_labels_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    groups = 0.5 + 0.02 * rng.standard_normal((5, 3))
    one, other = (
        moderated_variance([unit * n for n in ladder(5)], (scale * groups).tolist())
        for unit, scale in ((1, 1.0), (1e6, 3.0))
    )
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.variance, 9 * one.variance, rtol=1e-6)
    np.testing.assert_allclose(other.df, one.df, rtol=1e-6)
