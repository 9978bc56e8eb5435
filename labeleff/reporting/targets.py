"""Labels that every arm needs for given accuracies, and which share of the baseline's that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from labeleff.curves.inversion import Goals
from labeleff.curves.invert import fitted
from labeleff.curves.method_table import extrapolates, needed
from labeleff.curves.reading import Reading, inverted
from labeleff.reporting.measured import Measured, Place


@dataclass(frozen=True)
class Share:
    """One label count divided by another, or what is known of it."""

    value: float | None
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True)
class Needed:
    """Labels with which an arm reaches an accuracy."""

    place: Place
    arm: str
    target: float
    """In 0..1."""
    rungs: int
    """Label counts that the arm's curve was measured at."""
    labels: Reading | None
    reason: str | None
    """Why there are no labels; else None."""
    share: Share
    """Of the baseline's labels."""


def labels_needed(measured: Measured) -> list[Needed]:
    """Every arm, the baseline too, at every target, by the method that inverts the baseline's curve."""
    return [row for place in measured.places for row in _at(measured, place)] if measured.targets else []


def _at(measured: Measured, place: Place) -> Iterator[Needed]:
    found = {arm: _labels(measured, place, arm) for arm in measured.arms_at(place)}
    base = found.get(measured.baseline, {})
    for arm, labels in found.items():
        rungs = len(measured.at(place, arm))
        reason = (
            None
            if labels
            else f"{rungs} label count{'s' if rungs != 1 else ''}, and its curve needs {needed(measured.method)}"
        )
        for target in measured.targets:
            share = _share(labels.get(target), base.get(target))
            yield Needed(place, arm, target, rungs, labels.get(target), reason, share)


def _labels(measured: Measured, place: Place, arm: str) -> Mapping[float, Reading]:
    """By target; empty where the arm has too few rungs for a curve."""
    runs = measured.at(place, arm)
    if len(runs) < needed(measured.method):
        return {}
    if arm == measured.baseline:
        curve = measured.baseline_curves[place].fitted
    else:
        curve = fitted(measured.noisy(place, arm), measured.method)
    solution = curve.solve(Goals(np.array(measured.targets)), measured.level)
    first, last, models = curve.measured.first, curve.measured.last, extrapolates(measured.method)
    rows = zip(measured.targets, solution.rows, strict=True)
    return {target: inverted(row, first, last, models=models) for target, row in rows}


def _range(labels: Reading) -> tuple[float, float]:
    """The point twice, or what was measured of it."""
    if labels.shown in ("point", "extrapolated") and labels.value is not None:
        return labels.value, labels.value
    assert labels.bound is not None
    return (0.0, labels.bound) if labels.shown == "at most" else (labels.bound, math.inf)


def _share(arm: Reading | None, baseline: Reading | None) -> Share:
    if arm is None or baseline is None:
        return Share(None, None, None)
    (low, high), (least, most) = _range(arm), _range(baseline)
    at_least, at_most = low / most or None, high / least if least and high < math.inf else None
    if at_least is not None and at_least == at_most:
        return Share(at_least, None, None)
    return Share(None, at_least, at_most)
