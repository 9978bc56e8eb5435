"""Forecasts against known curves, their invariants, and what can't be forecast."""

from __future__ import annotations

import math

import numpy as np
import pytest

import labeleff
from labeleff.curves.forecast import Range, forecast
from labeleff.curves.solvers import invert
from labeleff.errors import CurveError, OptionError


def pilot(ns: tuple[int, ...] = (100, 200, 400, 800), runs: int = 3) -> dict[int, list[float]]:
    """Runs around 0.95 - 2 n^-0.5, in fixed order."""
    return {n: [0.95 - 2 * n**-0.5 + 0.004 * (run - (runs - 1) / 2) for run in range(runs)] for n in ns}


def test_a_known_curve_lies_within_its_forecast() -> None:
    found = forecast(pilot(), targets=[0.9], at=[1600, 3200, 6400])
    for each in found.accuracies:
        assert each.accuracy.low < 0.95 - 2 * each.n**-0.5 < each.accuracy.high
        assert each.run.low <= each.accuracy.low <= each.accuracy.value <= each.accuracy.high <= each.run.high
        assert each.factor == each.n / 800
    [labels] = found.labels
    assert labels.labels.low < 1600 < labels.labels.high
    assert 800 < labels.labels.value < 3200
    assert labels.kind == "extrapolated"
    assert found.flags == ()


def test_label_counts_are_those_of_an_inversion() -> None:
    runs = {n: {(run, 0): value for run, value in enumerate(values)} for n, values in pilot().items()}
    [labels] = forecast(pilot(), targets=[0.9]).labels
    same = forecast(runs, targets=[0.9]).labels
    assert same[0] == labels
    assert labels.labels.value == pytest.approx(invert(list(pilot()), list(pilot().values()), 0.9).n, rel=0.1)


def test_probabilities_rise_with_labels_and_fall_with_targets() -> None:
    found = forecast(pilot(), targets=[0.88, 0.9, 0.93])
    shares = np.array([each.reached for each in found.accuracies])
    assert [each.factor for each in found.accuracies] == [1, 2, 4, 8, 16, 32, 64]
    assert (np.diff(shares, axis=0) >= 0).all()
    assert (np.diff(shares, axis=1) <= 0).all()
    assert [each.labels.value for each in found.labels] == sorted(each.labels.value for each in found.labels)
    assert [each.p_enough for each in found.labels] == sorted((e.p_enough for e in found.labels), reverse=True)


def test_labelled_ones_are_not_paid_again() -> None:
    [labels] = forecast(pilot(), targets=[0.9], labelled=1000).labels
    assert labels.additional.value == pytest.approx(labels.labels.value - 1000)
    assert labels.additional.low == max(labels.labels.low - 1000, 0)
    assert labels.additional.cost(0.35).value == pytest.approx(0.35 * labels.additional.value)
    [reached] = forecast(pilot(), targets=[0.5]).labels
    assert (reached.kind, reached.additional) == ("below", Range(0.0, 0.0, 0.0))


def test_a_target_that_is_never_reached_has_a_lower_end_alone() -> None:
    flat = {n: [0.70, 0.702, 0.701, 0.7] for n in (100, 200, 400, 800, 1600)}
    found = forecast(flat, targets=[0.99])
    [labels] = found.labels
    assert (labels.kind, labels.labels.value, labels.labels.high, labels.factor) == ("above", *[math.inf] * 3)
    assert labels.p_never > 0.5
    assert 1600 < labels.labels.low < math.inf
    assert found.flags == ("flat",)


@pytest.mark.parametrize("target", [1.0, 0.999])
def test_a_target_within_half_a_step_of_one_is_one_to_all_numbers(target: float) -> None:
    """Values are in steps of 0.005: means of 1 are 0.9975 or more, which curves up to 1 can reach."""
    found = forecast({10: [0.90, 0.91, 0.92], 100: [0.98, 0.985, 0.99], 1000: [1.0] * 3}, targets=[target])
    [labels] = found.labels
    assert labels.labels.value < 1000
    assert 0.5 <= labels.p_enough == found.accuracies[0].reached[0]
    assert labels.p_never <= 1 - found.accuracies[-1].reached[0] < 0.1
    assert labels.target == target


def test_label_counts_under_one_stay_as_they_are() -> None:
    """Shares of labels, say, may be counts."""
    shares = {n / 1000: rung for n, rung in pilot((1, 10, 100, 1000)).items() if n > 1}
    found = forecast(shares)  # type: ignore[arg-type]
    [learning] = found.learning
    assert learning.n == 64
    assert [rung.n for rung in learning.rungs] == [0.0316, 0.316, 1.5, 2, 3, 4, 8, 16]
    assert forecast(shares, at=[6.4]).learning[0].n == 6.4  # type: ignore[arg-type]
    with pytest.raises(CurveError, match=r"found 0\.001, expected from 0\.01 .the first rung. to 1,000 "):
        forecast(shares, at=[0.001])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runs", "flags"),
    [
        ({100: [0.5], 200: [0.6], 400: [0.66]}, {"one run per rung"}),
        ({100: [0.5, 0.51], 200: [0.6, 0.61]}, {"few runs", "two rungs"}),
        ({100: [0.5, 0.51, 0.5], 200: [0.6, 0.61, 0.6], 400: [0.55, 0.55, 0.56]}, {"falls"}),
    ],
)
def test_weak_evidence_is_flagged(runs: dict[int, list[float]], flags: set[str]) -> None:
    found = forecast(runs, targets=[0.7])
    assert set(found.flags) == flags
    assert found.labels[0].labels.low < found.labels[0].labels.high


def test_the_curve_for_a_figure_spans_rungs_and_requests() -> None:
    found = forecast(pilot(), at=[400])
    assert (found.curve[0].n, found.curve[-1].n) == (pytest.approx(100), pytest.approx(1600))
    assert found.learning[0].target is None
    assert found.learning[0].n == 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": {100: [0.5]}}, "at least two rungs with runs, found 1"),
        ({"runs": {}}, "at least two rungs with runs, found 0"),
        ({"runs": {100: [50.0], 200: [60.0]}}, "the pilot at 100 labels: found 50.0, expected 0..1"),
        ({"runs": {100: [], 200: [0.6]}}, "the pilot's rung of 100 labels has no runs"),
        ({"runs": {0: [0.5], 200: [0.6]}}, "label counts of the pilot: found 0"),
        ({"targets": [90.0]}, "targets: found 90.0, expected 0..1"),
        ({"targets": [math.nan]}, "targets: found nan"),
        ({"at": []}, "found none, expected at least one"),
        ({"at": [50]}, "found 50, expected from 100 .the first rung. to 800,000"),
        ({"at": [1e9]}, "found 1,000,000,000, expected"),
        ({"at": [math.nan]}, "found nan, expected"),
        ({"labelled": 500}, "found 500, expected at least the 800 of the last rung"),
        ({"labelled": math.inf}, "found inf, expected at least"),
    ],
)
def test_what_cannot_be_used(changes: dict[str, object], message: str) -> None:
    with pytest.raises(CurveError, match=message):
        forecast(**{"runs": pilot(), **changes})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="level: found 90"):
        forecast(pilot(), level=90)


def test_it_is_public() -> None:
    assert labeleff.forecast is forecast
