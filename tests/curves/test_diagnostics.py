"""Falls of a curve and disagreement of formulas: detection and false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.curves.diagnostics import disagreement, fall
from labeleff.curves.rung_means import NoisyMeans, checked_rungs, means_of_groups

NS = [50, 100, 200, 400, 800]


def measured(groups: list[list[float]], ns: list[int] = NS) -> NoisyMeans:
    return means_of_groups(checked_rungs(ns, groups))


def noisy(true: list[float], sd: float, seed: int, runs: int = 4) -> NoisyMeans:
    noise = np.random.default_rng(seed).standard_normal((len(true), runs))
    return measured((np.array(true)[:, None] + sd * noise).tolist())


def test_a_fall_is_found_with_its_place_and_size() -> None:
    found = fall(measured([[0.30, 0.31], [0.50, 0.51], [0.41, 0.42], [0.61, 0.60], [0.70, 0.71]]))
    assert found is not None
    assert (found.n, found.after) == (100, 200)
    assert found.size == pytest.approx(0.09)
    assert found.p_value is not None
    assert found.p_value < 0.01


def test_a_slow_fall_over_several_rungs_is_found_whole() -> None:
    found = fall(measured([[0.30, 0.31], [0.60, 0.61], [0.58, 0.59], [0.55, 0.56], [0.52, 0.53]]))
    assert found is not None
    assert (found.n, found.after) == (100, 800)


def test_a_rising_curve_has_none_and_one_run_a_rung_no_p_value() -> None:
    assert fall(measured([[0.1, 0.2], [0.3, 0.3], [0.3, 0.3], [0.4, 0.5], [0.5, 0.6]])) is None
    alone = fall(measured([[0.3], [0.5], [0.4], [0.6], [0.7]]))
    assert alone is not None
    assert alone.p_value is None


def test_flat_curves_cry_wolf_as_rarely_as_they_should() -> None:
    """On a curve that is flat, the worst case, falls of p < 0.10 are found in a tenth of the studies, or fewer."""
    found = [fall(noisy([0.5] * 5, 0.02, seed)) for seed in range(200)]
    alarms = [each is not None and each.p_value is not None and each.p_value < 0.10 for each in found]
    assert 0.02 < np.mean(alarms) < 0.17


@given(st.lists(st.lists(st.integers(0, 100), min_size=2, max_size=3), min_size=5, max_size=5), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_a_shift_of_all_accuracies_changes_nothing(groups: list[list[int]], shift: int) -> None:
    before, after = (fall(measured([[(v + s) / 200 for v in group] for group in groups])) for s in (0, shift))
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert (before.n, before.after) == (after.n, after.after)
        assert before.size == pytest.approx(after.size, abs=1e-9)
        assert before.p_value == pytest.approx(after.p_value, abs=0.01)


def test_formulas_agree_on_what_was_measured_and_not_on_what_was_not() -> None:
    true = [0.9 - 1.4 * n**-0.35 for n in (50, 100, 200, 400, 800, 1600)]
    ns = [50, 100, 200, 400, 800, 1600]
    noise = np.random.default_rng(1).standard_normal((6, 3))
    curve = measured((np.array(true)[:, None] + 0.008 * noise).tolist(), ns)
    found = disagreement(curve, [0.9 - 1.4 * 300**-0.35, 0.9 - 1.4 * 20_000**-0.35])
    assert found is not None
    inside, beyond = found
    assert inside.low < 300 * 1.15
    assert inside.high > 300 / 1.15
    assert inside.factor < 1.6
    assert beyond.factor > 3 * inside.factor
    assert "pow3" in inside.names


def test_formulas_that_the_rungs_reject_are_not_asked() -> None:
    """A step that no formula has: all of them are rejected, or but one."""
    step = measured(
        [[0.2, 0.2001], [0.2, 0.2001], [0.5, 0.5001], [0.5, 0.5001], [0.8, 0.8001], [0.8, 0.8001]],
        [*NS, 1600],
    )
    assert disagreement(step, [0.4]) is None


def test_never_is_infinitely_far() -> None:
    curve = noisy([0.40, 0.55, 0.62, 0.65, 0.66], 0.003, 2)
    found = disagreement(curve, [0.9])
    assert found is not None
    assert found[0].high == math.inf
    assert found[0].factor == (1 if found[0].low == math.inf else math.inf)


def test_too_few_rungs_for_any_formula() -> None:
    assert disagreement(measured([[0.3, 0.31], [0.4, 0.41]], [10, 20]), [0.35]) is None
