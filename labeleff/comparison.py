"""Every arm beside the baseline, place by place: utility at each rung, break-even, and one number over the ladder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labeleff.break_even import Crossing, crossing
from labeleff.mean_ratio import MeanRatio, mean_ratios
from labeleff.measured import Measured, Place
from labeleff.utilities import UtilityPoint, utilities


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


def compare_arms(measured: Measured, baseline: str | None = None) -> list[Comparison]:
    """Utility of every other arm with finished runs, where the baseline's curve has at least two rungs.

    `baseline` defaults to the one that `measured` names.
    """
    name = baseline or measured.baseline
    return [item for place in measured.places for item in _at(measured, place, name)]


def _at(measured: Measured, place: Place, baseline: str) -> Iterator[Comparison]:
    base = measured.at(place, baseline)
    if len(base) < 2:
        return
    arms = {arm: measured.at(place, arm) for arm in measured.arms if arm != baseline}
    arms = {arm: runs for arm, runs in arms.items() if runs}
    found = utilities(base, arms, level=measured.level, method=measured.method)
    means = mean_ratios(found, min(base), level=measured.level)
    for arm, runs in arms.items():
        cross = crossing(base, runs, level=measured.level, method=measured.method, name=arm)
        yield Comparison(place, arm, baseline, found[arm].points, cross, means.get(arm))
