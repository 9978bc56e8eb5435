"""Holm's adjustment and ties with the best: examples by hand, slow definitions, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference
from scipy.special import ndtr

from labeleff.errors import OptionError
from labeleff.stats.multiple_comparisons import MOST, holm, joint_replicates, tie_group, tied_arms, tied_by_rung


def test_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def rejected(p_values, alpha):
    """The procedure as it is told: from the smallest on, until one is too large."""
    found = set()
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] > alpha / (len(p_values) - step):
            break
        found.add(int(place))
    return found


@given(st.lists(st.floats(0, 1), max_size=8), st.sampled_from([0.01, 0.05, 0.3]))
def test_it_rejects_what_the_procedure_rejects(p_values, alpha):
    adjusted = holm(p_values)
    assert {place for place, p in enumerate(adjusted) if p <= alpha * (1 - 1e-12)} <= rejected(p_values, alpha)
    assert rejected(p_values, alpha) <= {place for place, p in enumerate(adjusted) if p <= alpha * (1 + 1e-12)}
    assert all(old <= new <= 1 for old, new in zip(p_values, adjusted, strict=True))


def test_false_alarms_under_dependence():
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((2000, 1)), rng.standard_normal((2000, 20))
    alarms = [min(holm(ndtr(row))) <= 0.05 for row in 0.7 * common + 0.51**0.5 * own]
    assert np.mean(alarms) <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


NS = [50, 100, 200]


def arms_of(seed, means, draws, luck=0.05):
    """Zipped arms that share the luck of their draws; own noise has a standard deviation of 0.02."""
    rng = np.random.default_rng(seed)
    shared = luck * rng.standard_normal((draws, len(NS)))
    tables = {name: m + shared + 0.02 * rng.standard_normal(shared.shape) for name, m in means.items()}
    return {
        name: {n: {(d, d): float(table[d, i]) for d in range(draws)} for i, n in enumerate(NS)}
        for name, table in tables.items()
    }


def test_equal_independent_arms_get_tukeys_range():
    names, points = [f"arm{k}" for k in range(4)], np.zeros(4)
    spread = 2 * (1 - np.eye(4))  # differences of means with variance 1 each
    for df in (12.0, 1e6):
        found = tie_group(joint_replicates(names, points, spread, df), points)
        expected = reference.studentized_range.ppf(0.90, 4, min(df, 1e5))
        assert found[0].high == pytest.approx(expected, rel=0.03)


def test_replicates_have_the_spread_they_were_asked_for():
    spread = np.array([[0, 1, 4], [1, 0, 5], [4, 5, 0.0]])
    drawn = joint_replicates(["a", "b", "c"], np.array([1.0, 2, 3]), spread, 1e6)
    found = [[np.var(drawn[:, i] - drawn[:, j]) for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(found, spread, rtol=0.04)
    np.testing.assert_allclose(drawn.mean(axis=0), [1, 2, 3], atol=0.06)


def test_noise_that_arms_share_cancels():
    rng = np.random.default_rng(0)
    points = np.array([0.0, -0.1])
    shared = 5 * rng.standard_normal((2000, 1))
    drawn = points + shared + 0.01 * rng.standard_normal((2000, 2))
    first, second = tie_group(drawn, points)
    assert (first.tied, second.tied) == (True, False)
    assert (first.difference, second.difference) == pytest.approx((0.1, -0.1))
    assert second.low < -0.1 < second.high < 0


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(-10, 10), st.floats(0.01, 100))
def test_group_follows_order_shift_and_scale(seed, count, shift, scale):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal(count)
    drawn = points + 0.5 * rng.standard_normal((1000, count))
    first = tie_group(drawn, points)
    turn = rng.permutation(count)
    assert tie_group(drawn[:, turn], points[turn]) == [first[k] for k in turn]
    for one, two in zip(first, tie_group(shift + scale * drawn, shift + scale * points), strict=True):
        assert two.tied == one.tied
        assert (two.low, two.high) == pytest.approx((one.low * scale, one.high * scale), abs=1e-9 * scale + 1e-9)
    assert first[int(points.argmax())].tied
    assert all(standing.tied == (standing.high >= 0) for standing in first)
    assert all(standing.low <= standing.difference <= standing.high for standing in first)


def test_arms_far_below_leave_and_the_order_of_arms_changes_nothing():
    arms = arms_of(1, {"good": 0.60, "best": 0.61, "bad": 0.40}, 5)
    found = tied_arms(arms, 100)
    assert list(found) == ["bad", "best", "good"]
    assert [standing.tied for standing in found.values()] == [False, True, True]
    assert tied_arms(dict(reversed(arms.items())), 100) == found


def test_equal_arms_are_rarely_separated():
    means = dict.fromkeys(("a", "b", "c", "d"), 0.5)
    wrong = [any(not s.tied for s in tied_arms(arms_of(seed, means, 4), 100).values()) for seed in range(120)]
    assert np.mean(wrong) < 0.16  # 0.10 and two standard errors


def test_an_arm_with_one_run_borrows_the_widest_spread():
    arms = arms_of(2, {"a": 0.6, "b": 0.6, "near": 0.58, "far": 0.2}, 5)
    for name in ("near", "far"):
        arms[name] = {n: {(0, 0): rung[0, 0]} for n, rung in arms[name].items()}
    found = tied_arms(arms, 100)
    assert found["near"].tied
    assert not found["far"].tied
    assert found["far"].reason.startswith("one run")
    assert found["a"].reason is None
    assert found["near"].high - found["near"].low > found["a"].high - found["a"].low


def test_without_any_spread_all_are_tied():
    found = tied_arms({"a": {50: {(0, 0): 0.9}}, "b": {50: {(0, 0): 0.1}}, "c": {100: {(0, 0): 0.1}}}, 50)
    assert set(found) == {"a", "b"}
    assert all(s.tied and s.low is None and "nothing tells arms apart" in s.reason for s in found.values())
    assert [s.difference for s in found.values()] == pytest.approx([0.8, -0.8])


def test_one_arm_is_its_own_group():
    [standing] = tied_arms({"a": {50: {(0, 0): 0.9}}}, 50).values()
    assert (standing.tied, standing.difference, standing.reason) == (True, None, "the only arm")


def test_what_cannot_be_ranked_is_named():
    with pytest.raises(OptionError, match=r"no arm has runs at 60 labels \(rungs that have: \[50\]\)"):
        tied_arms({"a": {50: {(0, 0): 0.9}}}, 60)
    with pytest.raises(OptionError, match=r"replicates of shape \(5, 3\): expected \(S, A\) for points \(2,\)"):
        tie_group(np.zeros((5, 3)), np.zeros(2))
    with pytest.raises(OptionError, match=r"replicates of arms \[1\]: found numbers that aren't finite"):
        tie_group(np.array([[0.0, np.inf]]), np.zeros(2))


def test_every_rung_at_once_is_every_rung_alone():
    arms = arms_of(3, {"a": 0.5, "b": 0.51, "c": 0.4}, 4)
    assert tied_by_rung(arms) == {n: tied_arms(arms, n) for n in NS}


def test_many_arms_are_compared_with_the_leader():
    few = {f"arm{k:02d}": 0.6 if k < 3 else 0.4 for k in range(MOST)}
    many = few | {"arm98": 0.4, "arm99": 0.4}
    for means in (few, many):
        found = tied_arms(arms_of(5, means, 5), 100)
        assert {name for name, standing in found.items() if standing.tied} == {"arm00", "arm01", "arm02"}
    assert all(s.low <= s.difference <= s.high and (s.high >= 0) == s.tied for s in found.values())


def crossed(seed, worse, arms=24):
    """Two draws times two seeds of `arms` arms, at two rungs; the last half of them is `worse` by so much."""
    draw = np.random.default_rng(seed)
    labels = 0.01 * draw.standard_normal((2, 2))
    found = {}
    for place in range(arms):
        luck = 0.01 * draw.standard_normal(2)
        mean = 0.5 - (worse if place >= arms // 2 else 0.0)
        found[f"arm{place:02d}"] = {
            n: {
                (d, s): mean + labels[row, d] + luck[s] + 0.015 * draw.standard_normal()
                for d in range(2)
                for s in range(2)
            }
            for row, n in enumerate([50, 200])
        }
    return found


def test_many_arms_of_few_runs_can_be_told_apart():
    standings = tied_by_rung(crossed(0, 0.4))[200]
    assert [standings[name].tied for name in sorted(standings)] == [True] * 12 + [False] * 12
    parted = sum(any(not each.tied for each in tied_by_rung(crossed(seed, 0.0))[200].values()) for seed in range(1, 41))
    assert parted <= 6  # 4 at the level of 90 %


def test_of_many_equal_arms_few_are_separated():
    means = {f"arm{k:02d}": 0.5 for k in range(MOST + 3)}
    wrong = [any(not s.tied for s in tied_arms(arms_of(seed, means, 4), 100).values()) for seed in range(60)]
    assert np.mean(wrong) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 60)
