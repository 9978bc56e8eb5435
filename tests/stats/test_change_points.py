"""Changes of level: against every cut tried one by one, exact p values, false alarms, and invariants."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from labeleff.stats.change_points import ALPHA, LEAST, _gains, _p_value, change_points


def within(values):
    """Sum of squares around the mean."""
    return float(((values - np.mean(values)) ** 2).sum())


def slow_gains(values):
    return [
        within(values) - within(values[:cut]) - within(values[cut:]) for cut in range(LEAST, len(values) - LEAST + 1)
    ]


@settings(max_examples=50)
@given(st.lists(st.floats(-100, 100), min_size=4, max_size=12))
def test_gains_are_what_a_cut_takes_off_the_sum_of_squares(values):
    series = np.array(values)
    assert _gains(series[None])[0] == pytest.approx(slow_gains(series), abs=1e-6)


def test_short_series_have_exact_p_values():
    series = np.array([1.0, 2.0, 5.0, 4.0, 6.0])
    best = max(slow_gains(series))
    found = [max(slow_gains(np.array(order))) >= best - 1e-9 for order in itertools.permutations(series)]
    assert _p_value(series) == pytest.approx(np.mean(found))


def test_a_step_is_found_where_it_is():
    rng = np.random.default_rng(0)
    for length, place in ((8, 4), (20, 5), (40, 30)):
        series = rng.normal(0, 1, length) + 6.0 * (np.arange(length) >= place)
        found = change_points(series.tolist())
        assert place in [item.place for item in found]
        step = next(item for item in found if item.place == place)
        assert step.after - step.before == pytest.approx(6, abs=2)
        assert step.p_value <= ALPHA


def test_two_steps_have_three_levels():
    levels = np.repeat([0.0, 5.0, 1.0], 10) + np.random.default_rng(1).normal(0, 0.3, 30)
    found = change_points(levels.tolist())
    assert [item.place for item in found] == [10, 20]
    assert [item.before for item in found] == pytest.approx([0, 5], abs=0.3)
    assert [item.after for item in found] == pytest.approx([5, 1], abs=0.3)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 30, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], [1.0] * 20 + [9.0]])
def test_nothing_to_tell(values):
    """Too few runs, no noise at all, or one odd value at the end."""
    assert change_points(values) == []


@pytest.mark.parametrize("length", [8, 15, 30])
def test_false_alarms(length):
    rng = np.random.default_rng(length)
    alarms = [bool(change_points(rng.standard_normal(length).tolist())) for _ in range(150)]
    assert sum(alarms) <= reference.binom.ppf(0.999, len(alarms), ALPHA)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.1, 100), st.floats(-100, 100))
def test_scale_and_shift_change_nothing(seed, factor, shift):
    series = np.random.default_rng(seed).standard_normal(12) + 3 * (np.arange(12) > 5)
    places = [item.place for item in change_points(series.tolist())]
    assert [item.place for item in change_points((shift + factor * series).tolist())] == places
    assert [item.place for item in change_points((-series).tolist())] == places
