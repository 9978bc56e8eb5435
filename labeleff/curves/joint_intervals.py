"""Simultaneous intervals of all that arms are said to be worth, and of gains of one arm over another.

Where the data choose the number to be told, such as the rung that looks most certain, its own interval of 90 % holds
less often than that. These hold for whatever is chosen: with the probability `level` all of them do.

A draw is as extreme as the most extreme of its quantities, by rank, and the share 1 - level of the most extreme draws
is left out (Besag, Green, Higdon and Mengersen 1995, Statist. Sci. 10, section 6.3). Ranks alone count, so that draws
may be infinite and quantities need no common scale; what they share makes the intervals narrower than Bonferroni's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labeleff.curves.inversion import known_end
from labeleff.curves.mean_ratio import MeanRatio, log_ratio, log_ratio_draws, open_ends, own_rungs
from labeleff.curves.utility import ArmUtility, UtilityPoint, snapped
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.moderation import Array


@dataclass(frozen=True)
class Joint:
    """An arm's utility at every rung and its mean ratio, with simultaneous intervals."""

    points: list[UtilityPoint]
    """The arm's points, with wider intervals."""
    mean: MeanRatio | None
    """The arm's mean ratio, with `joint_low` and `joint_high`."""


def joint_intervals(
    arms: Mapping[str, ArmUtility],
    means: Mapping[str, MeanRatio],
    first: float,
    *,
    level: float = LEVEL,
    headline: int | None = None,
) -> dict[str, Joint]:
    """Simultaneous intervals of everything that `arms` are said to be worth, by arm; they contain each one's own.

    `means` are the arms' mean ratios, `first` is the baseline's first rung. U at `headline` labels, named beforehand,
    counts as much as all of an arm's rungs together, and so has an interval that is hardly wider than its own; then
    means have none. A mean counts as one rung, though it is fixed too: where the baseline is nearly flat, its own
    interval left out the truth too often. Arms without noise keep their points as they are.
    """
    noisy = {name: (arm, samples) for name, arm in arms.items() if (samples := arm.solution.samples) is not None}
    columns, weights = [], []
    for arm, samples in noisy.values():
        count = float(len(arm.points))
        columns.append(samples)
        weights += [count if point.n == headline else 1.0 for point in arm.points]
        draws = log_ratio_draws(arm, own_rungs(arm), first) if headline is None else None
        if draws is not None:
            columns.append(draws[:, None])
            weights.append(1.0)
    joint = {name: Joint(arm.points, means.get(name)) for name, arm in arms.items()}
    if noisy:
        every = np.concatenate(columns, axis=1)
        bounds = iter([ends(c, p) for c, p in zip(every.T, joint_tails(every, np.array(weights), level), strict=True)])
        for name, (arm, _) in noisy.items():
            points = [_widened(point, arm.solution.last, *next(bounds)) for point in arm.points]
            mean = means.get(name) if headline is not None else _joint_mean(means[name], *next(bounds))
            joint[name] = Joint(points, mean)
    return joint


def _widened(point: UtilityPoint, last: float, low: float, high: float) -> UtilityPoint:
    """The point with an interval of n1 from `low` to `high`, or its own ends where these lie farther out."""
    n1_low = None if point.n1_low is None or low == 0 else snapped(min(point.n1_low, low), point.n)
    farther = None if point.n1_high is None or high == math.inf else max(point.n1_high, high)
    n1_high = snapped(known_end(point.n, farther, last), point.n)
    return replace(
        point,
        n1_low=n1_low,
        n1_high=n1_high,
        low=None if n1_low is None else n1_low / point.n - 1,
        high=None if n1_high is None else n1_high / point.n - 1,
        low_bound=point.low_bound and n1_low == point.n1_low,
        high_bound=point.high_bound and n1_high == point.n1_high,
    )


def _joint_mean(mean: MeanRatio, low: float, high: float) -> MeanRatio:
    assert mean.low is not None
    assert mean.high is not None
    return replace(mean, joint_low=min(mean.low, math.exp(low)), joint_high=max(mean.high, math.exp(high)))


@dataclass(frozen=True)
class Gain:
    """Factor by which one arm's mean label ratio is over another's, on the rungs of both."""

    before: str
    after: str
    ratio: float
    low: float | None
    high: float | None
    """Ends that hold for all gains asked for at once; None without noise."""
    open_low: bool = False
    """Whether label counts that were brought to an end of the ladder would lower the interval's lower end."""
    open_high: bool = False
    """Whether such label counts would raise its upper end."""

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies over or under 1, else 0; an end that is open shows nothing."""
        if self.low is not None and self.low > 1 and not self.open_low:
            return 1
        return -1 if self.high is not None and self.high < 1 and not self.open_high else 0


def gains(
    arms: Mapping[str, ArmUtility], pairs: Sequence[tuple[str, str]], first: float, *, level: float = LEVEL
) -> list[Gain]:
    """The gain of every pair's second arm over its first, with simultaneous intervals; pairs without a rung have none.

    Both of a pair are read off the same curves, and draws and seeds that they share cancel, as in the ranking. `first`
    is the baseline's first rung.
    """
    found: list[Gain] = []
    columns: list[Array] = []
    for before, after in pairs:
        shared = tuple(n for n in own_rungs(arms[before]) if n in own_rungs(arms[after]))
        if not shared:
            continue
        point = log_ratio(arms[after], shared, first) - log_ratio(arms[before], shared, first)
        low, high = open_ends(arms[after], shared, first, level)
        others_low, others_high = open_ends(arms[before], shared, first, level)
        found.append(Gain(before, after, math.exp(point), None, None, low or others_high, high or others_low))
        sides = [log_ratio_draws(arms[name], shared, first) for name in (before, after)]
        if sides[0] is not None and sides[1] is not None:
            columns.append(sides[1] - sides[0])
    if not found or len(columns) < len(found):
        return found
    tails = joint_tails(np.stack(columns, axis=1), np.ones(len(found)), level)
    bounds = [ends(column, tail) for column, tail in zip(columns, tails, strict=True)]
    return [
        replace(one, low=min(math.exp(low), one.ratio), high=max(math.exp(high), one.ratio))
        for one, (low, high) in zip(found, bounds, strict=True)
    ]


def joint_tails(draws: Array, weights: Array, level: float) -> Array:
    """Tail probabilities (J,) at which the intervals of J quantities hold together with probability `level`.

    A row of `draws` (S, J) holds one possible value of every quantity. A quantity whose entry in `weights` (J,) is 2
    gets twice the tail of one with 1 (weights of p values: Genovese, Roeder and Wasserman 2006, Biometrika 93). No
    tail is over (1 - level) / 2, that of one quantity alone.
    """
    extremes = np.full(len(draws), np.inf)
    for column, weight in zip(draws.T, weights, strict=True):
        extremes = np.minimum(extremes, _tail_shares(column) / weight)
    left_out = math.ceil((1 - level) * len(draws) - 1e-9)
    return np.asarray(np.minimum(np.sort(extremes)[left_out - 1] * weights, (1 - level) / 2))


def _tail_shares(column: Array) -> Array:
    """Share of the draws (S,) that lie as far out as each of them, on its side."""
    ordered = np.sort(column)
    under = np.searchsorted(ordered, column, side="right")
    over = len(column) - np.searchsorted(ordered, column, side="left")
    return np.asarray(np.minimum(under, over) / len(column))


def ends(draws: Array, tail: float) -> tuple[float, float]:
    """Draws of (S,) below and above which lie less than the share `tail` of them; the outermost ones at the least."""
    ordered = np.sort(draws)
    place = max(math.floor(tail * len(draws) + 1e-9), 1)
    return float(ordered[place - 1]), float(ordered[-place])
