"""The cheaper of clean and noisy labels, where both have a price.

At a rung n noisy labels do the work of n1 clean ones, so they are the cheaper choice where n1 clean ones cost more. At
a wanted accuracy each curve says how many labels it takes; the interval of the ratio of both costs is by the method of
variance estimates recovery (Zou and Donner 2008, Statist. Med. 27, section 2.2) on the logarithms, which takes the two
curves for independent: draws that they share make it rather wide. Intervals at several accuracies are each of the
level 1 - (1 - level) / J, so that all J hold together (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from labeleff.curves.bounds import Reading, label_counts
from labeleff.curves.inversion import FittedCurve, Targets
from labeleff.curves.methods import extrapolates, rungs_needed
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.label_quality.equivalents import Equivalent
from labeleff.study.prices import Cost

Choice = Literal["noisy", "clean", "can't tell"]


def cheaper(point: UtilityPoint, cost: Cost) -> Choice:
    """The cheaper labels for the accuracy of `point.n` noisy ones, by the interval of the clean ones' number n1."""
    assert cost.per_noisy_label is not None
    price = point.n * cost.per_noisy_label
    if point.n1_low is not None and point.n1_low * cost.per_label > price:
        return "noisy"
    return "clean" if point.n1_high is not None and point.n1_high * cost.per_label < price else "can't tell"


@dataclass(frozen=True)
class TargetChoice:
    """Labels with which an arm reaches an accuracy, clean and noisy, and the ratio of what they cost."""

    target: float
    """Accuracy in 0..1."""
    clean: Reading
    """Number of clean labels."""
    noisy: Reading
    ratio: float | None
    """Cost of the noisy labels over that of the clean ones; None where one of them is bounded, or far extrapolated."""
    low: float | None
    high: float | None
    """Ends of the ratio's interval; None on a side where a curve has none."""
    doubted: bool = False
    """Whether an assumption fails that one of the numbers rests on."""

    @property
    def choice(self) -> Choice:
        """The cheaper labels, where the interval says so and no assumption fails."""
        if self.doubted:
            return "can't tell"
        if self.high is not None and self.high < 1:
            return "noisy"
        return "clean" if self.low is not None and self.low > 1 else "can't tell"


def at_targets(item: Equivalent, targets: Sequence[float], cost: Cost, comparisons: int = 1) -> list[TargetChoice]:
    """The choice at every target accuracy, where both curves can be fitted; `comparisons` counts all of them."""
    alone = item.alone
    [place] = alone.places
    if not targets or min(len(alone.at(place, name)) for name in _names(item)) < rungs_needed(alone.method):
        return []
    clean, noisy = (alone.curve(place, name) for name in _names(item))
    level = 1 - (1 - alone.level) / max(1, comparisons)
    doubted = [one.accuracies for one in item.comparison.failures if one.accuracies and one.arm in _names(item)]
    return [
        replace(choice, doubted=any(low <= choice.target <= high for low, high in doubted))
        for choice in choices(clean, noisy, targets, cost, level, models=extrapolates(alone.method))
    ]


def choices(
    clean: FittedCurve, noisy: FittedCurve, targets: Sequence[float], cost: Cost, level: float, *, models: bool
) -> list[TargetChoice]:
    """The choice at every target accuracy by two fitted curves, each with an interval of its own of that level.

    `models` says whether their method models them beyond the ladder.
    """
    values = Targets(np.array(targets))
    readings = (label_counts(curve, values, level, models=models) for curve in (clean, noisy))
    return [_choice(target, one, other, cost) for target, one, other in zip(targets, *readings, strict=True)]


def _names(item: Equivalent) -> tuple[str, str]:
    return item.alone.baseline, item.comparison.arm


def _choice(target: float, clean: Reading, noisy: Reading, cost: Cost) -> TargetChoice:
    assert cost.per_noisy_label is not None
    a, b = noisy.value, clean.value
    if a is None or b is None or noisy.far or clean.far:
        return TargetChoice(target, clean, noisy, None, None, None)
    ratio = a * cost.per_noisy_label / (b * cost.per_label)
    a_low, a_high, b_low, b_high = noisy.low, noisy.high, clean.low, clean.high
    low = None if a_low is None or b_high is None else ratio * math.exp(-_joined(a / a_low, b_high / b))
    high = None if a_high is None or b_low is None else ratio * math.exp(_joined(a_high / a, b / b_low))
    return TargetChoice(target, clean, noisy, ratio, low, high)


def _joined(one: float, other: float) -> float:
    """Distance of an end of the log ratio from its point, from the factors by which each number may be off."""
    return math.hypot(math.log(one), math.log(other))
