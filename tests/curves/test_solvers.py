"""Inversion by interpolation: bounds, invariants, coverage; what all methods refuse."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.curves.interpolation import METHODS
from labeleff.curves.inversion import quantile
from labeleff.curves.solvers import invert, invert_many
from labeleff.errors import CurveError, OptionError, UnknownNameError

NS = [50, 100, 250, 500, 1000]
RISING = [[0.30, 0.32], [0.41, 0.43], [0.55, 0.56], [0.63, 0.64], [0.70, 0.71]]

thousandths = st.integers(0, 1000).map(lambda value: value / 1000)
ladders = st.lists(st.integers(1, 10_000), min_size=2, max_size=7, unique=True).map(sorted)


@st.composite
def measured(draw: st.DrawFn) -> tuple[list[int], list[list[float]]]:
    """A ladder with one to four runs a rung."""
    ns = draw(ladders)
    return ns, [draw(st.lists(thousandths, min_size=1, max_size=4)) for _ in ns]


def test_straight_pieces_by_hand() -> None:
    rungs = [[0.2], [0.4], [0.6]]
    assert invert([100, 200, 800], rungs, 0.5, method="linear").n == pytest.approx(500)
    assert invert([100, 200, 800], rungs, 0.5, method="log").n == pytest.approx(400)


@pytest.mark.parametrize("method", METHODS)
def test_outside_the_ladder_there_are_bounds_only(method: str) -> None:
    above = invert(NS, RISING, 0.9, method=method)
    assert (above.n, above.low, above.high, above.kind, above.p_above) == (math.inf, 1000, math.inf, "above", 1)
    below = invert(NS, RISING, 0.1, method=method)
    assert (below.n, below.low, below.high, below.kind, below.p_above) == (50, 0, 50, "below", 0)


def test_one_run_a_rung_gives_no_interval_but_the_same_bounds() -> None:
    single = [rung[:1] for rung in RISING]
    inside, above, below = (invert(NS, single, target, method="pchip") for target in (0.6, 0.9, 0.1))
    assert (inside.kind, inside.low, inside.high, inside.p_above) == ("inside", None, None, None)
    assert (above.kind, above.low, above.high) == ("above", 1000, math.inf)
    assert (below.kind, below.low, below.high) == ("below", 0, 50)


def test_an_interval_reaching_over_the_ladder_is_open() -> None:
    found = invert(NS, RISING, 0.704, method="pchip")
    assert found.kind == "inside"
    assert found.low is not None
    assert 500 < found.low < found.n < 1000
    assert found.high == math.inf
    assert found.p_above is not None
    assert 0.05 < found.p_above < 0.95


def test_flat_stretches_give_their_first_label_count() -> None:
    assert invert([10, 20, 40, 80], [[0.2], [0.5], [0.5], [0.7]], 0.5, method="pchip").n == 20


@given(measured(), thousandths, st.sampled_from(sorted(METHODS)))
@settings(max_examples=60, deadline=None)
def test_any_measurements_invert_and_the_interval_brackets(
    given_runs: tuple[list[int], list[list[float]]], target: float, method: str
) -> None:
    ns, rungs = given_runs
    found = invert(ns, rungs, target, method=method)
    assert (found.kind == "above") == (found.n == math.inf)
    assert found.n >= ns[0]
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.high
    turned = invert(ns[::-1], [rung[::-1] for rung in rungs[::-1]], target, method=method)
    assert turned == found


@given(measured(), thousandths, thousandths)
@settings(max_examples=40, deadline=None)
def test_a_higher_target_never_needs_fewer_labels(
    given_runs: tuple[list[int], list[list[float]]], one: float, two: float
) -> None:
    low, high = (invert(*given_runs, target, method="pchip") for target in sorted((one, two)))
    assert low.n <= high.n
    if low.low is not None and high.low is not None and low.high is not None and high.high is not None:
        assert low.low <= high.low
        assert low.high <= high.high


@given(measured(), thousandths, st.sampled_from([2.0, 10.0, 0.5]), st.sampled_from(sorted(METHODS)))
@settings(max_examples=40, deadline=None)
def test_label_counts_scale(
    given_runs: tuple[list[int], list[list[float]]], target: float, scale: float, method: str
) -> None:
    ns, rungs = given_runs
    plain, scaled = (
        invert(ns, rungs, target, method=method),
        invert([n * scale for n in ns], rungs, target, method=method),
    )
    assert plain.kind == scaled.kind
    assert scaled.n == pytest.approx(scale * plain.n, rel=1e-6)


def test_coverage_of_the_inversion() -> None:
    rng = np.random.default_rng(2)
    ns = [50, 100, 200, 400, 800]
    true = np.array([0.30, 0.40, 0.50, 0.60, 0.70])
    hits = []
    for _ in range(250):
        groups = (true[:, None] + 0.02 * rng.standard_normal((5, 3))).tolist()
        found = invert(ns, groups, 0.55, method="pchip")
        assert found.low is not None
        assert found.high is not None
        hits.append(found.low <= 50 * 2**2.5 <= found.high)
    assert 0.84 < np.mean(hits) < 0.96


@pytest.mark.parametrize("method", [*METHODS, "bayes"])
def test_many_targets_are_inverted_as_one_by_one(method: str) -> None:
    targets = [0.1, 0.31, 0.5, 0.66, 0.72, 0.9]
    assert invert_many(NS, RISING, targets, method=method) == [invert(NS, RISING, t, method=method) for t in targets]


@pytest.mark.parametrize("method", [*METHODS, "bayes"])
def test_an_uncertain_target_widens_the_interval_alone(method: str) -> None:
    draws = 0.55 + 0.03 * np.random.default_rng(3).standard_normal((500, 1))
    [certain] = invert_many(NS, RISING, [0.55], method=method)
    [same] = invert_many(NS, RISING, [0.55], method=method, target_draws=np.full((2, 1), 0.55))
    [wide] = invert_many(NS, RISING, [0.55], method=method, target_draws=draws)
    assert certain.low is not None
    assert certain.high is not None
    assert (same.low, same.high) == pytest.approx((certain.low, certain.high), rel=0.01)
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low < 0.95 * certain.low
    assert wide.high > 1.05 * certain.high
    assert wide.n == certain.n


@pytest.mark.parametrize("method", [*METHODS, "bayes"])
@pytest.mark.parametrize(
    ("ns", "rungs", "message"),
    [
        ([10], [[0.1]], "at least two rungs, found 1"),
        ([10, 10], [[0.1], [0.2]], "expected numbers over 0 that rise"),
        ([-1, 10], [[0.1], [0.2]], "expected numbers over 0 that rise"),
        ([10, 20], [[0.1]], "2 label counts but 1 rungs"),
        ([10, 20], [[0.1], []], "rung of 20 labels has no accuracies"),
        ([10, 20], [[0.1], [math.nan]], "found nan, expected finite numbers"),
    ],
)
def test_what_cannot_be_inverted_is_named(ns: list[int], rungs: list[list[float]], message: str, method: str) -> None:
    with pytest.raises(CurveError, match=message):
        invert(ns, rungs, 0.15, method=method)


@pytest.mark.parametrize("method", ["bayes", "pow3"])
@pytest.mark.parametrize("target", [55, -3, 1.0001])
def test_a_target_in_percent_is_refused_where_the_method_takes_fractions(target: float, method: str) -> None:
    """Else the answer is a label count of infinity, or the first rung, for a mistake in units."""
    with pytest.raises(CurveError, match=rf"target: found {target:.5g}.*, expected 0\.\.1 \(percent divided by 100\)"):
        invert(NS, RISING, target, method=method)


@pytest.mark.parametrize("method", ["linear", "log", "pchip"])
def test_targets_of_metrics_without_bounds_are_in_their_own_units(method: str) -> None:
    found = invert([10, 20], [[-40.0, -42.0], [55.0, 57.0]], 7.5, method=method)
    assert (found.kind, 10 < found.n < 20) == ("inside", True)


@pytest.mark.parametrize(
    ("ns", "rungs", "message"),
    [
        ([10, 20], [0.1, 0.2], r"accuracies at 10 labels: found 0\.1, expected a list .* as in \[0\.31, 0\.33\]"),
        ([10, 20], [[0.1], ["much"]], r"accuracies at 20 labels: found \['much'\], expected a list"),
        ([10, 20], [[0.1], [None]], r"accuracies at 20 labels: found \[None\], expected a list"),
        ([10, 20], pd.DataFrame({"a": [0.1, 0.2]}), r"found 2 label counts but 1 rungs"),
        (["few", 20], [[0.1], [0.2]], r"label counts: found 'few', expected numbers"),
        ([None, 20], [[0.1], [0.2]], r"label counts: found None, expected numbers"),
    ],
)
def test_what_is_no_list_of_numbers_is_named(ns: Any, rungs: Any, message: str) -> None:
    with pytest.raises(CurveError, match=message):
        invert(ns, rungs, 0.15)


def test_label_counts_may_be_texts_of_whole_numbers() -> None:
    rungs, texts = [[0.6], [0.4], [0.2]], ["100", "20", "5"]
    assert invert(texts, rungs, 0.5) == invert([100, 20, 5], rungs, 0.5)  # type: ignore[arg-type]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pchip'"):
        invert(NS, RISING, 0.5, method="pchp")
    with pytest.raises(CurveError, match="target: found inf"):
        invert(NS, RISING, math.inf)
    with pytest.raises(CurveError, match=r"draws of the targets: found shape \(3, 1\), expected \(draws, 2\)"):
        invert_many(NS, RISING, [0.4, 0.5], target_draws=np.zeros((3, 1)))
    with pytest.raises(CurveError, match=r"accuracies at 50 labels: found 41\.2, expected 0\.\.1"):
        invert(NS, [[41.2, 0.4], *RISING[1:]], 0.5)
    with pytest.raises(OptionError, match=r"level: found 1\.5"):
        invert(NS, RISING, 0.5, level=1.5)


def test_quantile_takes_a_value_that_is_there() -> None:
    values = np.array([3.0, math.inf, 1.0, 2.0])
    assert [quantile(values, p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, math.inf]


def test_inversion_is_public_and_imported_when_asked_for() -> None:
    code = (
        "import sys, labeleff; assert 'numpy' not in sys.modules; "
        "found = labeleff.invert([50, 100, 200], [[0.3, 0.32], [0.4, 0.42], [0.5, 0.52]], 0.46); "
        "assert isinstance(found, labeleff.Inversion) and 100 < found.n < 200, found; "
        "assert 'torch' not in sys.modules and not hasattr(labeleff, 'inverse')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
