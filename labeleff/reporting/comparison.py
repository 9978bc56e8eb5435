"""Every arm beside the baseline, place by place: utility at each rung, break-even, and one number over the ladder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labeleff.curves.break_even import Crossing, crossings
from labeleff.curves.mean_ratio import MeanRatio, mean_ratios
from labeleff.curves.utilities import BaselineCurve, UtilityPoint, arm_utilities
from labeleff.reporting.measured import Measured, Place


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
    return [item for place, curve in measured.baseline_curves.items() for item in _at(measured, place, curve)]


def ranked(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, MeanRatio]]:
    """Those that have a mean over the ladder, place by place, the best of each first."""
    places = list(dict.fromkeys(item.place for item in comparisons))
    found = [(item, item.mean) for item in comparisons if item.mean is not None]
    return sorted(found, key=lambda pair: (places.index(pair[0].place), -pair[1].ratio))


def _at(measured: Measured, place: Place, curve: BaselineCurve) -> Iterator[Comparison]:
    others = (arm for arm in measured.arms if arm != measured.baseline)
    arms = {arm: runs for arm in others if (runs := measured.at(place, arm))}
    found = arm_utilities(curve, arms, level=measured.level)
    means = mean_ratios(found, min(curve.runs), level=measured.level)
    ends = crossings(curve, arms, level=measured.level)
    for arm in arms:
        yield Comparison(place, arm, measured.baseline, found[arm].points, ends[arm], means.get(arm))
