"""Ties with the best of several arms (max-t), and p values adjusted for their number (Holm).

Holm's step-down procedure (1979, Scand. J. Statist. 6) holds under any dependence, which matters here: rungs share
draws, and utility is made of the accuracies beside it. It bounds the probability of one false alarm. Benjamini and
Hochberg's procedure bounds the share of false ones among the alarms instead, so that true improvements elsewhere would
make a false alarm more probable, and a gate fails on one.

Ties come from simultaneous intervals, made from joint replicates. An arm leaves the group only if some other arm is
better beyond doubt. All pairs of arms are judged together, so that, however many arms tie for the best, the
probability that any of them leaves is at most 1 - level. (Single-step
max-t: Westfall and Young 1993, Resampling-Based Multiple Testing, chapter 2; for independent arms of equal spread it is
Tukey's range test. Hsu's comparisons with the best, 1996, Multiple Comparisons, chapter 4, are narrower, but let one
of several equal arms leave too often.)
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from labeleff.errors import OptionError
from labeleff.seeding import generator
from labeleff.stats.differences import check_runs, gaps
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.intervals import Estimate, rung_estimates
from labeleff.stats.moderation import PRIOR_DF, Array
from labeleff.stats.resampling import Runs, means


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order of `p_values`: those of at most alpha may be rejected together."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place] = largest
    return adjusted


COUNT = 10_000
"""Joint replicates behind the comparison of accuracies."""
MOST = 12
"""Arms up to which all pairs are compared."""


@dataclass(frozen=True)
class GapToBest:
    """One arm against the best other arm: `difference` is its value minus that arm's, over 0 for the leader.

    `low` and `high` hold for all arms of the group at once; an arm is not `tied` exactly where `high` is under 0. They
    are None where the arm has no noise to judge by: it is then tied, as nothing shows that it is worse.
    """

    tied: bool
    """Whether the arm can't be separated from the best."""
    difference: float | None
    """None for the only arm."""
    low: float | None
    high: float | None
    reason: str | None = None
    """Why there is no interval, or what stands in for the arm's own noise; else None."""


def tie_group(replicates: Array, points: Array, *, level: float = LEVEL) -> list[GapToBest]:
    """Compare A arms by `points` (A,), higher is better, with joint `replicates` (S, A) of them.

    A row of `replicates` holds one possible value of every arm, drawn together so that what arms share cancels in
    their differences; S is 1000 or more. Any scale will do: accuracies, mean log label ratios. Every pair's deviation
    from its point is divided by half its interquartile range, and the largest of a row decides. Raises OptionError
    for shapes that don't match and numbers that aren't finite.
    """
    check_level(level)
    _check_replicates(replicates, points)
    if len(points) == 1:
        return [GapToBest(True, None, None, None, "the only arm")]
    gaps = np.asarray(points, dtype=float)[:, None] - points
    off = ~np.eye(len(points), dtype=bool)
    scales, largest = np.zeros_like(gaps), np.zeros(len(replicates))
    columns = np.ascontiguousarray(replicates.T)
    for i in range(len(points) - 1):
        deviations = columns[i] - columns[i + 1 :] - gaps[i, i + 1 :, None]
        low, high = np.quantile(deviations, [0.25, 0.75], axis=1)
        scales[i, i + 1 :] = scales[i + 1 :, i] = scale = (high - low) / 2
        varying = scale > 0
        sizes = np.abs(deviations[varying]) / scale[varying, None]
        largest = np.maximum(largest, sizes.max(axis=0, initial=0.0))
    width = float(np.quantile(largest, level)) * scales
    lows, differences, highs = (
        np.where(off, values, np.inf).min(axis=1) for values in (gaps - width, gaps, gaps + width)
    )
    return [
        GapToBest(high >= 0, difference, low, high)
        for low, difference, high in np.column_stack([lows, differences, highs]).tolist()
    ]


def _check_replicates(replicates: Array, points: Array) -> None:
    if points.ndim != 1 or replicates.ndim != 2 or replicates.shape[1] != len(points) or not len(replicates):
        raise OptionError(f"replicates of shape {replicates.shape}: expected (S, A) for points {points.shape}")
    for name, values in (("points", points), ("replicates", replicates)):
        if not np.isfinite(values).all():
            bad = sorted({int(place[-1]) for place in np.argwhere(~np.isfinite(values))})
            raise OptionError(
                f"{name} of arms {bad}: found numbers that aren't finite; bound them or leave the arms out"
            )


@functools.lru_cache(maxsize=256)
def _normals(name: str) -> Array:
    values = generator("ties", name).standard_normal(COUNT)
    values.flags.writeable = False
    return values


@functools.cache
def _uniforms() -> Array:
    values = generator("ties-scale").random(COUNT)
    values.flags.writeable = False
    return values


def joint_replicates(names: list[str], points: Array, spread: Array, df: float) -> Array:
    """Replicates (COUNT, A) of `points` (A,): Student's t with `df`, differences of the variances `spread` (A, A).

    `spread` is turned into a covariance as squared distances are into coordinates (Gower 1966, Biometrika 53);
    negative eigenvalues, which only estimates from unequal runs have, count as 0 and make differences wider.
    """
    centre = np.eye(len(names)) - 1 / len(names)
    values, vectors = np.linalg.eigh(-centre @ spread @ centre / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    noise = np.stack([_normals(name) for name in names], axis=1) @ root
    scale = np.sqrt(df / (2 * special.gammaincinv(df / 2, _uniforms())))
    return np.asarray(points + noise * scale[:, None])


def tied_arms(arms: Mapping[str, Runs], n: int, *, level: float = LEVEL) -> dict[str, GapToBest]:
    """Compare the arms that have runs at the rung of `n` labels; a dict by name in sorted order.

    Every two arms are compared as `stats.differences` does, in pairs where they share draws; the variances of those
    differences and the median of their degrees of freedom make the joint replicates. More than MOST arms are each
    compared with the leader alone, at a level that allows for all pairs (Bonferroni): sooner tied than not. An arm with
    one run per rung is judged as if its runs spread like those of the most widely spread arm; where no arm has spread,
    all are tied. Raises OptionError where no arm has the rung, CurveError for runs that can't be used.
    """
    field = _Field(arms, level)
    if n not in field.rungs:
        raise OptionError(f"no arm has runs at {n} labels (rungs that have: {field.rungs or 'none'})")
    return field.at(n)


def tied_by_rung(arms: Mapping[str, Runs], *, level: float = LEVEL) -> dict[int, dict[str, GapToBest]]:
    """`tied_arms` at every rung that any arm has."""
    field = _Field(arms, level)
    return {n: field.at(n) for n in field.rungs}


class _Field:
    """Arms to be compared with each other at every rung; shared parts are computed once."""

    def __init__(self, arms: Mapping[str, Runs], level: float) -> None:
        check_level(level)
        for name, runs in arms.items():
            check_runs(name, runs)
        self.arms, self.level = arms, level
        self.rungs = sorted({n for runs in arms.values() for n in runs})
        self.estimates = {name: rung_estimates(runs) for name, runs in arms.items()}
        self.gaps: dict[tuple[str, str], dict[int, Estimate]] = {}

    def gap(self, first: str, second: str, n: int) -> Estimate | None:
        """The first arm's mean minus the second's at `n` labels; None where it shows no noise."""
        if (second, first) not in self.gaps:
            noise = self.estimates[second], self.estimates[first]
            self.gaps[second, first] = gaps(self.arms[second], self.arms[first], noise)
        return self.gaps[second, first].get(n)

    def at(self, n: int) -> dict[str, GapToBest]:
        names = sorted(name for name in self.arms if n in self.arms[name])
        points = np.array([means({n: self.arms[name][n]})[0] for name in names])
        if len(names) == 1:
            return {names[0]: GapToBest(True, None, None, None, "the only arm")}
        estimates = [self.estimates[name].get(n) for name in names]
        noisy = [(each, len(self.arms[name][n])) for name, each in zip(names, estimates, strict=True) if each]
        if not noisy:
            return _without_spread(names, points)
        widest = max(each.variance * count for each, count in noisy)
        substitute = Estimate(0.0, widest, min(each.df for each, _ in noisy))
        gaps_to_best = self._against_all(names, n, points, [each or substitute for each in estimates])
        reason = "one run: judged with the spread of the most widely spread arm"
        return {
            name: gap if estimate else replace(gap, reason=reason)
            for name, estimate, gap in zip(names, estimates, gaps_to_best, strict=True)
        }

    def _against_all(self, names: list[str], n: int, points: Array, estimates: list[Estimate]) -> list[GapToBest]:
        if len(names) > MOST:
            return self._against_leader(names, n, points, estimates)
        spread, dfs = np.zeros((len(names), len(names))), []
        for i in range(len(names)):
            for j in range(i):
                spread[i, j], pair_df = self._spread(names, n, estimates, i, j)
                dfs.append(pair_df)
        spread, df = spread + spread.T, float(np.median(dfs))
        off = ~np.eye(len(names), dtype=bool)
        spread = np.where(off, _moderated(spread, spread[off].mean(), df), 0.0)
        return tie_group(joint_replicates(names, points, spread, df), points, level=self.level)

    def _spread(self, names: list[str], n: int, estimates: list[Estimate], i: int, j: int) -> tuple[float, float]:
        """Variance and degrees of freedom of the difference of two arms."""
        gap = self.gap(names[i], names[j], n)
        if gap is None:
            first, second = estimates[i], estimates[j]
            return first.variance + second.variance, min(first.df, second.df)
        return gap.variance, gap.df

    def _against_leader(self, names: list[str], n: int, points: Array, estimates: list[Estimate]) -> list[GapToBest]:
        lead = int(points.argmax())
        others = [i for i in range(len(names)) if i != lead]
        variances, dfs = np.array([self._spread(names, n, estimates, i, lead) for i in others]).T
        variances = _moderated(variances, variances.mean(), dfs)
        dfs = np.minimum(dfs + PRIOR_DF / 2, dfs.sum())  # half of the prior's: all of them part equal arms too often
        tail = (1 - self.level) / (len(names) * (len(names) - 1))
        widths = special.stdtrit(dfs, 1 - tail) * np.sqrt(variances)
        behind = points[others] - points[lead]
        rows = np.column_stack([behind - widths, behind, behind + widths]).tolist()
        gaps_to_best = {
            i: GapToBest(high >= 0, gap, low, high) for i, (low, gap, high) in zip(others, rows, strict=True)
        }
        low, gap, high = (min(-row[place] for row in rows) for place in (2, 1, 0))
        gaps_to_best[lead] = GapToBest(True, gap, low, high)
        return [gaps_to_best[i] for i in range(len(names))]


def _moderated(spread: Array, common: float, df: float | Array) -> Array:
    """Variances of differences, with those under `common` pulled towards it.

    Among many pairs some have a small variance by luck, which would separate them; larger ones are unchanged.
    """
    return np.maximum(spread, (PRIOR_DF * common + df * spread) / (PRIOR_DF + df))


def _without_spread(names: list[str], points: Array) -> dict[str, GapToBest]:
    gaps_to_best = {}
    for place, name in enumerate(names):
        gap = float(points[place] - np.delete(points, place).max())
        gaps_to_best[name] = GapToBest(True, gap, None, None, "one run a rung in every arm: nothing tells arms apart")
    return gaps_to_best
