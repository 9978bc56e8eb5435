"""Mean log label ratio: one number per arm over the whole ladder, by which arms are ranked.

It is the area between the line of no saving and ln(n1/n) over ln n, divided by the ladder's width: on the geometric
average n labels of the arm equal `ratio` times n of the baseline. Label counts outside the ladder are brought to its
ends, as in a restricted mean of survival analysis (Royston and Parmar 2013, BMC Med. Res. Methodol. 13), and the
result says so: a mean over an infinite value would be infinite.

Where the data choose the number to be told, such as the rung that looks most certain, its own interval of 90 % holds
less often than that. `joint_intervals` hold for whatever is chosen: with the probability `level` all of them do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labeleff.curves.inversion import Solution, quantile
from labeleff.curves.posterior_grid import REACH
from labeleff.curves.utility import FAR, ArmUtility, UtilityPoint
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.moderation import Array
from labeleff.stats.multiple_comparisons import tie_group
from labeleff.stats.simultaneous import ends, joint_tails


@dataclass(frozen=True)
class MeanRatio:
    """Mean log label ratio of an arm over `ns`, as a factor.

    1: nothing is saved overall; 2: the baseline needs twice the labels. Ends of intervals are None without noise.
    """

    ns: tuple[int, ...]
    """Label counts averaged over: all that the arm has."""
    ratio: float
    low: float | None
    high: float | None
    above: int
    """Number of rungs whose n1 was lowered to the cap, so that `ratio` is rather too low."""
    below: int
    """Number of rungs whose n1 was raised to the baseline's first rung, so that `ratio` is rather too high."""
    tied: bool
    """Whether the arm can't be separated from the best, over the rungs that both have; False where `rank` is None."""
    rank: int | None = 1
    """Place among the arms, from 1; None for an arm that is set aside, see `mean_ratios`."""
    joint_low: float | None = None
    joint_high: float | None = None
    """Ends that hold for all rungs and arms of a place at once (`joint_intervals`)."""
    modelled: bool = True
    """Whether the lower ends count how far under the baseline's first rung label counts may lie."""

    @property
    def log2(self) -> float:
        """Number of doublings of the label count that the arm is worth."""
        return math.log2(self.ratio)

    @property
    def sign(self) -> int:
        """1 or -1 where the simultaneous interval lies over or under 1, else 0.

        An end that is open shows nothing.
        """
        if self.joint_low is not None and self.joint_low > 1 and not self.open_low:
            return 1
        return -1 if self.joint_high is not None and self.joint_high < 1 and not self.open_high else 0

    @property
    def open_low(self) -> bool:
        """Whether label counts under the baseline's first rung would lower the intervals' lower ends."""
        return self.below > 0 and not self.modelled

    @property
    def open_high(self) -> bool:
        """Whether label counts beyond the ladder would raise the intervals' upper ends."""
        return self.above > 0


def mean_ratios(arms: Mapping[str, ArmUtility], first: float, *, level: float = LEVEL) -> dict[str, MeanRatio]:
    """Mean ratio of every arm over its own rungs, with ranks and ties for the best; by name.

    An arm's mean doesn't depend on the other arms. Two arms are ranked by their means over the rungs that both have.
    Set aside, without a rank, are arms with one rung where others have several, and arms that share none with the
    best. `first` is the baseline's first rung. Label counts are clipped to between it and the last rung, or FAR times
    that for methods that model the curve.
    """
    rungs = {name: own_rungs(arm) for name, arm in arms.items()}
    points = {name: _point(arm, rungs[name], first) for name, arm in arms.items()}
    draws = {name: log_ratio_draws(arm, rungs[name], first) for name, arm in arms.items()}
    order = _order(arms, rungs, points, first)
    tied = _tied({name: arms[name] for name in order}, rungs, first, level)
    ranks = {name: place for place, name in enumerate(order, start=1)}
    return {
        name: _mean_ratio(arm, rungs[name], points[name], draws[name], level, name in tied, ranks.get(name))
        for name, arm in arms.items()
    }


def own_rungs(arm: ArmUtility) -> tuple[int, ...]:
    """Label counts of an arm, in rising order."""
    return tuple(point.n for point in arm.points)


def _order(
    arms: Mapping[str, ArmUtility], rungs: Mapping[str, tuple[int, ...]], points: Mapping[str, float], first: float
) -> list[str]:
    """Names of the arms that aren't set aside, the best first: by how many others they are over where both measured."""
    most = max(map(len, rungs.values()), default=0)
    names = [name for name in arms if len(rungs[name]) > 1 or most == 1]
    wins = dict.fromkeys(names, 0)
    by_ladder: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        by_ladder.setdefault(rungs[name], []).append(name)
    for one, other in itertools.combinations_with_replacement(by_ladder, 2):
        shared = tuple(n for n in one if n in other)
        if not shared:
            continue
        left, right = (
            np.array([points[name] if shared == ladder else _point(arms[name], shared, first) for name in group])
            for ladder, group in ((one, by_ladder[one]), (other, by_ladder[other]))
        )
        for name, value in zip(by_ladder[one], left, strict=True):
            wins[name] += int((value > right).sum())
        if one != other:
            for name, value in zip(by_ladder[other], right, strict=True):
                wins[name] += int((value > left).sum())
    ranked = sorted(names, key=lambda name: (-wins[name], -points[name]))
    return [name for name in ranked if set(rungs[name]) & set(rungs[ranked[0]])]


def trapezoids(ns: Sequence[int]) -> Array:
    """Weights of the trapezoidal rule over ln n, summing to 1."""
    if len(ns) == 1:
        return np.ones(1)
    x = np.log(np.asarray(ns, dtype=float))
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    return np.asarray(np.diff(edges) / (x[-1] - x[0]))


def log_ratio_draws(arm: ArmUtility, ns: Sequence[int], first: float) -> Array | None:
    """Equally likely mean log ratios (S,) of an arm over its rungs `ns`; None without noise.

    Draws under the first rung, which only a method that models the curve has, count down to REACH[0] times it: if they
    were brought up to the first rung, which is no less than its own n, luck there could only add.
    """
    solution = arm.solution
    if solution.samples is None:
        return None
    draws = solution.samples[:, _columns(arm, ns)]
    return _log_ratios(draws, ns, first * REACH[0] if solution.models else first, _cap(solution))


def _log_ratios(n1: Array, ns: Sequence[int], floor: float, cap: float) -> Array:
    return np.asarray(np.log(np.clip(n1, floor, cap) / np.array(ns, dtype=float)) @ trapezoids(ns))


def _columns(arm: ArmUtility, ns: Sequence[int]) -> list[int]:
    return [place for place, point in enumerate(arm.points) if point.n in ns]


def _cap(solution: Solution) -> float:
    return solution.last * (FAR if solution.models else 1.0)


def _point(arm: ArmUtility, ns: Sequence[int], first: float) -> float:
    n1 = np.array([arm.solution.rows[place].n for place in _columns(arm, ns)])
    return float(_log_ratios(n1, ns, first, _cap(arm.solution)))


def _mean_ratio(
    arm: ArmUtility,
    ns: Sequence[int],
    point: float,
    draws: Array | None,
    level: float,
    tied: bool,
    rank: int | None,
) -> MeanRatio:
    columns, cap = _columns(arm, ns), _cap(arm.solution)
    low = high = None
    if draws is not None:
        low = math.exp(min(quantile(draws, (1 - level) / 2), point))
        high = math.exp(max(quantile(draws, (1 + level) / 2), point))
    return MeanRatio(
        ns=tuple(ns),
        ratio=math.exp(point),
        low=low,
        high=high,
        above=sum(arm.solution.rows[place].n > cap for place in columns),
        below=sum(arm.points[place].kind == "below" for place in columns),
        modelled=arm.solution.models,
        tied=tied,
        rank=rank,
    )


def _tied(arms: Mapping[str, ArmUtility], rungs: Mapping[str, tuple[int, ...]], first: float, level: float) -> set[str]:
    """Arms, given the best first, that can't be separated from it; all where any shows no noise.

    Arms are compared over the rungs that they share with the best; groups that share others have equal parts of the
    error's probability.
    """
    if len(arms) < 2 or any(arm.solution.samples is None for arm in arms.values()):
        return set(arms)
    best, *others = arms
    by_shared: dict[tuple[int, ...], list[str]] = {}
    for name in others:
        by_shared.setdefault(tuple(n for n in rungs[best] if n in rungs[name]), []).append(name)
    tied = {best}
    for shared, group in by_shared.items():
        names = [name for name in arms if name == best or name in group]
        columns = [draws for name in names if (draws := log_ratio_draws(arms[name], shared, first)) is not None]
        points = np.array([_point(arms[name], shared, first) for name in names])
        gaps = tie_group(np.stack(columns, axis=1), points, level=1 - (1 - level) / len(by_shared))
        tied |= {name for name, gap in zip(names, gaps, strict=True) if gap.tied}
    return tied


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
            points = [_widened(point, *next(bounds)) for point in arm.points]
            joint[name] = Joint(
                points, _joint_mean(means[name], *next(bounds)) if headline is None else means.get(name)
            )
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
        point = _point(arms[after], shared, first) - _point(arms[before], shared, first)
        sides = [log_ratio_draws(arms[name], shared, first) for name in (before, after)]
        if sides[0] is not None and sides[1] is not None:
            columns.append(sides[1] - sides[0])
        (low, high), (others_low, others_high) = _open(arms[after], shared), _open(arms[before], shared)
        found.append(Gain(before, after, math.exp(point), None, None, low or others_high, high or others_low))
    if not found or len(columns) < len(found):
        return found
    every = np.stack(columns, axis=1)
    tails = joint_tails(every, np.ones(len(found)), level)
    bounds = [ends(column, tail) for column, tail in zip(every.T, tails, strict=True)]
    return [
        replace(one, low=min(math.exp(low), one.ratio), high=max(math.exp(high), one.ratio))
        for one, (low, high) in zip(found, bounds, strict=True)
    ]


def _open(arm: ArmUtility, ns: Sequence[int]) -> tuple[bool, bool]:
    """Whether the mean over these rungs has an open lower and an open upper end, as in `MeanRatio`."""
    cap, places = _cap(arm.solution), _columns(arm, ns)
    below = any(arm.points[place].kind == "below" for place in places)
    return below and not arm.solution.models, any(arm.solution.rows[place].n > cap for place in places)
