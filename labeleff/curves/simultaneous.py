"""Utilities and mean ratios of all arms at one place, with intervals that hold for all of them at once.

Where the data choose the number to be told, such as the rung that looks most certain, its own interval of 90 % holds
less often than that. These intervals hold for whatever is chosen: with the probability `level` all of them do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from labeleff.curves.mean_ratio import MeanRatio, common_rungs, log_ratio_draws
from labeleff.curves.utility import ArmUtility, UtilityPoint
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.simultaneous import ends, joint_tails


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
    noisy = {name: arm for name, arm in arms.items() if arm.solution.samples}
    ns = common_rungs(arms) if headline is None else []
    columns, weights = [], []
    for arm in noisy.values():
        count = float(len(arm.points))
        columns.append(arm.solution.samples[-1])
        weights += [count if point.n == headline else 1.0 for point in arm.points]
        draws = log_ratio_draws(arm, ns, first) if ns else None
        if draws is not None:
            columns.append(draws[:, None])
            weights.append(1.0)
    joint = {name: Joint(arm.points, means.get(name)) for name, arm in arms.items()}
    if noisy:
        every = np.concatenate(columns, axis=1)
        bounds = iter([ends(c, p) for c, p in zip(every.T, joint_tails(every, np.array(weights), level), strict=True)])
        for name, arm in noisy.items():
            points = [_widened(point, *next(bounds)) for point in arm.points]
            joint[name] = Joint(points, _joint_mean(means[name], *next(bounds)) if ns else means.get(name))
    return joint


def _widened(point: UtilityPoint, low: float, high: float) -> UtilityPoint:
    """The point with an interval of n1 from `low` to `high`, or its own ends where these lie farther out."""
    n1_low = None if point.n1_low is None or low == 0 else min(point.n1_low, low)
    n1_high = None if point.n1_high is None or high == math.inf else max(point.n1_high, high)
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
