"""Mean ratios: a case by hand, bounds, interval and ranking."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from labeleff.curves.joint_intervals import gains, joint_intervals
from labeleff.curves.mean_ratio import log_ratio_draws, mean_ratios
from labeleff.curves.utility import utilities

NS = [50, 100, 200, 400, 800, 1600]
Table = dict[int, dict[tuple[int, int], float]]


def true(n: np.ndarray) -> np.ndarray:
    return np.asarray(0.92 - 1.6 * n**-0.35)


def runs(ratio: float, sd: float = 0.005, seed: int = 0, draws: int = 3, ns: list[int] = NS) -> Table:
    """An arm whose n labels do the work of `ratio` times n of the baseline."""
    noise = np.random.default_rng([seed, round(1000 * ratio)]).standard_normal((draws, len(ns)))
    values = true(ratio * np.array(ns, dtype=float)) + sd * noise
    return {n: {(d, d): float(values[d, k]) for d in range(draws)} for k, n in enumerate(ns)}


BASE = runs(1.0, seed=99)


@pytest.mark.parametrize("method", ["bayes", "pchip"])
def test_a_constant_ratio_is_found_with_its_interval(method: str) -> None:
    arms = {"twice": runs(2.0, ns=NS[:-1]), "half": runs(0.5, ns=NS[1:-1])}
    found = mean_ratios(utilities(BASE, arms, method=method), 50)
    for name, ratio in (("twice", 2.0), ("half", 0.5)):
        mean = found[name]
        assert mean.ns == tuple(sorted(arms[name]))
        assert mean.ratio == pytest.approx(ratio, rel=0.15)
        assert mean.low is not None
        assert mean.high is not None
        assert mean.low < ratio < mean.high
        assert mean.log2 == pytest.approx(math.log2(mean.ratio))
    assert found["twice"].tied
    assert not found["half"].tied


def test_weights_are_those_of_the_area_over_ln_n() -> None:
    """Without noise and inside the ladder: trapezoids of ln(n1 / n)."""
    base = {n: {(0, 0): float(np.log(n) / 10)} for n in (10, 100, 1000, 10_000)}
    arm = {n: {(0, 0): float(np.log(n * r) / 10)} for n, r in ((10, 2.0), (20, 4.0), (1000, 1.0))}
    [found] = mean_ratios(utilities(base, {"arm": arm}, method="log"), 10).values()
    logs, x = np.log([2.0, 4.0, 1.0]), np.log([10, 20, 1000])
    assert math.log(found.ratio) == pytest.approx(float(np.trapezoid(logs, x) / (x[-1] - x[0])))
    assert (found.low, found.high, found.tied) == (None, None, True)


def test_what_the_ladder_cannot_tell_is_brought_to_its_ends_and_counted() -> None:
    high = {n: {(d, d): 0.9 + 0.001 * d for d in range(3)} for n in NS}
    low = {n: {(d, d): 0.05 + 0.001 * d for d in range(3)} for n in NS}
    found = mean_ratios(utilities(BASE, {"high": high, "low": low}, method="pchip"), 50)
    assert (found["high"].above, found["high"].below) == (6, 0)
    assert (found["low"].above, found["low"].below) == (0, 6)
    logs, x = np.log(1600 / np.array(NS)), np.log(NS)
    assert math.log(found["high"].ratio) == pytest.approx(float(np.trapezoid(logs, x) / (x[-1] - x[0])))
    assert found["low"].ratio < 1 < found["high"].ratio
    model = mean_ratios(utilities(BASE, {"high": high}), 50)["high"]
    assert model.ratio <= 4 * found["high"].ratio * (1 + 1e-9)


def signs(method: str, base: list[int], ns: list[int], ratio: float, curve: Callable[[float], float]) -> list[int]:
    """Signs of the simultaneous mean ratio in ten tables of three draws."""
    found = []
    for seed in range(10):
        noise = np.random.default_rng(seed)
        tables = [
            {n: {(draw, 0): curve(factor * n) + 0.01 * noise.standard_normal() for draw in draws} for n in ladder}
            for ladder, factor, draws in ((base, 1.0, range(3)), (ns, ratio, range(3, 6)))
        ]
        arms = utilities(tables[0], {"arm": tables[1]}, method=method)
        mean = joint_intervals(arms, mean_ratios(arms, base[0]), base[0])["arm"].mean
        assert mean is not None
        found.append(mean.sign)
    return found


@pytest.mark.parametrize("method", ["bayes", "pchip", "pow3"])
def test_nothing_is_claimed_of_rungs_under_the_ladder(method: str) -> None:
    assert set(signs(method, [1000, 2000, 4000, 8000], [10, 50, 100], 0.5, lambda n: 0.1 + 0.8 * n / (n + 300))) == {0}


@pytest.mark.parametrize("method", ["bayes", "pchip"])
def test_nothing_is_claimed_of_rungs_beyond_a_ladder_that_is_flat(method: str) -> None:
    flat = signs(method, [10, 30, 100, 300], [3000, 6000], 1.0, lambda n: 0.6 - 0.5 * math.exp(-((n / 30) ** 0.8)))
    assert flat.count(0) >= 9
    worse = signs(method, [10, 30, 100, 300], [3000, 6000], 0.01, lambda n: 0.9 - 1.6 * (n + 10) ** -0.35)
    assert set(worse) == {-1}  # under the last rung, whatever the curve does beyond it


def test_an_end_is_open_where_draws_leave_the_ladder_though_the_mean_does_not() -> None:
    lost = 0
    for seed in range(20):
        arm = runs(1.5, sd=0.01, seed=seed, ns=[800, 1600])
        mean = mean_ratios(utilities(runs(1.0, sd=0.01, seed=seed + 100), {"arm": arm}, method="pchip"), 50)["arm"]
        assert mean.high is not None
        lost += mean.high < 1.5 and not mean.open_high
    assert lost <= 2


def test_arms_are_ranked_over_the_rungs_that_both_have() -> None:
    """`early` has a higher mean over its rungs, where labels are worth most, and `whole` is over it at each of them."""
    falling = {n: runs(4.0 * (n / 50) ** -0.4, ns=[n], seed=n)[n] for n in NS}
    arms = {"early": runs(3.2, ns=NS[:2], seed=7), "whole": falling}
    found = mean_ratios(utilities(BASE, arms, method="pchip"), 50)
    assert found["early"].ratio > found["whole"].ratio
    assert (found["whole"].rank, found["early"].rank) == (1, 2)


@pytest.mark.parametrize("method", ["bayes", "pchip"])
def test_an_arm_with_one_rung_is_set_aside_and_shrinks_nobody(method: str) -> None:
    arms = {"twice": runs(2.0), "half": runs(0.5)}
    alone = mean_ratios(utilities(BASE, arms, method=method), 50)
    beside = mean_ratios(utilities(BASE, {"single": runs(3.0, ns=[200]), **arms}, method=method), 50)
    assert {name: beside[name] for name in arms} == alone
    assert (beside["single"].ns, beside["single"].rank, beside["single"].tied) == ((200,), None, False)
    assert [found.rank for found in alone.values()] == [1, 2]


def test_arms_without_a_rung_of_the_best_are_set_aside() -> None:
    arms = {"one": runs(1.5, ns=[50, 100]), "other": runs(1.2, ns=[200, 400])}
    found = mean_ratios(utilities(BASE, arms, method="pchip"), 50)
    assert (found["one"].rank, found["other"].rank) == (1, None)
    assert mean_ratios({}, 50) == {}


def test_an_arm_against_itself_is_worth_exactly_its_labels() -> None:
    [found] = mean_ratios(utilities(BASE, {"same": BASE}), 50).values()
    assert (found.ratio, found.low, found.high) == pytest.approx((1, 1, 1))


def test_other_arms_change_no_number_of_an_arm() -> None:
    alone = mean_ratios(utilities(BASE, {"twice": runs(2.0)}), 50)["twice"]
    beside = mean_ratios(utilities(BASE, {"half": runs(0.5), "twice": runs(2.0)}), 50)["twice"]
    assert (alone.ratio, alone.low, alone.high) == (beside.ratio, beside.low, beside.high)


def test_luck_of_shared_draws_cancels_in_the_ranking() -> None:
    """Two arms that differ by little, with draws whose luck moves both: told apart in pairs, not otherwise."""
    luck = np.array([0.03, -0.03, 0.02, -0.02, 0.01, -0.01])

    def arm(ratio: float, first: int) -> Table:
        noise = 0.002 * np.random.default_rng(round(10 * ratio)).standard_normal((6, len(NS)))
        values = true(ratio * np.array(NS, dtype=float)) + luck[:, None] + noise
        return {n: {(first + d, 0): float(values[d, k]) for d in range(6)} for k, n in enumerate(NS)}

    base = runs(1.0, sd=0.002, draws=6)
    paired = mean_ratios(utilities(base, {"a": arm(1.3, 0), "b": arm(1.1, 0)}, method="pchip"), 50)
    apart = mean_ratios(utilities(base, {"a": arm(1.3, 0), "b": arm(1.1, 50)}, method="pchip"), 50)
    assert paired["a"].tied
    assert not paired["b"].tied
    assert apart["b"].tied


@pytest.mark.parametrize("method", ["bayes", "pchip"])
def test_a_gain_is_the_ratio_of_two_means_with_intervals_for_all_of_them(method: str) -> None:
    arms = {
        "one": runs(1.0, seed=3, ns=NS[1:-2]),
        "same": runs(1.01, seed=4, ns=NS[1:-2]),
        "twice": runs(2.0, ns=NS[1:-2]),
    }
    found = utilities(BASE, arms, method=method)
    pairs = [("one", "same"), ("same", "twice"), ("twice", "one")]
    several = gains(found, pairs, 50)
    assert [(gain.before, gain.after) for gain in several] == pairs
    assert [gain.sign for gain in several] == [0, 1, -1]
    assert several[0].ratio * several[1].ratio * several[2].ratio == pytest.approx(1.0)
    assert not any(gain.open_low or gain.open_high for gain in several)
    means = mean_ratios(found, 50)
    for gain, (before, after) in zip(several, pairs, strict=True):
        assert gain.ratio == pytest.approx(means[after].ratio / means[before].ratio)
        [alone] = gains(found, [(before, after)], 50)
        sides = [log_ratio_draws(found[name], NS[1:-2], 50) for name in (before, after)]
        assert sides[0] is not None
        assert sides[1] is not None
        ends = np.exp(np.quantile(sides[1] - sides[0], [0.05, 0.95]))
        assert (alone.low, alone.high) == pytest.approx(tuple(ends), rel=0.02)
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low <= alone.low <= alone.high <= gain.high
    beyond = utilities(BASE, {"one": BASE, "far": runs(40.0), "near": runs(1.0, seed=3, ns=NS[1:-2])}, method=method)
    up, down = gains(beyond, [("near", "far"), ("far", "near")], 50)
    assert (up.open_high, down.open_low) == (True, True), "beyond the ladder it may be more"
    assert (up.sign, down.sign) == (1, -1), "which changes no sign"
    far = {"far": runs(40.0), "farther": runs(80.0)}
    [unknown] = gains(utilities(BASE, far, method=method), [("far", "farther")], 50)
    assert (unknown.open_low, unknown.open_high, unknown.sign) == (True, True, 0)


def test_gains_without_noise_or_a_shared_rung_have_no_interval_or_are_none() -> None:
    exact = {n: {(0, 0): value} for n, value in zip(NS, true(np.array(NS, dtype=float)).tolist(), strict=True)}
    better = {n: {(0, 0): value} for n, value in zip(NS[:3], true(2.0 * np.array(NS[:3])).tolist(), strict=True)}
    other = {n: {(0, 0): value} for n, value in zip(NS[3:5], true(2.0 * np.array(NS[3:5])).tolist(), strict=True)}
    found = utilities(exact, {"same": exact, "twice": better, "apart": other}, method="pchip")
    assert gains(found, [("twice", "apart")], 50) == []
    [gain] = gains(found, [("same", "twice")], 50)
    assert gain.ratio == pytest.approx(2.0, rel=0.02)
    assert (gain.low, gain.high, gain.sign) == (None, None, 0)
