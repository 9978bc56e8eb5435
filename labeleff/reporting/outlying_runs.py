"""Runs that lie far from the others of their rung, with what the answer is without them; none is ever left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labeleff.curves.joint_intervals import Joint, joint_intervals
from labeleff.curves.mean_ratio import MeanRatio, mean_ratios
from labeleff.curves.utility import ArmUtility, BaselineCurve, UtilityPoint, arm_utilities
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.outliers import Outlier, outliers
from labeleff.stats.resampling import Runs

MOST = 3
"""Largest number of runs of a place for which the answer without them is computed."""


@dataclass(frozen=True)
class Answer:
    """What is said of an arm: its utility at one rung and its mean label ratio, with simultaneous intervals."""

    point: UtilityPoint | None
    mean: MeanRatio | None


@dataclass(frozen=True)
class OutlyingRun:
    """An outlier of an arm, with the answers with it, which are those of the report, and without it."""

    place: Place
    arm: str
    outlier: Outlier
    compared: str | None = None
    """The arm of which the answers are: the arm itself or, for a run of the baseline, the arm that it changes most."""
    counted: Answer = Answer(None, None)
    without: Answer = Answer(None, None)
    changes: tuple[str, ...] = ()
    """Arms of which something else would be claimed without the run."""


Utilities = Mapping[str, ArmUtility]


def compare_utilities(measured: Measurements, results: Utilities, first: float) -> dict[str, Joint]:
    """Utilities and mean ratios of a place's arms with simultaneous intervals; `first` is the baseline's first rung."""
    means = mean_ratios(results, first, level=measured.level)
    return joint_intervals(results, means, first, level=measured.level, headline=measured.headline)


def outlying_runs(
    measured: Measurements, place: Place, curve: BaselineCurve | None, results: Utilities, joint: Mapping[str, Joint]
) -> list[OutlyingRun]:
    """Outliers of a place, the clearest first, the first MOST of them with the answers without them."""
    arms = {
        arm: runs
        for arm in measured.arms
        if (runs := measured.at(place, arm)) and (place, arm) not in measured.summarised
    }
    found = [(arm, one) for arm, several in outliers(arms).items() for one in several]
    found.sort(key=lambda pair: pair[1].p_value)
    tried = 0 if curve is None or not results else MOST
    return [
        _tried(measured, place, arm, one, curve, results, joint)
        if curve is not None and place_in_order < tried
        else OutlyingRun(place, arm, one)
        for place_in_order, (arm, one) in enumerate(found)
    ]


def _tried(
    measured: Measurements,
    place: Place,
    arm: str,
    outlier: Outlier,
    curve: BaselineCurve,
    results: Utilities,
    joint: Mapping[str, Joint],
) -> OutlyingRun:
    """An outlier with the answers with and without it."""
    runs = _without(measured.at(place, arm), outlier)
    if arm == measured.baseline:
        others = {name: measured.at(place, name) for name in results}
        again = arm_utilities(BaselineCurve.fit(runs, curve.method), others, level=measured.level)
    else:
        again = {**results, **arm_utilities(curve, {arm: runs}, level=measured.level)}
    other = compare_utilities(measured, again, min(curve.runs))
    compared = arm if arm != measured.baseline else max(joint, key=lambda name: _change(joint[name], other[name]))
    return OutlyingRun(
        place,
        arm,
        outlier,
        compared,
        _answer(joint[compared], outlier.n),
        _answer(other[compared], outlier.n),
        tuple(name for name in joint if _claims(joint[name], measured) != _claims(other[name], measured)),
    )


def _without(runs: Runs, outlier: Outlier) -> Runs:
    rung = {run: value for run, value in runs[outlier.n].items() if run != outlier.run}
    return {**runs, outlier.n: rung}


def _answer(joint: Joint, n: int) -> Answer:
    return Answer(next((point for point in joint.points if point.n == n), None), joint.mean)


def _change(one: Joint, other: Joint) -> float:
    """Absolute change of the mean log label ratio."""
    return abs(one.mean.log2 - other.mean.log2) if one.mean and other.mean else 0.0


def _claims(joint: Joint, measured: Measurements) -> tuple[int, bool]:
    """What a verdict claims: the sign of the number that counts, and whether any rung is certain to save labels."""
    return next(_signs(joint, measured.headline)), any(point.sign == 1 for point in joint.points)


def _signs(joint: Joint, headline: int | None) -> Iterator[int]:
    if headline is None:
        yield joint.mean.sign if joint.mean else 0
    yield from (point.sign for point in joint.points if point.n == headline)
    yield 0
