"""Everything that a report says of measured accuracies, computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.curves.bounds import Reading, label_count
from labeleff.curves.break_even import Crossing, crossings
from labeleff.curves.inversion import Targets
from labeleff.curves.least_squares import FormulaFit, fit_formula
from labeleff.curves.mean_ratio import MeanRatio, mean_ratios
from labeleff.curves.method_table import FORMULAS, extrapolates, parameters, rungs_needed
from labeleff.curves.methods import fit_curve
from labeleff.curves.utility import BaselineCurve, UtilityPoint, arm_utilities
from labeleff.reporting.measurements import Measured, Place


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline at one place."""

    place: Place
    arm: str
    baseline: str
    points: list[UtilityPoint]
    crossing: Crossing | None
    mean: MeanRatio | None
    """Over the rungs that all arms have; None where they have none in common."""


def compare_arms(measured: Measured) -> list[Comparison]:
    """Utility of every other arm with finished runs, where the baseline has as many rungs as the method needs."""
    return [item for place, curve in measured.baseline_curves.items() for item in _compared_at(measured, place, curve)]


def ranked(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, MeanRatio]]:
    """Those that have a mean over the ladder, place by place, the best of each first."""
    places = list(dict.fromkeys(item.place for item in comparisons))
    found = [(item, item.mean) for item in comparisons if item.mean is not None]
    return sorted(found, key=lambda pair: (places.index(pair[0].place), -pair[1].ratio))


def _compared_at(measured: Measured, place: Place, curve: BaselineCurve) -> Iterator[Comparison]:
    others = (arm for arm in measured.arms if arm != measured.baseline)
    arms = {arm: runs for arm in others if (runs := measured.at(place, arm))}
    found = arm_utilities(curve, arms, level=measured.level)
    means = mean_ratios(found, min(curve.runs), level=measured.level)
    ends = crossings(curve, arms, level=measured.level)
    for arm in arms:
        yield Comparison(place, arm, measured.baseline, found[arm].points, ends[arm], means.get(arm))


@dataclass(frozen=True)
class FittedFormula:
    """One formula fitted to the baseline's runs at one place."""

    place: Place
    name: str
    rungs: int
    fit: FormulaFit | None
    """None where there are fewer rungs than parameters."""
    df: int | None
    """Rungs over the number of parameters."""
    p_value: float | None
    """Of the chi-square test that the formula is correct; None without measured noise, or with no rung to spare."""

    @property
    def reason(self) -> str | None:
        """Why there is no fit."""
        return None if self.fit else f"{parameters(self.name)} parameters, and {self.rungs} label counts"


def formulas(measured: Measured) -> list[FittedFormula]:
    """Every formula at every place whose baseline has two rungs and accuracies in 0..1."""
    return [
        _fit(place, name, [(n, list(rung.values())) for n, rung in sorted(runs.items())])
        for place in measured.places
        if len(runs := measured.at(place, measured.baseline)) > 1
        and all(0 <= value <= 1 for rung in runs.values() for value in rung.values())
        for name in FORMULAS
    ]


def _fit(place: Place, name: str, rungs: list[tuple[int, list[float]]]) -> FittedFormula:
    df = len(rungs) - parameters(name)
    if df < 0:
        return FittedFormula(place, name, len(rungs), None, None, None)
    ns, groups = zip(*rungs, strict=True)
    fit = fit_formula(name, ns, groups, exact=False)
    tested = df > 0 and max(map(len, groups)) > 1
    return FittedFormula(place, name, len(rungs), fit, df, float(special.chdtrc(df, fit.rss)) if tested else None)


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
            else f"{rungs} label count{'s' if rungs != 1 else ''}, and its curve needs {rungs_needed(measured.method)}"
        )
        for target in measured.targets:
            share = _share(labels.get(target), base.get(target))
            yield Needed(place, arm, target, rungs, labels.get(target), reason, share)


def _labels(measured: Measured, place: Place, arm: str) -> Mapping[float, Reading]:
    """By target; empty where the arm has too few rungs for a curve."""
    runs = measured.at(place, arm)
    if len(runs) < rungs_needed(measured.method):
        return {}
    if arm == measured.baseline:
        curve = measured.baseline_curves[place].fitted
    else:
        curve = fit_curve(measured.noisy(place, arm), measured.method)
    solution = curve.solve(Targets(np.array(measured.targets)), measured.level)
    first, last, models = curve.measured.first, curve.measured.last, extrapolates(measured.method)
    rows = zip(measured.targets, solution.rows, strict=True)
    return {target: label_count(row, first, last, models=models) for target, row in rows}


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


@dataclass(frozen=True)
class Findings:
    """Measured accuracies with what follows from them."""

    measured: Measured
    comparisons: list[Comparison]
    """Every other arm beside the baseline, place by place."""
    labels: list[Needed]
    """Labels for the accuracies asked for; empty where none was."""
    formulas: list[FittedFormula]
    """The baseline's curve by every single formula."""

    def at(self, place: Place) -> list[Comparison]:
        """The comparisons of one place."""
        return [item for item in self.comparisons if item.place == place]


def find(measured: Measured) -> Findings:
    """Raises CurveError for accuracies that the method can't take."""
    return Findings(measured, compare_arms(measured), labels_needed(measured), formulas(measured))
