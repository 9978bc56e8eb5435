"""Paired comparisons: against scipy without moderation, against brute force, invariants, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from labeleff.errors import CurveError, OptionError
from labeleff.stats import moderation
from labeleff.stats.differences import compare, ladder_estimate, ladder_values, pairs
from labeleff.stats.intervals import mean_intervals
from labeleff.stats.moderation import COARSEST
from labeleff.stats.resampling import paired_differences

NS = [50, 100, 200, 400, 800]
FLOOR = COARSEST**2 / 12
"""Smallest variance of equal values: that of rounding to the resolution they are taken to have."""


def runs_of(table, first=0):
    """Runs from accuracies (draws, rungs), one seed, draws counted from `first`."""
    return {
        n: {(first + draw, 0): float(table[draw, i]) for draw in range(len(table))}
        for i, n in enumerate(NS[: table.shape[1]])
    }


def two_arms(seed, draws, rungs=5, rho=0.0, gain=0.1):
    """Arms that share the luck of a draw; `rho` of the own noise is the same at all rungs."""
    rng = np.random.default_rng(seed)

    def noise(scale):
        alike, apart = rng.standard_normal((draws, 1)), rng.standard_normal((draws, rungs))
        return scale * (np.sqrt(rho) * alike + np.sqrt(1 - rho) * apart)

    luck = noise(0.05)
    return 0.5 + luck + noise(0.02), 0.5 + gain + luck + noise(0.02)


def test_without_moderation_it_is_the_paired_t_test(monkeypatch):
    monkeypatch.setattr(moderation, "PRIOR_DF", 0.0)
    base, arm = two_arms(0, 8, rungs=1)
    [row] = compare(runs_of(base), runs_of(arm), level=0.95).rungs
    expected = reference.ttest_rel(arm[:, 0], base[:, 0])
    assert row.p_value == pytest.approx(expected.pvalue)
    assert [row.low, row.high] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert (row.pairs, row.pairing, row.df, row.reason) == (8, "run", 7, None)


def test_without_shared_draws_it_is_welchs_test_and_says_so():
    base, arm = two_arms(1, 8, rungs=1)
    [row] = compare(runs_of(base), runs_of(arm[:5], first=20)).rungs
    expected = reference.ttest_ind(arm[:5, 0], base[:, 0], equal_var=False)
    assert row.p_value == pytest.approx(expected.pvalue)
    assert (row.pairs, row.pairing, row.reason) == (0, "none", "unpaired: no shared draws")


def test_the_ladder_is_the_t_test_of_the_draws_averages():
    base, arm = two_arms(2, 6, rho=0.7)
    row = compare(runs_of(base), runs_of(arm)).ladder
    expected = reference.ttest_rel(arm.mean(axis=1), base.mean(axis=1))
    assert row.p_value == pytest.approx(expected.pvalue)
    assert (row.ns, row.pairs, row.df) == (tuple(NS), 6, 5)


def test_rungs_have_the_interval_of_their_mean_differences():
    base, arm = (runs_of(table) for table in two_arms(3, 12))
    expected = mean_intervals(paired_differences(base, arm))
    for row, item in zip(compare(base, arm).rungs, expected, strict=True):
        assert (row.mean, row.standard_error) == pytest.approx((item.mean, item.standard_error))
        assert row.high - row.low >= (item.high - item.low) * (1 - 1e-9)


def test_rungs_that_move_together_count_once():
    base, arm = two_arms(4, 4, rho=1.0)
    assert compare(runs_of(base), runs_of(arm)).rungs[2].df == pytest.approx(3)


def test_ladder_values_keep_the_mean_when_runs_are_missing():
    runs = runs_of(np.random.default_rng(5).random((4, 3)))
    del runs[100][2, 0]
    values = ladder_values(runs)
    rungs = [np.mean(list(rung.values())) for rung in runs.values()]
    assert np.mean(list(values.values())) == pytest.approx(np.mean(rungs))
    # the cluster-robust variance, written out
    parts = dict.fromkeys(values, 0.0)
    for rung, mean in zip(runs.values(), rungs, strict=True):
        for run, value in rung.items():
            parts[run] += (value - mean) / np.sqrt(1 - 1 / len(rung)) / len(rung) / 3
    expected = sum(part**2 for part in parts.values())
    assert np.var(list(values.values()), ddof=1) / 4 == pytest.approx(expected)


def test_degrees_of_freedom_of_a_ladder_with_missing_runs_follow_the_weights_of_the_residuals():
    rng = np.random.default_rng(0)
    missing = rng.random((5, 5)) < 0.3
    missing[0] = False
    runs = runs_of(rng.random((5, 5)))
    runs = {
        n: {run: v for run, v in rung.items() if not missing[run[0], r]} for r, (n, rung) in enumerate(runs.items())
    }
    cells = [(n, run) for n, rung in runs.items() for run in rung]
    parts = np.zeros((5, len(cells)))  # what a unit of noise in each cell adds to each run's part
    for column, (n, run) in enumerate(cells):
        count = len(runs[n])
        for other in runs[n]:
            parts[other[0], column] = ((other == run) - 1 / count) / np.sqrt(count * (count - 1))
    common = parts @ parts.T
    expected = np.trace(common) ** 2 / (common**2).sum()
    found = ladder_estimate(runs)
    assert found.df == pytest.approx(expected)
    assert found.df < 3.8
    apart = {50: {(0, 0): 0.1, (1, 0): 0.2}, 100: {(2, 0): 0.1, (3, 0): 0.4, (4, 0): 0.2}}
    assert ladder_estimate(apart).df == pytest.approx((1 / 2 + 1 / 3) ** 2 / (1 / 4 + 1 / 9 / 2))


def test_coverage_of_the_ladder_with_missing_runs():
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(300):
        noise = np.sqrt(0.5) * (rng.standard_normal((5, 1)) + rng.standard_normal((5, 5)))
        kept = rng.random((5, 5)) > 0.3
        kept[:2] = True
        runs = {n: {(d, 0): noise[d, r] for d in range(5) if kept[d, r]} for r, n in enumerate(NS)}
        found = ladder_estimate(runs)
        hits.append(abs(found.mean) <= reference.t.ppf(0.95, found.df) * np.sqrt(found.variance))
    assert 0.87 < np.mean(hits) < 0.94


def test_other_seeds_of_the_same_draws_are_paired_by_draw():
    base = {50: {(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.4}}
    arm = {50: {(0, 5): 0.7, (1, 6): 0.8}}
    pairing, differences = pairs(base, arm)
    assert pairing == "draw"
    assert differences == {50: {(0, 0): pytest.approx(0.15), (1, 0): pytest.approx(0.4)}}


def test_one_shared_pair_is_not_paired_where_arms_have_more():
    base, arm = (runs_of(table) for table in two_arms(6, 4))
    other = {n: {(0, 0): rung[0, 0]} | {(d + 50, s): v for (d, s), v in rung.items()} for n, rung in arm.items()}
    result = compare(base, other)
    assert {row.reason for row in (*result.rungs, result.ladder)} == {"unpaired: too few shared draws to pair the arms"}


def test_one_run_a_rung_has_a_difference_and_a_reason_instead_of_an_interval():
    base, arm = two_arms(7, 1)
    result = compare(runs_of(base), runs_of(arm))
    for row in (*result.rungs, result.ladder):
        assert np.isfinite(row.mean)
        assert row.low is row.high is row.p_value is row.df is None
        assert row.reason.startswith("no interval")


def test_an_arm_against_itself_rests_on_the_floor_and_says_so():
    base = runs_of(two_arms(8, 4)[0])
    row = compare(base, base).rungs[0]
    assert (row.mean, row.p_value) == (0, 1)
    assert row.standard_error == pytest.approx(np.sqrt(FLOOR / 4))
    assert "smallest variance believed" in row.reason


def test_arms_without_a_common_rung_have_nothing_to_compare():
    result = compare({50: {(0, 0): 0.5}}, {100: {(0, 0): 0.5}})
    assert result.rungs == ()
    assert result.ladder is None


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(-0.2, 0.2), st.floats(1.0, 3.0))
def test_order_shift_sign_and_scale(seed, draws, shift, scale):
    base, arm = two_arms(seed, draws)
    first = compare(runs_of(base), runs_of(arm))
    turned = {n: dict(reversed(rung.items())) for n, rung in reversed(runs_of(arm).items())}
    assert compare(runs_of(base), turned) == first
    moved = compare(runs_of(base + shift), runs_of(arm + shift))
    swapped = compare(runs_of(arm), runs_of(base))
    wide = compare(runs_of(base * scale), runs_of(arm * scale))
    for rows in zip(*((*r.rungs, r.ladder) for r in (first, moved, swapped, wide)), strict=True):
        one, two, three, four = rows
        assert (two.low, two.p_value) == pytest.approx((one.low, one.p_value))
        assert (three.low, three.high) == pytest.approx((-one.high, -one.low))
        if one.standard_error > 2 * np.sqrt(FLOOR):
            assert (four.low, four.p_value) == pytest.approx((one.low * scale, one.p_value), rel=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_coverage(rho):
    hits, ladder = [], []
    for seed in range(250):
        result = compare(*(runs_of(table) for table in two_arms(seed, 4, rho=rho)))
        hits += [row.low <= 0.1 <= row.high for row in result.rungs]
        ladder.append(result.ladder.low <= 0.1 <= result.ladder.high)
    assert 0.85 < np.mean(hits) < 0.95
    assert 0.85 < np.mean(ladder) < 0.95


def test_what_cannot_be_used_is_named():
    good = {50: {(0, 0): 0.5}}
    with pytest.raises(CurveError, match=r"the arm at 50 labels, \(draw, seed\) \(1, 0\): found nan"):
        compare(good, {50: {(1, 0): float("nan")}})
    with pytest.raises(CurveError, match="the baseline: the rung of 50 labels has no runs"):
        compare({50: {}}, good)
    with pytest.raises(OptionError, match="level: found 90"):
        compare(good, good, level=90)
