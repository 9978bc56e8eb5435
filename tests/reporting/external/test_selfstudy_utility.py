"""Every defect of the reference's utility, by hand, beside what the definition gives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.curves.utility import utility
from labeleff.errors import CurveError
from labeleff.reporting.external.selfstudy_utility import SelfstudyPoint, selfstudy_utility

BASELINE = {100: 0.40, 200: 0.60, 400: 0.80}


def runs_of(curve: dict[int, float | list[float]]) -> dict[int, dict[tuple[int, int], float]]:
    """One run a rung, or a list of them."""
    lists = {n: values if isinstance(values, list) else [values] for n, values in curve.items()}
    return {n: {(draw, 0): value for draw, value in enumerate(values)} for n, values in lists.items()}


def points(baseline, arm) -> list[SelfstudyPoint]:
    return selfstudy_utility(runs_of(baseline), runs_of(arm))


def at(baseline, arm) -> list[SelfstudyPoint]:
    """Points of the arm's rungs, where it is as good as the baseline at all other rungs."""
    return [point for point in points(baseline, {**baseline, **arm}) if point.ends or point.n in arm]


def defined(baseline, arm, method="linear"):
    """(kind, utility or None, bound or None) by the definition."""
    return [(p.kind, p.utility, p.bound) for p in utility(runs_of(baseline), runs_of(arm), method=method)]


def test_between_rungs_mean_and_spread_over_runs():
    # 0.50 lies halfway between 100 and 200 labels: 150; 0.70 halfway between 200 and 400: 300.
    # U = 150/100 - 1 = 0.5 and 300/100 - 1 = 2: mean 1.25, standard deviation (divided by 2) 0.75.
    (point,) = at(BASELINE, {100: [0.50, 0.70]})
    assert (point.utility, point.spread) == (pytest.approx(1.25), pytest.approx(0.75))
    assert (point.n, point.ends) == (100, False)
    # The definition inverts the mean, 0.60, which the baseline has at 200 labels: 200/100 - 1 = 1.
    assert defined(BASELINE, {100: [0.50, 0.70]}) == [("inside", pytest.approx(1.0), None)]


def test_the_end_of_the_curve_lacks_the_minus_one():
    # The arm passes the baseline's best, 0.80 at 400 labels, between 0.70 at 100 and 0.90 at 200: halfway, at 150.
    # n_max / n* = 400 / 150 = 2.667; with the -1 of every other point it would be 1.667.
    first, last = at(BASELINE, {100: 0.70, 200: 0.90, 400: 0.95})
    assert first.utility == pytest.approx(300 / 100 - 1)
    assert last == SelfstudyPoint(
        pytest.approx(150), pytest.approx(400 / 150), 0.0, pytest.approx(400 / 150), ends=True
    )
    # The definition goes on and says what is known: at 200 labels U is at least 400/200 - 1 = 1, at 400 at least 0.
    assert defined(BASELINE, {200: 0.90, 400: 0.95}) == [("above", None, 1.0), ("above", None, 0.0)]


def test_saturation_at_the_first_rung_starts_from_zero_labels():
    # From (0 labels, accuracy 0) to (100, 0.90): 0.80 at 100 * 0.80/0.90 = 88.9 labels; 400 / 88.9 = 4.5.
    (point,) = at(BASELINE, {100: 0.90})
    assert (point.n, point.utility, point.ends) == (pytest.approx(800 / 9), pytest.approx(4.5), True)
    assert defined(BASELINE, {100: 0.90}) == [("above", None, 3.0)]


def test_the_limit_lacks_the_minus_one():
    # The largest measurable utility at 200 labels is 400/200 - 1 = 1; the reference draws its line at 2.
    assert [point.limit for point in at(BASELINE, {100: 0.5, 200: 0.6})] == [4.0, 2.0]


def test_an_arm_against_itself():
    # 0 at 100 and 200 labels; at 400 no mean is strictly over 0.80: -1 labels, U = -1/400 - 1 = -1.0025.
    assert [point.utility for point in points(BASELINE, BASELINE)] == pytest.approx([0.0, 0.0, -1.0025])
    assert defined(BASELINE, BASELINE) == [("inside", 0.0, None)] * 3


def test_an_arm_against_itself_on_the_papers_ladder():
    # The largest rung has 200,000 labels: -1/200000 - 1 = -1.000005.
    ladder = [100, 250, 1000, 4000, 20000, 50000, 100000, 200000]
    curve = {n: 0.30 + 0.05 * place for place, n in enumerate(ladder)}
    found = [point.utility for point in points(curve, curve)]
    assert found[:-1] == pytest.approx([0.0] * 7)
    assert found[-1] == pytest.approx(-1.000005, abs=1e-12)


def test_a_lucky_run_counts_as_minus_one():
    # At 200 labels the runs have 0.70 and 0.84; their mean, 0.77, is below the baseline's best, 0.80. 0.70 is reached
    # with 300 labels: U = 0.5. 0.84 is over every mean: -1 labels, U = -1/200 - 1 = -1.005.
    # Mean (0.5 - 1.005) / 2 = -0.2525, standard deviation (0.5 + 1.005) / 2 = 0.7525.
    (point,) = at(BASELINE, {200: [0.70, 0.84]})
    assert (point.utility, point.spread) == (pytest.approx(-0.2525), pytest.approx(0.7525))
    # By the definition 0.77 is reached with 200 + 200 * 0.17/0.20 = 370 labels: 370/200 - 1 = 0.85.
    assert defined(BASELINE, {200: [0.70, 0.84]}) == [("inside", pytest.approx(0.85), None)]


def test_a_better_lucky_run_makes_utility_worse():
    # 0.78 is reached with 380 labels: (0.5 + 0.9) / 2 = 0.7. 0.02 better gives 0.80, over which no mean is:
    # (0.5 - 1.005) / 2 = -0.2525.
    assert at(BASELINE, {200: [0.70, 0.78]})[0].utility == pytest.approx(0.7)
    assert at(BASELINE, {200: [0.70, 0.80]})[0].utility == pytest.approx(-0.2525)
    (better,), (worse,) = (defined(BASELINE, {200: [0.70, value]}) for value in (0.80, 0.78))
    assert better[1] > worse[1]


def test_below_the_first_rung_is_exactly_minus_one():
    # 0.30 is below 0.40, the accuracy at 100 labels: 0 labels, U = -1 whatever n is.
    found = at(BASELINE, {100: 0.30, 200: 0.30})
    assert [(point.utility, point.spread) for point in found] == [(-1.0, 0.0), (-1.0, 0.0)]
    # By the definition fewer than 100 labels do: U <= 100/100 - 1 = 0 and U <= 100/200 - 1 = -0.5.
    assert defined(BASELINE, {100: 0.30, 200: 0.30}) == [("below", None, 0.0), ("below", None, -0.5)]


def test_one_run_below_the_first_rung_pulls_the_mean():
    # 0.30 gives -1; 0.60 is reached with 200 labels, U = 1: mean 0. The mean accuracy, 0.45, is reached with 125: 0.25.
    assert at(BASELINE, {100: [0.30, 0.60]})[0].utility == pytest.approx(0.0)
    assert defined(BASELINE, {100: [0.30, 0.60]}) == [("inside", pytest.approx(0.25), None)]


def test_the_first_rungs_own_accuracy_is_reached_there():
    # 0.40 isn't below the first mean, and the first mean strictly over it is the second rung's: n1 = 100.
    assert at(BASELINE, {200: 0.40})[0].utility == pytest.approx(100 / 200 - 1)


def test_linear_in_raw_labels():
    # 0.50 lies halfway between 0.40 at 4,000 and 0.60 at 20,000 labels: 12,000, U = 2 at 4,000 labels.
    # Halfway in ln n it is sqrt(4,000 * 20,000) = 8,944: U = 1.236.
    baseline = {4000: 0.40, 20000: 0.60}
    assert at(baseline, {4000: 0.50})[0].utility == pytest.approx(2.0)
    ((kind, value, _),) = defined(baseline, {4000: 0.50}, method="log")
    assert (kind, value) == ("inside", pytest.approx(1.2360679775))


def test_the_first_crossing_of_a_curve_that_falls():
    # 0.40, 0.60, 0.50, 0.80: 0.55 is passed at 175 labels, lost again, and passed for good at 400 + 400/6 = 466.7.
    # The reference stops at the first: 175/100 - 1 = 0.75.
    baseline = {100: 0.40, 200: 0.60, 400: 0.50, 800: 0.80}
    assert at(baseline, {100: 0.55})[0].utility == pytest.approx(0.75)
    # The definition makes the means monotone: 0.55 at 200 and at 400 labels, reached first at 200: U = 1.
    assert defined(baseline, {100: 0.55}, method="pchip") == [("inside", pytest.approx(1.0), None)]


def test_a_best_mean_before_the_last_rung_is_n_max():
    # The best mean is 0.60 at 200 labels. The arm passes it between 0.50 at 100 and 0.70 at 200, at 150: 200/150.
    baseline = {100: 0.40, 200: 0.60, 400: 0.55}
    last = at(baseline, {100: 0.50, 200: 0.70})[-1]
    assert (last.n, last.utility, last.ends) == (pytest.approx(150), pytest.approx(200 / 150), True)


def test_only_label_counts_of_both_are_used():
    # Without 200 labels in the arm the baseline is the line from 0.40 at 100 to 0.80 at 400: 0.50 at 175, U = 0.75.
    found = points(BASELINE, {50: 0.1, 100: 0.50, 400: 0.70, 800: 0.9})
    assert [point.n for point in found] == [100, 400]
    assert found[0].utility == pytest.approx(0.75)
    # The definition keeps the baseline's rung: 0.50 at 150, U = 0.5.
    assert defined(BASELINE, {100: 0.50, 400: 0.70})[0][1] == pytest.approx(0.5)
    assert points(BASELINE, {50: 0.5}) == []
    assert points(BASELINE, {}) == []


@pytest.mark.parametrize("bad", [{100: []}, {100: [float("nan")]}, {100: [float("inf"), 0.5]}])
def test_what_is_no_measurement_is_refused(bad):
    for first, second in ((bad, {100: 0.5}), ({100: 0.5}, bad)):
        with pytest.raises(CurveError, match="100 labels"):
            points(first, second)


def test_a_baseline_that_is_never_right_is_refused():
    with pytest.raises(CurveError, match=r"found 0\.0, expected a number over 0"):
        points({100: 0.0, 200: 0.0}, {100: 0.5})


accuracies = st.lists(st.integers(1, 1000).map(lambda value: value / 1000), min_size=1, max_size=3)
curves = st.dictionaries(st.integers(1, 10**6), accuracies, max_size=6)


@given(curves, curves)
def test_any_input_gives_rising_finite_points(baseline, arm):
    found = points(baseline, arm)
    assert all(point.n > 0 and -2 <= point.utility <= 10**12 and point.spread >= 0 for point in found)
    assert all(a.n <= b.n for a, b in itertools.pairwise(found))
    assert not any(point.ends for point in found[:-1])
