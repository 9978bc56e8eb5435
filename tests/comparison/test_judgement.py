"""Verdicts: better, same, worse, can't tell, with families apart."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from labeleff.comparison.change import Change, Exact, Student
from labeleff.comparison.judgement import judge
from labeleff.study.gate import criteria
from labeleff.study.quantities import Subject, quantity


def change(mean, error=0.004, metric="accuracy", arm="a/b", **more):
    subject, what = Subject(metric, None, arm, "t", "e"), quantity(metric)
    uncertainty = None if error is None else Student(mean, error, math.inf)
    outward = math.expm1(mean) if what.relative else mean
    return Change(subject, what, 0.5, 0.5 + mean, outward, uncertainty, 3, "run", **more)


def verdicts(*changes, **options):
    return [row.verdict for row in judge(changes, criteria(None, **options), 0.9)]


def test_the_four_verdicts():
    rows = [change(-0.05), change(0.05), change(0.0), change(-0.01, 0.02), change(-0.05, None)]
    assert verdicts(*rows) == ["worse", "better", "same", "can't tell", "can't tell"]


def test_lower_is_better_for_errors():
    assert verdicts(change(0.05, metric="error"), change(-0.05, metric="error")) == ["worse", "better"]


def test_a_small_difference_beyond_doubt_is_the_same_within_the_margin():
    assert verdicts(change(-0.005, 0.0005)) == ["same"]
    assert verdicts(change(-0.005, 0.0005), margins=["accuracy=0.001"]) == ["worse"]


def test_a_bound_is_never_the_same():
    assert verdicts(change(0.0, 0.0001, bounded=True)) == ["can't tell"]
    assert verdicts(change(-0.5, 0.0001, bounded=True)) == ["worse"]


def test_nothing_is_the_same_to_the_last_digit_but_equal_numbers():
    assert verdicts(replace(change(0.0), uncertainty=Exact())) == ["same"]


def test_what_is_not_judged_has_no_verdict_and_takes_part_in_no_test():
    slow = change(math.log(0.5), metric="throughput", judged=False)
    assert verdicts(slow) == ["can't tell"]
    alone = judge([change(-0.009)], criteria(None), 0.9)[0].p_value
    beside = judge([change(-0.009), slow], criteria(None), 0.9)[0].p_value
    assert alone == beside


def test_p_values_are_adjusted_within_ladders_within_rungs_and_within_speeds():
    scores = [change(-0.0116, arm=f"{k}/x") for k in range(10)]
    assert set(verdicts(scores[0])) == {"worse"}
    noise = [change(0.0, 0.05, arm=f"{k}/y") for k in range(30)]
    assert verdicts(scores[0], *noise)[0] == "can't tell"
    speeds = [change(0.0, 0.05, metric="throughput", arm=f"{k}/y") for k in range(30)]
    with_speeds = judge([scores[0], *speeds], criteria(None), 0.9)[0]
    alone = judge([scores[0]], criteria(None), 0.9)[0]
    assert with_speeds.p_value == pytest.approx(2 * alone.p_value)
    rungs = [replace(row, subject=replace(row.subject, n=50)) for row in noise]
    with_all = judge([scores[0], *rungs, *speeds], criteria(None), 0.9)[0]
    assert with_all.p_value == pytest.approx(3 * alone.p_value)
