"""Every arm beside the baseline, place by place: utility at each rung, and break-even."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labeleff.measured import Measured, Place
from labeleff.utility import Crossing, UtilityPoint, crossing, utility


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline at one place."""

    place: Place
    arm: str
    baseline: str
    points: list[UtilityPoint]
    crossing: Crossing | None


def compare_arms(measured: Measured, baseline: str | None = None) -> list[Comparison]:
    """Utility of every other arm with finished runs, where the baseline's curve has at least two rungs.

    `baseline` defaults to the one that `measured` names.
    """
    return list(_comparisons(measured, baseline or measured.baseline))


def _comparisons(measured: Measured, baseline: str) -> Iterator[Comparison]:
    level, method = measured.level, measured.method
    for place in measured.places:
        base = measured.at(place, baseline)
        if len(base) < 2:
            continue
        for arm in measured.arms:
            runs = measured.at(place, arm)
            if arm != baseline and runs:
                points = utility(base, runs, level=level, method=method)
                yield Comparison(place, arm, baseline, points, crossing(base, runs, level=level, method=method))
