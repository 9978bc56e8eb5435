"""Findings of a report: all that follows from measured accuracies, computed once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from labeleff.catalogue.metrics import SHARES, Units
from labeleff.curves.bounds import Reading, label_counts
from labeleff.curves.break_even import Crossing, crossings
from labeleff.curves.diagnostics import Disagreement, disagreement
from labeleff.curves.inversion import Targets
from labeleff.curves.joint_intervals import Joint
from labeleff.curves.least_squares import FormulaFit, fit_formula
from labeleff.curves.mean_ratio import MeanRatio
from labeleff.curves.methods import FORMULAS, extrapolates, parameters, rungs_needed
from labeleff.curves.rung_means import shown_values
from labeleff.curves.utility import ArmUtility, BaselineCurve, UtilityPoint, arm_utilities
from labeleff.reporting.assumptions import Evidence, Failure, failures
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.outlying_runs import OutlyingRun, compare_utilities, outlying_runs
from labeleff.stats.resampling import Runs
from labeleff.stats.stand_ins import mean_or_values


@dataclass(frozen=True)
class Comparison:
    """Comparison of an arm with the baseline at one place."""

    place: Place
    arm: str
    baseline: str
    points: list[UtilityPoint]
    joint: list[UtilityPoint]
    """The same points with intervals that hold for all rungs and arms of the place at once."""
    crossing: Crossing | None
    mean: MeanRatio | None
    """Mean over the arm's rungs; None where there is none."""
    headline: int | None = None
    """Label count named beforehand as the one that counts; None: the mean over the ladder counts."""
    answers: Sequence[Disagreement] = ()
    """Label counts by the formulas that fit the baseline, in the order of `points`; empty where fewer than two fit."""
    failures: tuple[Failure, ...] = ()
    """Assumptions that fail at this place."""
    units: Units = SHARES
    """Units in which the scores of the points are given."""

    @property
    def over(self) -> str:
        """Word for where the better curve lies: `over`, or `under` where less is better."""
        return self.units.over

    @property
    def falls(self) -> str:
        """Word for a curve that gets worse: `falls`, or `rises` where less is better."""
        return f"{self.units.fall}s"

    def doubts(self, n: int) -> list[str]:
        """Kinds of the assumptions that fail and that the utility at `n` labels rests on."""
        return [item.kind for item in self.failures if n in item.affected.get(self.arm, ())]

    @property
    def at_headline(self) -> UtilityPoint | None:
        """The utility at the label count named beforehand, as of `joint`; None where there is none."""
        return next((point for point in self.joint if point.n == self.headline), None)

    @property
    def tested(self) -> UtilityPoint | MeanRatio | None:
        """What counts of the arm: its utility at the label count named beforehand, or else its mean."""
        return self.mean if self.headline is None else self.at_headline

    @property
    def doubts_everywhere(self) -> bool:
        """Whether the utility at every label count rests on an assumption that fails; False without a utility."""
        return bool(self.points) and all(self.doubts(point.n) for point in self.points)

    @property
    def doubts_mean(self) -> bool:
        """Whether the mean over the ladder rests on an assumption that fails; False without a mean."""
        return self.mean is not None and any(self.doubts(n) for n in self.mean.ns)


@dataclass(frozen=True)
class _PlaceFindings:
    failures: tuple[Failure, ...]
    comparisons: list[Comparison]
    outlying: list[OutlyingRun]


def compare_arms(measured: Measurements) -> list[Comparison]:
    """Compare every other arm that has finished runs, where the baseline has as many rungs as the method needs."""
    return [item for place in measured.baseline_curves for item in _at_place(measured, place).comparisons]


def rank_comparisons(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, MeanRatio]]:
    """Comparisons that are ranked, with their mean over the ladder, place by place, the best of each first."""
    places = list(dict.fromkeys(item.place for item in comparisons))
    pairs = [(item, item.mean) for item in comparisons if item.mean is not None and item.mean.rank is not None]
    return sorted(pairs, key=lambda pair: (places.index(pair[0].place), pair[1].rank))


def _at_place(measured: Measurements, place: Place) -> _PlaceFindings:
    """Comparisons at one place, each with all assumptions that fail there."""
    curve = measured.baseline_curves.get(place)
    results, joint = ({}, {}) if curve is None else _utilities(measured, place, curve)
    compared = [] if curve is None else list(_comparisons(measured, place, curve, results, joint))
    evidence = Evidence(
        measured,
        place,
        points={item.arm: item.joint for item in compared},
        answers={item.arm: item.answers for item in compared if item.answers},
    )
    failed = failures(evidence)
    return _PlaceFindings(
        failed,
        [replace(item, failures=failed) for item in compared],
        outlying_runs(measured, place, curve, results, joint),
    )


def _utilities(
    measured: Measurements, place: Place, curve: BaselineCurve
) -> tuple[dict[str, ArmUtility], dict[str, Joint]]:
    """Utilities of all other arms, alone and with simultaneous intervals."""
    others = (arm for arm in measured.arms if arm != measured.baseline)
    arms = {arm: runs for arm in others if (runs := measured.at(place, arm))}
    results = arm_utilities(curve, arms, level=measured.level)
    return results, compare_utilities(measured, results, min(curve.runs))


def _comparisons(
    measured: Measurements,
    place: Place,
    curve: BaselineCurve,
    results: Mapping[str, ArmUtility],
    joint: Mapping[str, Joint],
) -> Iterator[Comparison]:
    break_evens = crossings(curve, {arm: measured.at(place, arm) for arm in results}, level=measured.level)
    accuracies = [point.accuracy for result in results.values() for point in result.points]
    formulas_say = disagreement(measured.noisy(place, measured.baseline), accuracies) if accuracies else None
    answers = iter(formulas_say or ())
    for arm, result in results.items():
        yield Comparison(
            place=place,
            arm=arm,
            baseline=measured.baseline,
            points=result.points,
            joint=joint[arm].points,
            crossing=break_evens[arm],
            mean=joint[arm].mean,
            headline=measured.headline,
            units=measured.settings[place].units,
            answers=tuple(itertools.islice(answers, len(result.points))),
        )


@dataclass(frozen=True)
class FittedFormula:
    """Fit of one formula to the baseline's runs at one place."""

    place: Place
    name: str
    rungs: int
    fit: FormulaFit | None
    """None where there are fewer rungs than parameters."""
    df: int | None
    """Degrees of freedom: number of rungs minus number of parameters."""
    p_value: float | None
    """p value of the chi-square test that the formula is correct; None without measured noise, or where `df` is 0."""
    units: Units = SHARES
    """Units of the scores that it was fitted to."""

    @property
    def reason(self) -> str | None:
        """Reason why there is no fit; None where there is one."""
        return None if self.fit else f"{parameters(self.name)} parameters, and {self.rungs} label counts"


def formulas(measured: Measurements) -> list[FittedFormula]:
    """Fit every formula at every place whose baseline has two rungs and accuracies in 0..1."""
    return [
        replace(_fit(place, name, runs), units=measured.settings[place].units)
        for place in measured.places
        if len(runs := measured.at(place, measured.baseline)) > 1
        and all(0 <= value <= 1 for rung in runs.values() for value in shown_values(rung))
        for name in FORMULAS
    ]


def _fit(place: Place, name: str, runs: Runs) -> FittedFormula:
    df = len(runs) - parameters(name)
    if df < 0:
        return FittedFormula(place, name, len(runs), None, None, None)
    groups = [mean_or_values(runs[n]) for n in sorted(runs)]
    fit = fit_formula(name, sorted(runs), groups, exact=False)
    testable = df > 0 and max(map(len, runs.values())) > 1
    return FittedFormula(place, name, len(runs), fit, df, float(special.chdtrc(df, fit.rss)) if testable else None)


@dataclass(frozen=True)
class Share:
    """Ratio of two label counts, or bounds of it."""

    value: float | None
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True)
class TargetLabels:
    """Labels with which an arm reaches a target accuracy."""

    place: Place
    arm: str
    target: float
    """Accuracy in 0..1."""
    rungs: int
    """Number of label counts that the arm's curve was measured at."""
    labels: Reading | None
    reason: str | None
    """Reason why `labels` is None; else None."""
    share: Share
    """Labels over those of the baseline for the same accuracy."""
    doubts: tuple[str, ...] = ()
    """Kinds of the assumptions that fail for this accuracy, of the arm's curve or the baseline's."""
    units: Units = SHARES
    """Units of the target's score."""


def target_labels(
    measured: Measurements, failed: Mapping[Place, Sequence[Failure]] | None = None
) -> list[TargetLabels]:
    """Labels of every arm (also the baseline) for every target, by the method that inverts the baseline's curve.

    `failed` are the assumptions that fail, by place.
    """
    places = measured.places if measured.targets else []
    return [
        replace(
            row,
            units=measured.settings[place].units,
            doubts=tuple(item.kind for item in (failed or {}).get(place, ()) if _bears_on(item, row, measured)),
        )
        for place in places
        for row in _targets_at(measured, place)
    ]


def _bears_on(item: Failure, row: TargetLabels, measured: Measurements) -> bool:
    if item.accuracies is None or item.arm not in (row.arm, measured.baseline):
        return False
    return item.accuracies[0] <= row.target <= item.accuracies[1]


def _targets_at(measured: Measurements, place: Place) -> Iterator[TargetLabels]:
    by_arm = {arm: _labels(measured, place, arm) for arm in measured.arms_at(place)}
    base = by_arm.get(measured.baseline, {})
    for arm, labels in by_arm.items():
        rungs = len(measured.at(place, arm))
        few = f"{rungs} label count{'s' if rungs != 1 else ''}, and its curve needs {rungs_needed(measured.method)}"
        reason = None if labels else few
        for target in measured.targets:
            share = _share(labels.get(target), base.get(target))
            yield TargetLabels(place, arm, target, rungs, labels.get(target), reason, share)


def _labels(measured: Measurements, place: Place, arm: str) -> Mapping[float, Reading]:
    """Label counts by target; empty where the arm has too few rungs for a curve."""
    if len(measured.at(place, arm)) < rungs_needed(measured.method):
        return {}
    targets, models = Targets(np.array(measured.targets)), extrapolates(measured.method)
    readings = label_counts(measured.curve(place, arm), targets, measured.level, models=models)
    return dict(zip(measured.targets, readings, strict=True))


def _range(labels: Reading) -> tuple[float, float]:
    """Range of a label count: the point twice, or the measured bound and an open end."""
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
    """Measured accuracies with all that follows from them."""

    measured: Measurements
    failures: Mapping[Place, tuple[Failure, ...]]
    """Assumptions that fail, by place."""
    comparisons: list[Comparison]
    """Comparison of every other arm with the baseline, place by place."""
    labels: list[TargetLabels]
    """Labels for the requested accuracies; empty where none was requested."""
    formulas: list[FittedFormula]
    """Fits of every single formula to the baseline's curve."""
    outlying: Sequence[OutlyingRun] = ()
    """Runs that lie far from the others of their rung, place by place."""

    def at(self, place: Place) -> list[Comparison]:
        """The comparisons of one place."""
        return [item for item in self.comparisons if item.place == place]

    def best(self, place: Place, most: int) -> Findings:
        """The findings of one place, of `most` arms after the baseline: those of the highest mean ratio, best first."""
        items = self.at(place)
        ranked = [item.arm for item, _ in rank_comparisons(items)]
        others = [item.arm for item in items if item.arm not in ranked]
        return self.only(place, [self.measured.baseline, *[*ranked, *others][:most]])

    def only(self, place: Place, arms: Sequence[str]) -> Findings:
        """The findings of one place, of these arms in this order; the baseline's runs stay."""
        kept = {*arms, self.measured.baseline}
        runs = {key: runs for key, runs in self.measured.runs.items() if key[0] == place and key[1] in kept}
        look = replace(self.measured.look, arms=tuple(arms))
        by_arm = {item.arm: item for item in self.at(place)}
        return replace(
            self,
            measured=replace(self.measured, runs=runs, look=look),
            comparisons=[by_arm[arm] for arm in arms if arm in by_arm],
        )


def find(measured: Measurements) -> Findings:
    """Compute all findings. Raises CurveError for accuracies that the method can't take."""
    by_place = {place: _at_place(measured, place) for place in measured.places}
    failed = {place: item.failures for place, item in by_place.items()}
    return Findings(
        measured=measured,
        failures=failed,
        comparisons=[comparison for item in by_place.values() for comparison in item.comparisons],
        labels=target_labels(measured, failed),
        formulas=formulas(measured),
        outlying=[run for item in by_place.values() for run in item.outlying],
    )
