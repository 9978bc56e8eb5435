"""Stand-ins for printed means: every estimate uses a rung's mean, variance and number of runs alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

import labeleff
from labeleff.curves.break_even import crossing
from labeleff.curves.rung_means import means_of_runs
from labeleff.curves.utility import as_runs, utilities
from labeleff.errors import CurveError
from labeleff.stats.differences import compare
from labeleff.stats.intervals import mean_intervals, rung_estimates
from labeleff.stats.multiple_comparisons import tied_by_rung
from labeleff.stats.resampling import Runs, factors, resample
from labeleff.stats.stand_ins import FIRST, Mean, StandIns, mean_or_values, pooled, stand_ins

LADDER = {50: 0.5, 100: 0.6, 200: 0.68, 400: 0.74, 800: 0.78}


def measured(gain: float, seed: int, runs: int = 6) -> dict[int, list[float]]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(mean + gain, 0.012, runs).tolist() for n, mean in LADDER.items()}


def summarised(arm: dict[int, list[float]]) -> dict[int, Mean]:
    return {n: Mean(float(np.mean(rung)), float(np.std(rung, ddof=1)), len(rung)) for n, rung in arm.items()}


def apart(arm: dict[int, list[float]], first: int) -> Runs:
    """Runs that share no number with any other rung or arm."""
    return {
        n: {(first + 100 * at + k, first + 100 * at + k): value for k, value in enumerate(rung)}
        for at, (n, rung) in enumerate(arm.items())
    }


BASE, ARM = measured(0.0, 1), measured(0.05, 2)
PLAIN = apart(BASE, 0), apart(ARM, 10_000)
MEANS = as_runs(summarised(BASE)), as_runs(summarised(ARM), 1)


@pytest.mark.parametrize("runs", [2, 3, 4, 5, 10, 1001])
def test_they_have_the_mean_and_the_spread(runs: int) -> None:
    values = Mean(0.617, 0.008, runs).values()
    assert len(values) == runs
    assert math.isclose(np.mean(values), 0.617)
    assert math.isclose(np.std(values, ddof=1), 0.008)


def test_rounding_isnt_reduced_by_the_number_of_runs() -> None:
    for runs in (2, 10, 100):
        values = Mean(0.5, 0.01, runs, rounding=1e-6).values()
        assert math.isclose(np.var(values, ddof=1) / runs, 0.01**2 / runs + 1e-6)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((math.nan, 0.1, 3), "found mean nan"),
        ((0.5, -0.1, 3), "found sd -0.1, expected a finite number from 0"),
        ((0.5, 0.1, 1), "found 1 runs, expected a whole number from 2 to 10,000; a single run is a value"),
        ((0.5, 0.1, 2.5), "found 2.5 runs"),
        ((0.5, 0.1, 10**6), "found 1000000 runs"),
    ],
)
def test_means_that_are_none(numbers: tuple[float, float, int], message: str) -> None:
    with pytest.raises(CurveError, match=message):
        Mean(*numbers)


def test_no_two_of_them_are_paired() -> None:
    rungs = [*stand_ins([Mean(0.5, 0.1, 3)] * 4), *stand_ins([Mean(0.5, 0.1, 3)], side=1)]
    names = [run for rung in rungs for run in rung]
    assert len(set(names)) == 15
    assert min(names) >= (FIRST, FIRST)
    again = stand_ins([Mean(0.4, 0.1, 3), Mean(0.5, 0.1, 3)])
    assert again[1] == rungs[0]  # neither order nor place moves a number


def test_back_to_the_mean() -> None:
    [rung] = stand_ins([Mean(0.5, 0.1, 3)])
    mean = mean_or_values(rung)
    assert isinstance(mean, Mean)
    assert np.allclose([mean.mean, mean.sd, mean.runs], [0.5, 0.1, 3])
    assert mean_or_values({(0, 0): 0.5}) == [0.5]


def test_the_noise_of_means_is_that_of_independent_runs() -> None:
    for plain, means in zip(PLAIN, MEANS, strict=True):
        [one], [other] = factors(plain), factors(means)
        assert np.allclose(one.variance, other.variance)
        assert np.allclose(one.df, other.df)
        assert not other.loadings.size
        first, second = means_of_runs(plain, "a"), means_of_runs(means, "a")
        assert np.allclose(first.means, second.means)
        assert np.allclose(np.diag(first.covariance), np.diag(second.covariance))
        assert math.isclose(first.df, second.df)


def test_estimates_and_differences_are_those_of_independent_runs() -> None:
    for plain, means in zip(PLAIN, MEANS, strict=True):
        pairs = zip(rung_estimates(plain).values(), rung_estimates(means).values(), strict=True)
        assert all(np.allclose([a.mean, a.variance, a.df], [b.mean, b.variance, b.df]) for a, b in pairs)
        rows = zip(mean_intervals(plain), mean_intervals(means), strict=True)
        assert all(np.allclose([a.low, a.high], [b.low, b.high]) for a, b in rows)
    one, other = compare(*PLAIN), compare(*MEANS)
    for first, second in zip((*one.rungs, one.ladder), (*other.rungs, other.ladder), strict=True):
        assert first is not None
        assert second is not None
        assert second.pairing == first.pairing == "none"
        assert np.allclose(
            [first.mean, first.low, first.high, first.df, first.p_value],
            [second.mean, second.low, second.high, second.df, second.p_value],
        )


def test_ties_are_those_of_independent_runs() -> None:
    one, other = (tied_by_rung(dict(zip("ab", arms, strict=True))) for arms in (PLAIN, MEANS))
    for n in LADDER:
        for arm in "ab":
            assert one[n][arm].tied == other[n][arm].tied
            assert np.allclose([one[n][arm].low, one[n][arm].high], [other[n][arm].low, other[n][arm].high])


def test_replicates_have_the_same_distribution() -> None:
    one, other = (resample(arms[1], "x", count=20_000) for arms in (PLAIN, MEANS))
    assert one is not None
    assert other is not None
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.allclose(np.quantile(one, shares, axis=0), np.quantile(other, shares, axis=0), atol=4e-4)
    assert np.abs(np.corrcoef(other.T) - np.eye(5)).max() < 0.3  # one Student factor for all rungs


def test_utility_and_break_even_are_those_of_independent_runs() -> None:
    one, other = (utilities(base, {"x": arm})["x"].points for base, arm in (PLAIN, MEANS))
    for first, second in zip(one, other, strict=True):
        assert (first.kind, first.runs, first.flags) == (second.kind, second.runs, second.flags)
        assert first.n1 is not None
        assert second.n1 is not None
        assert math.isclose(first.n1, second.n1, rel_tol=0.01)
        if first.kind == "inside":
            assert np.allclose([first.n1_low, first.n1_high], [second.n1_low, second.n1_high], rtol=0.15)
    assert crossing(*PLAIN).kind == crossing(*MEANS).kind  # type: ignore[union-attr]


def test_an_arm_of_means_beside_one_of_paired_runs() -> None:
    paired = {n: {(k, k): value for k, value in enumerate(rung)} for n, rung in BASE.items()}
    [point, *_] = utilities(paired, {"x": MEANS[1]})["x"].points
    assert point.low is not None
    assert compare(paired, MEANS[1]).rungs[0].pairing == "none"
    mixed = {**paired, 50: StandIns(MEANS[0][50])}
    estimates = rung_estimates(mixed)
    assert math.isclose(estimates[50].mean, float(np.mean(BASE[50])))


def test_equal_means_of_two_arms_are_no_pair() -> None:
    means = {n: Mean(mean, 0.01, 3) for n, mean in LADDER.items()}
    [point, *_] = labeleff.utility(means, means)
    assert point.utility == 0
    assert point.low is not None
    assert point.low < 0


def test_means_near_the_ends_are_accuracies() -> None:
    high = {n: Mean(mean, 0.004, 3) for n, mean in ((10, 0.9), (20, 0.97), (40, 0.999))}
    assert any(value > 1 for value in high[40].values())
    assert labeleff.utility(high, {10: Mean(0.95, 0.004, 3)})[0].kind == "inside"
    assert labeleff.invert([10, 20, 40], list(high.values()), 0.95).kind == "inside"
    assert labeleff.forecast(high, targets=[0.98]).labels[0].kind == "inside"
    with pytest.raises(CurveError, match=r"found 1\.2, expected 0\.\.1"):
        labeleff.utility({**high, 80: Mean(1.2, 0.1, 3)}, high)
    with pytest.raises(CurveError, match=r"found 1\.2, expected 0\.\.1"):
        labeleff.invert([10, 20], [high[10], Mean(1.2, 0.1, 3)], 0.95)


def test_inverting_means_is_inverting_their_runs() -> None:
    runs = labeleff.invert(list(BASE), list(BASE.values()), 0.7)
    means = labeleff.invert(list(BASE), list(summarised(BASE).values()), 0.7)
    assert np.allclose([runs.n, runs.low, runs.high], [means.n, means.low, means.high], rtol=0.01)


def test_learning_curve_arrays_as_they_are() -> None:
    sizes, scores = np.array(list(BASE)), np.array(list(BASE.values()))
    lists = list(BASE), list(BASE.values())
    assert labeleff.invert(sizes, scores, 0.7) == labeleff.invert(*lists, 0.7)
    arrays = dict(zip(sizes, scores, strict=True))
    assert labeleff.utility(arrays, ARM) == labeleff.utility(BASE, ARM)
    assert all(type(point.n) is int for point in labeleff.utility(BASE, arrays))
    assert labeleff.forecast(arrays, targets=[0.8]) == labeleff.forecast(BASE, targets=[0.8])


def test_several_means_of_one_rung_are_one_of_all_their_runs() -> None:
    groups = [[0.4, 0.5, 0.6], [0.7, 0.8]]
    one = pooled([Mean(float(np.mean(group)), float(np.std(group, ddof=1)), len(group)) for group in groups])
    every = [value for group in groups for value in group]
    assert (one.mean, one.sd, one.runs) == (pytest.approx(np.mean(every)), pytest.approx(np.std(every, ddof=1)), 5)
    rounded = pooled([Mean(0.5, 0.1, 3, rounding=0.04)] * 4)
    assert rounded.rounding == pytest.approx(0.01)
    assert pooled([Mean(0.5, 0.1, 3)]) == Mean(0.5, 0.1, 3)
