"""Utility by hand, at both ends of the ladder, its invariants and its coverage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.curves.break_even import crossing
from labeleff.curves.utility import as_runs as read_runs
from labeleff.curves.utility import snapped, utilities, utility
from labeleff.errors import CurveError

NS = [50, 100, 200, 400, 800]
CURVE = [0.30, 0.40, 0.50, 0.60, 0.70]
"""0.1 more for every doubling: an arm that is 0.1 better has U = 1."""


def runs_of(values: list[float], draws: int = 3, spread: float = 0.01) -> dict[int, dict[tuple[int, int], float]]:
    """Runs around `values`, with draws of equal distance."""
    offsets = spread * (np.arange(draws) - (draws - 1) / 2)
    return {
        n: {(d, 0): float(v + o) for d, o in enumerate(offsets)} for n, v in zip(NS[: len(values)], values, strict=True)
    }


tables = st.lists(
    st.lists(st.integers(0, 1000).map(lambda v: v / 1000), min_size=5, max_size=5), min_size=1, max_size=4
)


INTERPOLATIONS = ["linear", "log", "pchip"]
methods = st.sampled_from(["bayes", *INTERPOLATIONS])


def as_runs(table: list[list[float]]) -> dict[int, dict[tuple[int, int], float]]:
    return {n: {(d, 0): row[i] for d, row in enumerate(table)} for i, n in enumerate(NS)}


@pytest.mark.parametrize("method", ["log", "pchip"])
def test_utility_by_hand(method: str) -> None:
    points = utility(runs_of(CURVE), runs_of([v + 0.1 for v in CURVE]), method=method)
    assert [p.n for p in points] == NS
    for point in points[:-1]:
        assert point.kind == "inside"
        assert point.utility == pytest.approx(1.0, abs=1e-6)
        assert point.n1 == pytest.approx(2 * point.n)
        assert point.low is not None
        assert point.low < 1 < (point.high if point.high is not None else np.inf)
        assert point.sign == 1
    assert points[0].baseline_accuracy == pytest.approx(0.30)


def test_bounds_at_both_ends_are_never_numbers() -> None:
    over, under = (utility(runs_of(CURVE), arm, method="pchip") for arm in (runs_of([0.9]), {400: runs_of([0.1])[50]}))
    (over_point,), (under_point,) = over, under
    assert (over_point.kind, over_point.utility, over_point.n1) == ("above", None, None)
    assert (over_point.bound, over_point.n1_bound) == (800 / 50 - 1, 800)
    assert (over_point.low, over_point.high, over_point.low_bound) == (15, None, True)
    assert (over_point.p_above, over_point.p_below) == (1, 0)
    assert (under_point.kind, under_point.utility, under_point.n1) == ("below", None, None)
    assert (under_point.bound, under_point.n1_bound) == (50 / 400 - 1, 50)
    assert (under_point.low, under_point.high, under_point.high_bound) == (None, 50 / 400 - 1, True)
    assert under_point.sign == -1
    assert "bound" in over_point.flags


def test_a_label_count_that_differs_by_rounding_saves_nothing() -> None:
    assert snapped(40 * (1 + 3e-16), 40) == 40
    assert snapped(40.001, 40) == 40.001
    assert snapped(None, 40) is None


@pytest.mark.parametrize("method", ["bayes", "pchip", "pow3"])
def test_the_share_under_the_ladder_counts_all_label_counts_under_its_first_rung(method: str) -> None:
    base, arm = runs_of([0.3, 0.5, 0.65, 0.75]), runs_of([0.2, 0.3, 0.5, 0.65], draws=4)
    assert utility(base, arm, method=method)[0].p_below == pytest.approx(1, abs=0.1)


def test_an_interval_that_leaves_the_ladder_is_open_on_that_side() -> None:
    near_top, near_bottom = utility(
        runs_of(CURVE), {50: runs_of([0.699])[50], 100: runs_of([0.301])[50]}, method="pchip"
    )
    assert near_top.kind == near_bottom.kind == "inside"
    assert near_top.low is not None
    assert near_top.high is None
    assert near_bottom.low is None
    assert near_bottom.high is not None
    assert "wide" in near_top.flags


def test_one_run_per_rung_has_an_interval_from_learned_noise() -> None:
    single, several = runs_of([0.45], draws=1), runs_of(CURVE)
    for base, arm in ((several, single), (runs_of(CURVE, draws=1), single), (runs_of(CURVE, draws=1), several)):
        point = utility(base, arm)[0]
        assert "learned noise" in point.flags
        assert "no interval" not in point.flags
        assert point.low is not None
        assert point.utility is not None
        assert point.low < point.utility < (np.inf if point.high is None else point.high)
    assert "learned noise" not in utility(several, several)[0].flags


def test_one_run_per_rung_has_no_interval_by_interpolation() -> None:
    point = utility(runs_of(CURVE), runs_of([0.45], draws=1), method="pchip")[0]
    assert point.utility == pytest.approx(2 * 2**0.5 - 1)
    assert (point.low, point.high, point.p_above, point.sign) == (None, None, None, 0)
    assert {"no interval", "few runs"} <= set(point.flags)


@given(tables, methods)
@settings(max_examples=30, deadline=None)
def test_an_arm_against_itself_is_worth_exactly_nothing(table: list[list[float]], method: str) -> None:
    """Compared in pairs without any doubt; taken as runs that happen to be equal, with an interval around 0."""
    for point in utility(as_runs(table), as_runs(table), method=method):
        assert point.utility == 0
        assert (point.low, point.high) == ((0, 0) if len(table) > 1 or method == "bayes" else (None, None))
    alone = {n: list(rung.values()) for n, rung in as_runs(table).items()}
    for point in utility(alone, alone, method=method):
        assert point.utility == 0
        assert point.low is None or point.low <= 0
        assert point.high is None or point.high >= 0


@given(tables, tables, st.integers(0, 3), st.integers(0, 4), methods)
@settings(max_examples=60, deadline=None)
def test_a_lucky_run_never_lowers_utility(
    base: list[list[float]], arm: list[list[float]], draw: int, rung: int, method: str
) -> None:
    before = utility(as_runs(base), as_runs(arm), method=method)[rung]
    arm[draw % len(arm)][rung] = 1.0
    after = utility(as_runs(base), as_runs(arm), method=method)[rung]
    order = {"below": 0, "inside": 1, "extrapolated": 2, "above": 3}
    assert order[before.kind] <= order[after.kind]
    if before.utility is not None and after.utility is not None:
        assert before.utility <= after.utility


@given(tables, tables, methods)
@settings(max_examples=15, deadline=None)
def test_the_order_of_runs_and_rungs_changes_nothing(
    base: list[list[float]], arm: list[list[float]], method: str
) -> None:
    def turned(runs: dict[int, dict[tuple[int, int], float]]) -> dict[int, dict[tuple[int, int], float]]:
        return {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())}

    first, second = as_runs(base), as_runs(arm)
    assert utility(first, second, method=method) == utility(turned(first), turned(second), method=method)
    assert crossing(first, second, method=method) == crossing(turned(first), turned(second), method=method)


@given(tables, tables, st.sampled_from(INTERPOLATIONS))
@settings(max_examples=60, deadline=None)
def test_the_sign_is_that_of_the_difference(base: list[list[float]], arm: list[list[float]], method: str) -> None:
    """Of the raw means; with "bayes" the point is the geometric mean of PCHIP's and of the curves' median."""
    base = [sorted(row) for row in base]
    for point in utility(as_runs(base), as_runs(arm), method=method):
        assert point.baseline_accuracy is not None
        value = point.utility if point.utility is not None else point.bound
        assert value is not None
        if point.accuracy > point.baseline_accuracy + 1e-9:
            assert value >= 0
        if point.accuracy < point.baseline_accuracy - 1e-9:
            assert value <= 0


@pytest.mark.parametrize("method", ["bayes", "pchip"])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_coverage_of_the_utility_interval(shared: float, method: str) -> None:
    rng = np.random.default_rng(3)
    ns = np.array(NS)

    def true(n: np.ndarray) -> np.ndarray:
        return 0.9 - 1.4 * n**-0.35

    hits = []
    for _ in range(80):
        common = rng.standard_normal((3, 5))
        base, arm = (
            true(ns + saved) + 0.02 * (np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.standard_normal((3, 5)))
            for saved in (0, 100)
        )
        for point in utility(as_runs(base.tolist()), as_runs(arm.tolist()), method=method)[:-1]:
            low = -1 if point.low is None else point.low
            high = np.inf if point.high is None else point.high
            hits.append(low <= 100 / point.n <= high)
    assert 0.84 < np.mean(hits) <= (0.95 if shared == 0 else 1.0)


def test_renaming_an_arm_changes_no_number() -> None:
    """Nor do the other arms."""
    arms = {name: as_runs((np.array([CURVE]) + shift).tolist()) for name, shift in (("a", 0.05), ("b", 0.02))}
    base = runs_of(CURVE)
    found, renamed = utilities(base, arms), utilities(base, {"x": arms["a"]})
    assert found["a"].points == renamed["x"].points
    np.testing.assert_array_equal(found["a"].solution.samples, renamed["x"].solution.samples)


def test_runs_of_one_draw_tell_less_than_as_many_draws() -> None:
    """What the only draw of labels adds isn't seen in its runs, and makes the interval wider."""
    rng = np.random.default_rng(4)
    base, arm = (np.array(CURVE) + shift + 0.01 * rng.standard_normal((3, 5)) for shift in (0, 0.08))

    def width(shared: bool) -> float:
        named = [as_runs(table.tolist()) for table in (base, arm)]
        if shared:
            named = [{n: {(0, d): v for (d, _), v in rung.items()} for n, rung in runs.items()} for runs in named]
        point = utility(*named)[1]
        assert point.low is not None
        assert point.high is not None
        return np.log1p(point.high) - np.log1p(point.low)

    assert width(shared=True) > 1.1 * width(shared=False)


def test_crossing_by_hand() -> None:
    arm = runs_of([0.40, 0.48, 0.54, 0.56, 0.62])
    found = crossing(runs_of(CURVE), arm)
    assert found is not None
    assert found.n == pytest.approx(400 / 2**0.5, rel=1e-6)
    assert found.low is not None
    assert found.high is not None
    assert 200 < found.low < found.n < found.high < 400
    assert found.changes == 1


@pytest.mark.parametrize(("shift", "kind", "bound"), [(0.05, "above", 800), (-0.05, "below", 50)])
def test_no_crossing_inside_the_ladder_is_a_bound(shift: float, kind: str, bound: int) -> None:
    found = crossing(runs_of(CURVE), runs_of([v + shift for v in CURVE]))
    assert found is not None
    assert (found.kind, found.n, found.bound) == (kind, None, bound)
    assert (found.low, found.high) == ((800, None) if kind == "above" else (None, 50))


def test_a_bound_may_be_no_whole_number() -> None:
    base, arm = ({n: dict(enumerate(rung)) for n, rung in zip((0.1, 0.5, 1), table, strict=True)} for table in _PAIR)
    named = [{n: {(d, 0): v for d, v in rung.items()} for n, rung in runs.items()} for runs in (base, arm)]
    for first, second, bound in ((*named, 1), (*named[::-1], 0.1)):
        found = crossing(first, second)  # type: ignore[arg-type]
        assert found is not None
        assert (found.bound, type(found.bound)) == (bound, type(bound))


_PAIR = [[[value + step + shift for step in (0.0, 0.01)] for value in (0.3, 0.5, 0.6)] for shift in (0.0, 0.05)]


def test_several_crossings_are_counted_and_the_last_is_given() -> None:
    found = crossing(runs_of(CURVE), runs_of([0.35, 0.38, 0.55, 0.58, 0.65]))
    assert found is not None
    assert found.changes == 3
    assert found.n is not None
    assert 200 < found.n < 400


def test_missing_runs_and_rungs_are_handled() -> None:
    base, arm = runs_of(CURVE), runs_of([v + 0.05 for v in CURVE])
    del base[100], arm[200], arm[50][0, 0]
    assert [(p.n, p.runs, p.baseline_accuracy is None) for p in utility(base, arm)] == [
        (50, 2, False),
        (100, 3, True),
        (400, 3, False),
        (800, 3, False),
    ]
    assert crossing(base, {50: arm[50]}) is None


def test_what_has_no_curve_is_named() -> None:
    with pytest.raises(CurveError, match="baseline's curve needs at least two rungs with runs, found 1"):
        utility(runs_of([0.3]), runs_of(CURVE))
    with pytest.raises(CurveError, match="the arm's rung of 50 labels has no runs"):
        utility(runs_of(CURVE), {50: {}})
    assert utility(runs_of(CURVE), {}) == []


@pytest.mark.parametrize(
    ("accuracies", "message"),
    [
        (
            {50: 0.31, 100: 0.4},
            r"accuracies of the baseline at 50 labels: found 0\.31, expected a list with the number",
        ),
        ({50: [0.31], 100: "0.4"}, r"accuracies of the baseline at 100 labels: found '0\.4', expected a list"),
        ({50: [0.31], 100: [None]}, r"accuracies of the baseline at 100 labels: found \[None\], expected a list"),
        ({50: [0.31], 100: [[0.3, 0.4]]}, r"at 100 labels: found \[\[0\.3, 0\.4\]\], expected a list"),
        ({50: {0: 0.31}}, r"at 50 labels: found the run 0, expected \(draw, seed\), two whole numbers; a list will do"),
        ({50: {(0, 0): "x"}}, r"accuracies of the baseline at 50 labels: found .*'x'.*, expected a list"),
        ({"few": [0.31]}, r"label counts of the baseline: found 'few', expected numbers"),
        ({True: [0.31]}, r"label counts of the baseline: found True, expected numbers"),
        (
            {50: [0.31], "50": [0.4]},
            r"accuracies of the baseline at 50 labels: found them twice, as text and as number",
        ),
        ([0.31, 0.4], r"the baseline: found list, expected a mapping from label counts to accuracies"),
        (pd.DataFrame({50: [0.3], 100: [0.4]}), r"the baseline: found DataFrame, expected .*\.to_dict\('list'\)"),
    ],
)
def test_what_are_no_runs_is_named_with_its_label_count(accuracies: Any, message: str) -> None:
    arm = {50: [0.41, 0.42], 100: [0.5, 0.51]}
    with pytest.raises(CurveError, match=message):
        utility(accuracies, arm)
    with pytest.raises(CurveError, match=message.replace("baseline", "arm")):
        utility(arm, accuracies)


def test_label_counts_may_be_texts_of_whole_numbers_as_in_json() -> None:
    base, arm = {50: [0.31, 0.33], 100: [0.4, 0.42], 500: [0.57, 0.58]}, {50: [0.41, 0.42], 100: [0.49, 0.5]}
    texts = [json.loads(json.dumps(each)) for each in (base, arm)]
    assert [*texts[0]] == ["50", "100", "500"]
    assert utility(*texts) == utility(base, arm)
    table = pd.DataFrame({str(n): rung for n, rung in base.items()})
    assert utility(table.to_dict("list"), arm) == utility(base, arm)


def test_listed_runs_are_paired_with_no_named_ones() -> None:
    """Neither those of the baseline nor those of the arm, whatever the draws are called."""
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal(6)
    lists = [{n: [1 - 2 * (gain * n) ** -0.4 + each for each in noise] for n in NS} for gain in (1.0, 2.0)]

    def named(runs: dict[int, list[float]], first: int) -> dict[int, dict[tuple[int, int], float]]:
        return {n: {(first + place, 0): value for place, value in enumerate(rung)} for n, rung in runs.items()}

    base = read_runs(lists[0])
    assert all(draw < 6 for rung in base.values() for draw, _ in rung)
    assert utility(lists[0], named(lists[1], 0)) == utility(named(lists[0], 6), named(lists[1], 0))
    assert utility(lists[0], named(lists[1], 0)) != utility(named(lists[0], 0), named(lists[1], 0))
    assert utility(named(lists[0], 0), lists[1]) == utility(named(lists[0], 0), named(lists[1], 6))
    assert utility(*lists) == utility(named(lists[0], 0), named(lists[1], 6))
    mixed = read_runs({50: [0.5, 0.6], 100: {(0, 0): 0.6, (4, 1): 0.7}})
    assert [*mixed] == [50, 100]
    assert {draw for draw, _ in mixed[50]} == {5, 6}


def test_few_runs_are_those_of_the_rung_and_of_the_baseline_beside_it() -> None:
    """One rung of two runs far away says nothing of a rung with ten."""
    ns = (50, 100, 200, 400, 800, 1600)
    counts = {50: 2, 1600: 10}
    rng = np.random.default_rng(3)

    def measured(gain: float, counts: Mapping[int, int]) -> dict[int, list[float]]:
        mean = {n: 1 - 0.8 * (n * gain / 50) ** -0.3 for n in ns}
        return {n: [mean[n] + 0.005 * float(z) for z in rng.standard_normal(counts.get(n, 10))] for n in ns}

    points = utility(measured(1.0, counts), measured(3.0, {}))
    assert [point.n for point in points if "few runs" in point.flags] == []
    points = utility(measured(1.0, counts), measured(0.7, {}))
    assert [point.n for point in points if "few runs" in point.flags] == [50, 100]
    points = utility(measured(1.0, {}), measured(2.0, {200: 1}))
    assert [point.n for point in points if "few runs" in point.flags] == [200]
    assert not any("learned noise" in point.flags for point in points)
    points = utility(measured(1.0, {1600: 1}), measured(2.0, {}))
    assert [point.n for point in points if "few runs" in point.flags] == [800, 1600]
