"""Invariants of inversion and utility, for any measurements."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.curves.interpolation import METHODS
from labeleff.curves.methods import FORMULAS
from labeleff.curves.solvers import invert_many
from labeleff.curves.utility import UtilityPoint, utility

Groups = dict[int, list[float]]
Runs = dict[int, dict[tuple[int, int], float]]

accuracies = st.integers(0, 1000).map(lambda value: value / 1000)
ladders = st.lists(st.integers(1, 100_000), min_size=2, max_size=6, unique=True).map(sorted)
methods = st.sampled_from(["bayes", *METHODS])
ORDER = {"below": 0, "inside": 1, "extrapolated": 2, "above": 3}


@st.composite
def groups(draw: st.DrawFn, fewest: int = 1, most: int = 4) -> Groups:
    """A ladder with `fewest` to `most` runs a rung."""
    return {n: draw(st.lists(accuracies, min_size=fewest, max_size=most)) for n in draw(ladders)}


@st.composite
def pairs(draw: st.DrawFn, fewest: int = 2, most: int = 4) -> tuple[Groups, Groups]:
    """A baseline and an arm at some of its rungs or others."""
    base, arm = draw(groups(fewest, most)), draw(groups(fewest, most))
    shared = draw(st.lists(st.sampled_from(sorted(base)), unique=True))
    return base, arm | {n: draw(st.lists(accuracies, min_size=fewest, max_size=most)) for n in shared}


def named(table: Groups, first: int = 0) -> Runs:
    return {n: {(first + d, 0): value for d, value in enumerate(rung)} for n, rung in table.items()}


def value(point: UtilityPoint) -> float:
    """The utility, or where there is only a bound on it that."""
    found = point.utility if point.utility is not None else point.bound
    assert found is not None
    return found


@given(st.one_of(pairs(), pairs(1, 1)), st.sampled_from([2, 10, 1000]), methods)
@settings(max_examples=40, deadline=None)
def test_the_unit_of_labels_makes_no_difference(tables: tuple[Groups, Groups], scale: int, method: str) -> None:
    plain = utility(*tables, method=method)
    scaled = utility(*({scale * n: rung for n, rung in table.items()} for table in tables), method=method)
    for one, other in zip(plain, scaled, strict=True):
        assert (other.n, other.kind) == (scale * one.n, one.kind)
        assert 1 + value(other) == pytest.approx(1 + value(one), rel=0.02)
        for mine, theirs in ((one.low, other.low), (one.high, other.high)):
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert 1 + theirs == pytest.approx(1 + mine, rel=0.05)


@given(pairs(), methods)
@settings(max_examples=40, deadline=None)
def test_rungs_and_runs_may_come_in_any_order(tables: tuple[Groups, Groups], method: str) -> None:
    def turned(runs: Runs) -> Runs:
        return {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())}

    base, arm = named(tables[0]), named(tables[1])
    assert utility(base, arm, method=method) == utility(turned(base), turned(arm), method=method)


@given(groups(), st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=8), methods)
@settings(max_examples=60, deadline=None)
def test_a_higher_target_never_takes_fewer_labels(table: Groups, targets: list[float], method: str) -> None:
    found = invert_many(list(table), list(table.values()), sorted(targets), method=method)
    for low, high in itertools.pairwise(found):
        assert low.n <= high.n
        assert ORDER[low.kind] <= ORDER[high.kind]
        if method != "linear" and None not in (low.low, high.low, low.high, high.high):
            assert low.low <= high.low  # type: ignore[operator]
            assert low.high <= high.high  # type: ignore[operator]


@given(pairs(), st.data(), methods)
@settings(max_examples=60, deadline=None)
def test_one_lucky_run_of_the_arm_never_lowers_its_utility(
    tables: tuple[Groups, Groups], data: st.DataObject, method: str
) -> None:
    """However lucky: also over everything that the baseline ever reaches."""
    base, arm = tables
    n = data.draw(st.sampled_from(sorted(arm)))
    lucky = {**arm, n: [1.0, *arm[n][1:]]}
    before, after = (
        next(point for point in utility(base, runs, method=method) if point.n == n) for runs in (arm, lucky)
    )
    assert ORDER[before.kind] <= ORDER[after.kind]
    if before.utility is not None and after.utility is not None:
        assert before.utility <= after.utility + 1e-12
    if after.kind != "above":
        assert not value(before) > 0 > value(after)


@given(pairs(), methods)
@settings(max_examples=40, deadline=None)
def test_runs_that_repeat_a_draw_narrow_nothing(tables: tuple[Groups, Groups], method: str) -> None:
    """The same accuracies again under other seeds are no new draws of labels.

    With "bayes" the point and the interval follow the noise, of which two factors have a little more than one.
    """
    base, arm = named(tables[0]), named(tables[1])
    again = [
        {n: {**rung, **{(d, 1): value for (d, _), value in rung.items()}} for n, rung in runs.items()}
        for runs in (base, arm)
    ]
    for one, two in zip(utility(base, arm, method=method), utility(*again, method=method), strict=True):
        if one.kind != "inside":
            continue
        assert 1 + value(one) == pytest.approx(1 + value(two), rel=0.1 if method == "bayes" else 1e-6)
        if one.low is not None and one.high is not None and two.low is not None and two.high is not None:
            kept = 0.9 if method == "bayes" else 0.98
            assert two.high - two.low >= kept * (one.high - one.low) - 1e-9


@given(groups(fewest=2), methods)
@settings(max_examples=40, deadline=None)
def test_identical_arms_save_nothing(table: Groups, method: str) -> None:
    """Taken as the same measurements without doubt, as others that are equal with an interval around 0."""
    for point in utility(named(table), named(table), method=method):
        assert (point.utility, point.low, point.high) == (0, 0, 0)
    for point in utility(table, table, method=method):
        assert point.utility == 0
        assert point.low is None or point.low <= 0
        assert point.high is None or point.high >= 0


@given(groups(), st.floats(-2, 3), st.sampled_from(["bayes", *METHODS, *FORMULAS]))
@settings(max_examples=80, deadline=None)
def test_any_measurements_have_an_answer(table: Groups, target: float, method: str) -> None:
    """No exception, no nan, ends around the point; families alone need as many rungs as parameters."""
    if method in FORMULAS and len(table) < len(FORMULAS[method].names):
        return
    [found] = invert_many(list(table), list(table.values()), [target], method=method)
    for number in (found.n, found.low, found.high, found.p_above):
        assert number is None or not math.isnan(number)
    assert (found.n == math.inf) == (found.kind == "above")
    assert min(table) <= found.n
    if found.low is not None and found.high is not None:
        assert found.low <= found.high
    if found.p_above is None:
        assert max(map(len, table.values())) == 1
        assert method != "bayes"


@pytest.mark.parametrize("ns", [(1e-3, 1e-2, 1.0), (1.0, 1.0001, 1.0002), (1.0, 1e6, 1e12), (1e290, 1e291, 1e292)])
def test_extreme_ladders_have_an_answer(ns: tuple[float, ...]) -> None:
    for rungs in ([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [[0.5, 0.5]] * 3, [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]):
        for found in invert_many(ns, rungs, np.linspace(-0.1, 1.1, 7)):
            assert not math.isnan(found.n)
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.n <= found.high
