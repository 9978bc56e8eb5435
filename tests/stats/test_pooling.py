"""Pooled effects and their spread, against slow versions and on simulated studies."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from labeleff.errors import OptionError
from labeleff.stats.pooling import Effect, averaged, from_interval, pooled, spread


def test_an_interval_is_read_by_its_farther_end():
    found = from_interval(1.0, 0.5, 2.0, level=0.9)
    assert found is not None
    assert found.ends(0.9) == pytest.approx((0.0, 2.0))
    assert from_interval(1.0, 1.0, 1.0) is None
    assert from_interval(1.0, 0.0, math.inf) is None


def test_effects_that_share_their_noise_are_averaged_with_it():
    assert averaged([Effect(1, 1), Effect(3, 3)]) == Effect(2.0, 2.0)
    with pytest.raises(OptionError):
        averaged([])


def test_two_effects_have_their_noise_alone():
    found = pooled([Effect(0.0, 1.0), Effect(5.0, 2.0)])
    assert found.value == pytest.approx(1.0)
    assert found.error == pytest.approx(math.sqrt(0.8))
    with pytest.raises(OptionError):
        pooled([])


def slow_pooled(values, errors, level):
    """Paule and Mandel's spread by a solver, then Knapp and Hartung's interval, never narrower than the plain one."""

    def left(between):
        weights = 1 / (errors**2 + between**2)
        return (weights * (values - np.average(values, weights=weights)) ** 2).sum() - (len(values) - 1)

    between = optimize.brentq(left, 0, 100) if left(0) > 0 else 0.0
    weights = 1 / (errors**2 + between**2)
    mean = (weights * values).sum() / weights.sum()
    scatter = (weights * (values - mean) ** 2).sum() / (len(values) - 1)
    width = stats.t.ppf((1 + level) / 2, len(values) - 1) * math.sqrt(max(1, scatter) / weights.sum())
    return mean, mean - width, mean + width


@pytest.mark.parametrize("seed", range(8))
def test_the_pooled_mean_equals_a_slow_version(seed):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.2, 2, 6)
    values = rng.normal(1, seed / 2, 6) + errors * rng.standard_normal(6)
    found = pooled([Effect(*pair) for pair in zip(values, errors, strict=True)])
    assert (found.value, *found.ends()) == pytest.approx(slow_pooled(values, errors, 0.9))


def test_intervals_of_pooled_means_hold_the_expectation_of_studies():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        errors = rng.uniform(0.2, 1, 6)
        true = rng.normal(2, 0.7, 6)
        low, high = pooled([Effect(*pair) for pair in zip(rng.normal(true, errors), errors, strict=True)]).ends()
        held += low <= 2 <= high
    assert 0.86 <= held / 400 <= 0.96


@pytest.mark.parametrize("between", [0.0, 0.5, 2.0])
def test_intervals_of_the_spread_hold_it(between):
    rng = np.random.default_rng(1)
    held, above = 0, 0
    for _ in range(300):
        groups = []
        for _ in range(4):
            errors = rng.uniform(0.3, 1, 4)
            values = rng.normal(0, np.hypot(between, errors))
            groups.append([[Effect(*pair) for pair in zip(values, errors, strict=True)]])
        found = spread(groups)
        held += found.low <= between <= found.high
        above += found.low > 0
    assert held / 300 >= 0.86
    assert above / 300 <= 0.08 if between == 0 else above > 0


def test_groups_with_the_same_noise_count_once():
    group = [Effect(0.0, 1.0), Effect(4.0, 1.0)]
    assert spread([[group, group, group]]).low == pytest.approx(spread([[group]]).low)
    assert spread([[group], [group]]).low > spread([[group]]).low
    assert spread([[[Effect(0, 1)]], []]) is None
