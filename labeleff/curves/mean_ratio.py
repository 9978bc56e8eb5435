"""Mean log label ratio: one number per arm over the whole ladder, by which arms are ranked.

It is the area between the line of no saving and ln(n1/n) over ln n, divided by the ladder's width: on the geometric
average n labels of the arm equal `ratio` times n of the baseline. Label counts outside the ladder are brought to its
ends, as in a restricted mean of survival analysis (Royston and Parmar 2013, BMC Med. Res. Methodol. 13), and the
result says so: a mean over an infinite value would be infinite.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.inversion import Solution, quantile
from labeleff.curves.posterior_grid import REACH
from labeleff.curves.utility import FAR, ArmUtility
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.moderation import Array
from labeleff.stats.multiple_comparisons import tie_group


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
    open_low: bool = False
    """Whether label counts that were brought up to a floor would lower the intervals' lower ends."""
    open_high: bool = False
    """Whether label counts that were brought down to a cap would raise the intervals' upper ends."""

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Ends for all rungs and arms of the place at once; the arm's own where a headline has these instead."""
        return (self.low, self.high) if self.joint_low is None else (self.joint_low, self.joint_high)

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


def mean_ratios(arms: Mapping[str, ArmUtility], first: float, *, level: float = LEVEL) -> dict[str, MeanRatio]:
    """Mean ratio of every arm over its own rungs, with ranks and ties for the best; by name.

    An arm's mean doesn't depend on the other arms. Two arms are ranked by their means over the rungs that both have.
    Set aside, without a rank, are arms with one rung where others have several, and arms that share none with the
    best. `first` is the baseline's first rung. Label counts are clipped to between it and the last rung, or FAR times
    that for methods that model the curve; those of intervals as far as the method can tell, and ends that rest on
    clipped ones are open.
    """
    rungs = {name: own_rungs(arm) for name, arm in arms.items()}
    points = {name: log_ratio(arm, rungs[name], first) for name, arm in arms.items()}
    draws = {name: log_ratio_draws(arm, rungs[name], first) for name, arm in arms.items()}
    order = _order(arms, rungs, points, first)
    tied = _tied({name: arms[name] for name in order}, rungs, first, level)
    ranks = {name: place for place, name in enumerate(order, start=1)}
    return {
        name: _mean_ratio(arm, first, points[name], draws[name], level, name in tied, ranks.get(name))
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
            np.array([points[name] if shared == ladder else log_ratio(arms[name], shared, first) for name in group])
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
    """Equally likely mean log ratios (S,) of an arm over its rungs `ns`; None without noise."""
    solution = arm.solution
    if solution.samples is None:
        return None
    return _log_ratios(solution.samples[:, _columns(arm, ns)], ns, *_range(solution, ns, first))


def _range(solution: Solution, ns: Sequence[int], first: float) -> tuple[Array, Array]:
    """Least and largest label counts (K,) that draws at `ns` are brought to: the ladder's ends, or a model's reach.

    A model's draws may lie under the first rung, or under n, and over the last rung, or over n: if they were brought to
    n itself or to its other side, luck at that rung could only add, or only take away.
    """
    n, last = np.array(ns, dtype=float), solution.last
    if solution.models:
        return REACH[0] * np.minimum(n, first), FAR * np.maximum(n, last)
    return np.full(len(n), first), np.full(len(n), last)


def _log_ratios(n1: Array, ns: Sequence[int], floor: Array | float, cap: Array | float) -> Array:
    return np.asarray(np.log(np.clip(n1, floor, cap) / np.array(ns, dtype=float)) @ trapezoids(ns))


def open_ends(arm: ArmUtility, ns: Sequence[int], first: float, level: float) -> tuple[bool, bool]:
    """Whether a mean over `ns` has an open lower and an open upper end.

    It has one where a rung's own label count lies outside of what the method can tell, and where as many draws do as
    lie beyond that end of an interval of probability `level`: inside the ladder for methods that stay there, and for
    models at rungs outside of it.
    """
    solution, n, tail = arm.solution, np.array(ns, dtype=float), (1 - level) / 2
    inside = not solution.models
    rows = [(arm.points[place], solution.rows[place]) for place in _columns(arm, ns)]
    below = any(point.kind == "below" and (inside or point.n < first) for point, _ in rows)
    above = any(row.n > _cap(solution) for _, row in rows)
    if solution.samples is not None:
        draws = solution.samples[:, _columns(arm, ns)]
        low = (draws < first * (1.0 if inside else REACH[0])) & (inside | (n < first))
        high = (draws > solution.last) & (inside | (n > solution.last))
        below, above = below or low.mean(axis=0).max() >= tail, above or high.mean(axis=0).max() >= tail
    return bool(below), bool(above)


def _columns(arm: ArmUtility, ns: Sequence[int]) -> list[int]:
    return [place for place, point in enumerate(arm.points) if point.n in ns]


def _cap(solution: Solution) -> float:
    return solution.last * (FAR if solution.models else 1.0)


def log_ratio(arm: ArmUtility, ns: Sequence[int], first: float) -> float:
    """Mean log ratio of an arm over its rungs `ns`, with label counts outside the ladder brought to its ends."""
    n1 = np.array([arm.solution.rows[place].n for place in _columns(arm, ns)])
    return float(_log_ratios(n1, ns, first, _cap(arm.solution)))


def _mean_ratio(
    arm: ArmUtility,
    first: float,
    point: float,
    draws: Array | None,
    level: float,
    tied: bool,
    rank: int | None,
) -> MeanRatio:
    ns, cap = own_rungs(arm), _cap(arm.solution)
    open_low, open_high = open_ends(arm, ns, first, level)
    low = high = None
    if draws is not None:
        low = math.exp(min(quantile(draws, (1 - level) / 2), point))
        high = math.exp(max(quantile(draws, (1 + level) / 2), point))
    return MeanRatio(
        ns=ns,
        ratio=math.exp(point),
        low=low,
        high=high,
        above=sum(row.n > cap for row in arm.solution.rows),
        below=sum(point.kind == "below" for point in arm.points),
        tied=tied,
        rank=rank,
        open_low=open_low,
        open_high=open_high,
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
        points = np.array([log_ratio(arms[name], shared, first) for name in names])
        gaps = tie_group(np.stack(columns, axis=1), points, level=1 - (1 - level) / len(by_shared))
        tied |= {name for name, gap in zip(names, gaps, strict=True) if gap.tied}
    return tied
