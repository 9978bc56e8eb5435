"""What is known of a difference: against scipy's distributions and tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from labeleff.comparison.change import Change, Exact, Flips, Samples, Student
from labeleff.study.quantities import Subject, quantity


def change(uncertainty, metric="accuracy", difference=0.0):
    return Change(Subject(metric, None, "a/b", "t", "e"), quantity(metric), 0.5, 0.5, difference, uncertainty, 3, "run")


@pytest.mark.parametrize("df", [2.0, 7.5, math.inf])
def test_student(df):
    uncertainty, t = Student(-0.03, 0.01, df), reference.t(df, -0.03, 0.01) if df < 100 else reference.norm(-0.03, 0.01)
    assert uncertainty.ends(0.9) == pytest.approx(t.interval(0.9))
    scaled = reference.t(df) if df < 100 else reference.norm()
    assert uncertainty.below(-0.01) == pytest.approx(scaled.cdf(-2.0))
    assert uncertainty.above(-0.05) == pytest.approx(scaled.cdf(-2.0))


def test_the_near_end_of_the_interval_and_the_test_say_the_same():
    uncertainty = Student(-0.03, 0.01, 5)
    _, high = uncertainty.ends(0.9)
    assert uncertainty.below(high) == pytest.approx(0.05)


def test_samples_give_percentiles_and_never_a_p_value_of_0():
    uncertainty = Samples(np.linspace(-1.0, -0.001, 999))
    assert uncertainty.ends(0.9) == pytest.approx((-0.95, -0.05), abs=0.002)
    assert uncertainty.below(0.0) == pytest.approx(1 / 1000)
    assert uncertainty.above(0.0) == 1.0
    assert Samples(np.zeros(99)).below(0.0) == Samples(np.zeros(99)).above(0.0) == 1.0


@pytest.mark.parametrize(("lost", "gained"), [(5, 0), (4, 2), (0, 3), (1, 1)])
def test_flips_are_mcnemars_exact_test(lost, gained):
    uncertainty, count = Flips(lost, gained), lost + gained
    worse = reference.binomtest(gained, count, alternative="less")
    better = reference.binomtest(gained, count, alternative="greater")
    assert uncertainty.below(0.0) == pytest.approx(worse.pvalue)
    assert uncertainty.above(0.0) == pytest.approx(better.pvalue)
    low, high = reference.binomtest(gained, count).proportion_ci(0.9, method="exact")
    assert uncertainty.ends(0.9) == pytest.approx((count * (2 * low - 1), count * (2 * high - 1)))


def test_tasks_that_dont_change_sides_are_the_same():
    uncertainty = Flips(0, 0)
    assert uncertainty.ends(0.9) == (0, 0)
    assert (uncertainty.below(0.0), uncertainty.above(0.0), uncertainty.below(1.0)) == (1, 1, 0)


def test_exactly_the_same_is_neither_better_nor_worse():
    item = change(Exact())
    assert item.interval(0.9) == (0, 0)
    assert (item.p_worse(), item.p_better(), item.p_worse(-0.01)) == (1, 1, 1)


def test_directions_and_scales():
    lower = change(Student(0.03, 0.01, 5), "error", 0.03)
    higher = change(Student(-0.03, 0.01, 5), "accuracy", -0.03)
    assert lower.p_worse() == pytest.approx(higher.p_worse())
    assert lower.p_worse(0.02) == pytest.approx(higher.p_worse(-0.02))
    slow = change(Student(math.log(0.9), 0.01, math.inf), "throughput", -0.1)
    assert slow.interval(0.9) == pytest.approx((-0.1147, -0.0851), abs=1e-3)
    assert slow.p_worse(-0.1) == pytest.approx(0.5)
    assert change(None).interval(0.9) is change(None).p_worse() is None
