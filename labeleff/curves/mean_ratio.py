"""Mean log label ratio: one number per arm over the whole ladder, by which arms are ranked.

It is the area between the line of no saving and ln(n1/n) over ln n, divided by the ladder's width: on the geometric
average n labels of the arm equal `ratio` times n of the baseline. Label counts outside the ladder are brought to its
ends, as in a restricted mean of survival analysis (Royston and Parmar 2013, BMC Med. Res. Methodol. 13), and the
result says so: a mean over an infinite value would be infinite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.inversion import quantile
from labeleff.curves.utility import FAR, ArmUtility, UtilityPoint
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.moderation import Array
from labeleff.stats.multiple_comparisons import tie_group


@dataclass(frozen=True)
class MeanRatio:
    """Mean log label ratio of an arm over `ns`, as a factor.

    1: nothing is saved overall; 2: the baseline needs twice the labels. `low` and `high` are None without noise.
    """

    ns: tuple[int, ...]
    """Label counts averaged over: those that all compared arms have."""
    ratio: float
    low: float | None
    high: float | None
    above: int
    """Number of rungs whose n1 was lowered to the cap, so that `ratio` is rather too low."""
    below: int
    """Number of rungs whose n1 was raised to the baseline's first rung, so that `ratio` is rather too high."""
    tied: bool
    """Whether the arm can't be separated from the best of those it was compared with."""

    @property
    def log2(self) -> float:
        """Number of doublings of the label count that the arm is worth."""
        return math.log2(self.ratio)


def mean_ratios(arms: Mapping[str, ArmUtility], first: float, *, level: float = LEVEL) -> dict[str, MeanRatio]:
    """Mean ratio of every arm over the rungs that all have, with ties for the best; by name.

    `first` is the baseline's first rung. Label counts are clipped to between it and the last rung, or FAR times that
    for methods that model the curve. Empty where the arms have no rung in common.
    """
    ns = sorted(set.intersection(*({point.n for point in arm.points} for arm in arms.values()))) if arms else []
    if not ns:
        return {}
    means = {name: _Mean(arm, ns, first) for name, arm in arms.items()}
    tied = _tied(means, level)
    ratios = {}
    for name, mean in means.items():
        low, high = mean.ends(level) or (None, None)
        ratios[name] = MeanRatio(
            ns=tuple(ns),
            ratio=math.exp(mean.point),
            low=None if low is None else math.exp(min(low, mean.point)),
            high=None if high is None else math.exp(max(high, mean.point)),
            above=sum(n1 > mean.cap for n1 in mean.points),
            below=sum(point.kind == "below" for point in mean.rows),
            tied=name in tied,
        )
    return ratios


def trapezoids(ns: Sequence[int]) -> Array:
    """Weights of the trapezoidal rule over ln n, summing to 1."""
    if len(ns) == 1:
        return np.ones(1)
    x = np.log(np.asarray(ns, dtype=float))
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    return np.asarray(np.diff(edges) / (x[-1] - x[0]))


class _Mean:
    """One arm's mean log ratio: its point and its samples."""

    def __init__(self, arm: ArmUtility, ns: Sequence[int], first: float) -> None:
        solution = arm.solution
        columns = [place for place, point in enumerate(arm.points) if point.n in ns]
        self.rows: list[UtilityPoint] = [arm.points[place] for place in columns]
        self.cap = solution.last * (FAR if solution.models else 1.0)
        self.points = [solution.rows[place].n for place in columns]
        counts, weights = np.array(ns, dtype=float), trapezoids(ns)

        def mean(n1: Array) -> Array:
            return np.asarray(np.log(np.clip(n1, first, self.cap) / counts) @ weights)

        self.point = float(mean(np.array(self.points)))
        self.samples = [mean(sample[:, columns]) for sample in _completed(solution.samples)]

    def ends(self, level: float) -> tuple[float, float] | None:
        """Both ends of the interval, averaged over the samples; None without noise."""
        if not self.samples:
            return None
        low, high = (
            float(np.mean([quantile(sample, p) for sample in self.samples])) for p in ((1 - level) / 2, (1 + level) / 2)
        )
        return low, high


def _completed(samples: Sequence[Array]) -> list[Array]:
    """Samples of n1 (S, K); where the first is only a bound, values of the second, a model's, replace it."""
    if len(samples) < 2:
        return list(samples)
    measured, model = samples
    rows = model[np.arange(len(measured)) % len(model)]
    return [np.where(np.isinf(measured) | (measured == 0), rows, measured), model]


def _tied(means: Mapping[str, _Mean], level: float) -> set[str]:
    """Arms that can't be separated from the best; all where any shows no noise."""
    if not all(mean.samples for mean in means.values()):
        return set(means)
    count = min(len(sample) for mean in means.values() for sample in mean.samples)
    replicates = np.stack(
        [np.concatenate([sample[:count] for sample in mean.samples]) for mean in means.values()], axis=1
    )
    gaps_to_best = tie_group(replicates, np.array([mean.point for mean in means.values()]), level=level)
    return {name for name, gap in zip(means, gaps_to_best, strict=True) if gap.tied}
