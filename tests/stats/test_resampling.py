"""Noise: moderated variances against known ones, coverage of intervals, and correlations kept by resampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from labeleff.errors import OptionError
from labeleff.stats.intervals import mean_intervals
from labeleff.stats.moderation import COARSEST, PRIOR_DF, moderated_variance, resolution, wilson
from labeleff.stats.resampling import (
    LEAST_INDEPENDENT,
    Run,
    factors,
    fingerprint,
    means,
    paired_differences,
    resample,
    total_variance,
)

NS = [50, 100, 200, 400, 800]
FLOOR = COARSEST**2 / 12
"""Smallest variance of equal values: that of rounding to the resolution they are taken to have."""


def runs_of(table: np.ndarray) -> dict[int, dict[tuple[int, int], float]]:
    """Runs from accuracies of shape (draws, rungs), one seed."""
    return {
        n: {(draw, 0): float(table[draw, i]) for draw in range(len(table))} for i, n in enumerate(NS[: table.shape[1]])
    }


def test_moderated_variance_follows_the_trend_and_its_formula() -> None:
    rng = np.random.default_rng(0)
    true = 0.04**2 * (np.array(NS) / 50.0) ** -0.8
    groups = [0.5 + np.sqrt(v) * rng.standard_normal(200) for v in true]
    found = moderated_variance(NS, groups)
    assert found is not None
    np.testing.assert_allclose(found.variance, true, rtol=0.25)
    np.testing.assert_allclose(found.own, [np.var(g, ddof=1) for g in groups])
    assert ((found.df > 199) & (found.df <= 199 + PRIOR_DF)).all()


def test_moderated_variance_pulls_a_lucky_rung_up_and_an_unlucky_one_down() -> None:
    groups = [[0.5, 0.52, 0.54]] * 5
    groups[1], groups[3] = [0.6, 0.6, 0.6], [0.56, 0.60, 0.64]
    found = moderated_variance(NS, groups)
    assert found is not None
    assert found.own[1] == 0
    assert found.variance[1] > FLOOR
    assert found.variance[3] < 0.9 * found.own[3]


def test_degrees_of_freedom_never_exceed_what_was_measured() -> None:
    found = moderated_variance([10, 20], [[0.1, 0.2], [0.3, 0.5]])
    assert found is not None
    np.testing.assert_array_equal(found.df, [2, 2])


def test_equal_runs_meet_the_floor() -> None:
    found = moderated_variance(NS, [[0.5, 0.5, 0.5]] * 5)
    assert found is not None
    np.testing.assert_allclose(found.variance, FLOOR)


def test_no_variance_is_under_that_of_rounding_to_the_metrics_resolution() -> None:
    """A test set of 10,000 has steps of 0.0001, which its accuracies show."""
    fine = [[0.5, 0.5001], [0.6, 0.6], [0.7, 0.7], [0.8, 0.8], [0.9, 0.9]]
    assert resolution(fine) == pytest.approx(1e-4)
    found = moderated_variance(NS, fine)
    assert found is not None
    assert (found.variance >= 0.99e-8 / 12).all()
    assert found.variance[-1] < FLOOR
    assert resolution([[0.1], [0.5]]) == COARSEST
    assert resolution([[0.5, 0.5 + 1e-15]]) == COARSEST


def test_doubt_about_the_slope_widens_the_trend_at_the_ends() -> None:
    """Two rungs with runs in the middle say little of the variance far from them."""
    groups = [[0.5], [0.5], [0.48, 0.50, 0.52], [0.58, 0.60, 0.62], [0.5], [0.5]]
    ns = [1, 10, 100, 200, 2000, 20_000]
    found = moderated_variance(ns, groups)
    assert found is not None
    first, second = found.variance[[0, 1]] / found.variance[2], found.variance[[4, 5]] / found.variance[3]
    assert first[0] > first[1] > 1
    assert second[0] > second[1]
    assert (found.df[[0, 1, 4, 5]] < found.df[2:4].min()).all()


def test_the_trend_far_from_all_runs_stays_within_the_steepest_slopes() -> None:
    """However long the ladder, whose ends have but one run."""
    ns = [1, 10**7, 2 * 10**7, 10**15]
    found = moderated_variance(ns, [[0.5], [0.48, 0.50, 0.52], [0.58, 0.60, 0.62], [0.5]])
    assert found is not None
    low, high = found.variance[0] / found.variance[1], found.variance[3] / found.variance[2]
    assert 1 < low < (2 * 10**7) ** 1.5
    assert high < (10**8) ** 0.5


def test_one_run_a_rung_has_no_interval() -> None:
    runs = {n: {(0, 0): 0.5} for n in NS}
    assert moderated_variance(NS, [[0.5]] * 5) is None
    assert resample(runs, "arm") is None
    assert all(item.low is None and item.high is None for item in mean_intervals(runs))


def test_a_rung_with_one_run_borrows_its_variance() -> None:
    runs = runs_of(np.array([[0.50, 0.60], [0.54, 0.63], [0.52, 0.61]]))
    runs[100] = {(1, 0): 0.63}
    low, high = ((item.low, item.high) for item in mean_intervals(runs))
    assert low[0] is not None
    assert high[0] is not None
    assert high[1] is not None
    assert high[1] - high[0] > low[1] - low[0]  # type: ignore[operator]


@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_coverage_of_the_mean_interval(alike: float) -> None:
    """Also where nested draws move all rungs together: five rungs then tell a variance but once."""
    rng = np.random.default_rng(1)
    true = np.linspace(0.4, 0.8, 5)
    hits = []
    for _ in range(400):
        common, own = rng.standard_normal((3, 1)), rng.standard_normal((3, 5))
        table = true + 0.03 * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own)
        hits += [i.low <= t <= i.high for i, t in zip(mean_intervals(runs_of(table)), true, strict=True)]
    assert 0.86 < np.mean(hits) < 0.95


def test_crossed_designs_have_two_factors_and_zipped_ones_one() -> None:
    rng = np.random.default_rng(2)
    crossed = {n: {(d, s): rng.random() for d in range(3) for s in range(2)} for n in NS}
    zipped = {n: {(d, d): rng.random() for d in range(3)} for n in NS}
    seeds = {n: {(0, s): rng.random() for s in range(3)} for n in NS}
    assert [part.name for part in factors(crossed)] == ["draw", "seed"]
    assert [part.name for part in factors(zipped)] == ["draw"]
    assert [part.name for part in factors(seeds)] == ["seed", "draw"]


def test_seeds_nested_in_draws_count_as_their_draws() -> None:
    """12 runs with seeds of their own in 3 draws are 3 observations."""
    rng = np.random.default_rng(8)
    nested: dict[int, dict[Run, float]] = {
        n: {(d, 4 * d + s): float(0.5 + 0.02 * rng.standard_normal()) for d in range(3) for s in range(4)} for n in NS
    }
    by_draw = {
        n: {(d, 0): float(np.mean([v for (draw, _), v in sorted(rung.items()) if draw == d])) for d in range(3)}
        for n, rung in nested.items()
    }
    [found], [expected] = factors(nested), factors(by_draw)
    assert (found.name, found.levels) == ("draw", (0, 1, 2))
    np.testing.assert_allclose(found.variance, expected.variance)
    np.testing.assert_allclose(found.df, expected.df)


def test_an_only_draw_adds_as_much_as_a_run_half_of_it_alike() -> None:
    rng = np.random.default_rng(9)
    table = 0.5 + 0.02 * rng.standard_normal((4, 5))
    one_draw = {n: {(0, d): v for (d, _), v in rung.items()} for n, rung in runs_of(table).items()}
    seeds, draw = factors(one_draw)
    np.testing.assert_allclose(draw.variance, 4 * seeds.variance)
    np.testing.assert_allclose(draw.independent, draw.variance / 2)
    several, _ = total_variance(factors(runs_of(table)))
    np.testing.assert_allclose(total_variance(factors(one_draw))[0], 5 * several)
    assert draw.levels == (0,)


def test_means_of_an_only_draw_have_wide_intervals() -> None:
    rng = np.random.default_rng(12)
    runs = runs_of(0.5 + 0.02 * rng.standard_normal((4, 5)))
    one_draw = {n: {(0, d): v for (d, _), v in rung.items()} for n, rung in runs.items()}
    for wide, narrow in zip(mean_intervals(one_draw), mean_intervals(runs), strict=True):
        assert wide.low is not None
        assert narrow.low is not None
        assert wide.mean - wide.low == pytest.approx(np.sqrt(5) * (narrow.mean - narrow.low), rel=0.3)


def test_two_draws_do_not_make_all_rungs_move_alike() -> None:
    table = np.array([[0.40, 0.50, 0.60], [0.44, 0.54, 0.64]])
    [found] = factors(runs_of(table))
    assert (found.independent >= LEAST_INDEPENDENT * found.variance * 0.95).all()
    drawn = resample(runs_of(table), "arm", count=4000)
    assert drawn is not None
    assert np.corrcoef(drawn.T)[0, 2] < 0.99


def test_an_arms_own_streams_follow_its_runs_alone() -> None:
    """Neither the order of runs nor the unit of labels counts; every accuracy does."""
    runs = runs_of(np.random.default_rng(10).random((3, 4)))
    turned = {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())}
    assert fingerprint(runs) == fingerprint(turned) == fingerprint({1000 * n: rung for n, rung in runs.items()})
    changed = {**runs, 100: {**runs[100], (0, 0): 0.123}}
    assert fingerprint(changed) != fingerprint(runs)


def test_replicates_have_the_means_and_spread_of_the_interval() -> None:
    rng = np.random.default_rng(3)
    runs = runs_of(0.5 + 0.03 * rng.standard_normal((5, 5)))
    drawn = resample(runs, "arm", count=20_000)
    assert drawn is not None
    np.testing.assert_allclose(drawn.mean(axis=0), means(runs), atol=0.002)
    for column, item in zip(drawn.T, mean_intervals(runs, level=0.90), strict=True):
        np.testing.assert_allclose(np.quantile(column, [0.05, 0.95]), [item.low, item.high], atol=0.003)


def test_resampling_is_deterministic_and_ignores_the_order_of_runs() -> None:
    rng = np.random.default_rng(4)
    runs = runs_of(rng.random((4, 3)))
    turned = {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())}
    first, second = resample(runs, "arm"), resample(turned, "arm")
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)


def test_resampling_keeps_arms_paired_and_rungs_correlated() -> None:
    rng = np.random.default_rng(5)
    luck = 0.03 * rng.standard_normal((12, 1))
    base, arm = runs_of(0.5 + luck * np.ones((1, 3))), runs_of(0.6 + luck * np.ones((1, 3)))
    other = runs_of(0.6 + 0.03 * rng.standard_normal((12, 3)))
    drawn = [resample(runs, name) for runs, name in ((base, "baseline"), (arm, "arm"), (other, "arm"))]
    first, second, third = (item for item in drawn if item is not None)
    assert np.corrcoef(first[:, 0], first[:, 2])[0, 1] > 0.45
    assert np.corrcoef(first[:, 0], second[:, 0])[0, 1] > 0.45
    assert abs(np.corrcoef(first[:, 0], third[:, 0])[0, 1]) < 0.4


def test_missing_runs_are_handled_with_the_runs_there_are() -> None:
    rng = np.random.default_rng(6)
    runs = runs_of(rng.random((3, 4)))
    del runs[100][0, 0]
    drawn = resample(runs, "arm")
    assert drawn is not None
    assert np.isfinite(drawn).all()
    assert means(runs)[1] == pytest.approx((runs[100][1, 0] + runs[100][2, 0]) / 2)


def test_paired_differences_take_shared_runs_only() -> None:
    base = {10: {(0, 0): 0.2, (1, 0): 0.4}, 20: {(0, 0): 0.5}}
    arm = {10: {(1, 0): 0.5, (2, 0): 0.9}, 20: {(1, 0): 0.5}, 40: {(0, 0): 1.0}}
    assert paired_differences(base, arm) == {10: {(1, 0): pytest.approx(0.1)}}


@pytest.mark.parametrize(("correct", "count"), [(0, 20), (7, 20), (500, 1000), (20, 20)])
def test_wilson_against_scipy(correct: int, count: int) -> None:
    expected = reference.binomtest(correct, count).proportion_ci(0.90, method="wilson")
    np.testing.assert_allclose(wilson(correct / count, count), [expected.low, expected.high], atol=1e-12)


def test_level_must_be_a_probability() -> None:
    with pytest.raises(OptionError, match=r"found 90, expected a probability"):
        wilson(0.5, 10, level=90)
