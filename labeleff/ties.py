"""Which of several arms can't be told from the best: simultaneous intervals from joint replicates (max-t).

An arm leaves the group only if some other arm is better beyond doubt. All pairs of arms are looked at together, so
that, however many arms tie for the best, the probability that any of them leaves is at most 1 - level. (Single-step
max-t: Westfall and Young 1993, Resampling-Based Multiple Testing, chapter 2; for independent arms of equal spread it is
Tukey's range test. Hsu's comparisons with the best, 1996, Multiple Comparisons, chapter 4, are narrower, but let one
of several equal arms leave too often.)
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from labeleff.differences import Estimate, check_runs, compare, rung_estimates
from labeleff.errors import OptionError
from labeleff.seeding import generator
from labeleff.stats import PRIOR_DF, Array, Runs, check_level, means

COUNT = 10_000
"""Joint replicates behind the comparison of accuracies."""


@dataclass(frozen=True)
class Standing:
    """An arm among others: `difference` is its value minus that of the best other arm, over 0 for the leader.

    `low` and `high` hold for all arms of the group at once; `high` under 0 and not being `tied` are the same. They are
    None where the arm has no noise to judge by: it is then tied, as nothing shows that it is worse.
    """

    tied: bool
    """Whether it can't be separated from the best."""
    difference: float | None
    """None for the only arm."""
    low: float | None
    high: float | None
    reason: str | None = None
    """Why there is no interval, or what stands in for the arm's own noise; else None."""


def tie_group(replicates: Array, points: Array, *, level: float = 0.90) -> list[Standing]:
    """Standings of A arms by `points` (A,), larger is better, from joint `replicates` (S, A) of them.

    A row of `replicates` holds one possible value of every arm, drawn together so that what arms share cancels in
    their differences; S is 1000 or more. Any scale will do: accuracies, mean log label ratios. Every pair's deviation
    from its point is divided by half its interquartile range, and the largest of a row decides. Raises OptionError
    for shapes that don't match and numbers that aren't finite.
    """
    check_level(level)
    _check_replicates(replicates, points)
    if len(points) == 1:
        return [Standing(True, None, None, None, "the only arm")]
    gaps = np.asarray(points, dtype=float)[:, None] - points
    off = ~np.eye(len(points), dtype=bool)
    scales, largest = np.zeros_like(gaps), np.zeros(len(replicates))
    for i, j in zip(*np.nonzero(np.triu(off)), strict=True):
        deviations = replicates[:, i] - replicates[:, j] - gaps[i, j]
        low, high = np.quantile(deviations, [0.25, 0.75])
        scales[i, j] = scales[j, i] = (high - low) / 2
        if high > low:
            largest = np.maximum(largest, np.abs(deviations) / scales[i, j])
    width = float(np.quantile(largest, level)) * scales
    lows, differences, highs = (
        np.where(off, values, np.inf).min(axis=1) for values in (gaps - width, gaps, gaps + width)
    )
    return [
        Standing(high >= 0, difference, low, high)
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


def tied_arms(arms: Mapping[str, Runs], n: int, *, level: float = 0.90) -> dict[str, Standing]:
    """Standings of the arms that have runs at the rung of `n` labels, by name in sorted order.

    Every two arms are compared as labeleff.differences does, in pairs where they share draws; the variances of those
    differences and the median of their degrees of freedom make the joint replicates. An arm with one run a rung is
    judged as if its runs spread like those of the most widely spread arm; where no arm has spread, all are tied.
    Raises OptionError where no arm has the rung, CurveError for runs that can't be used.
    """
    check_level(level)
    for name, runs in arms.items():
        check_runs(name, runs)
    names = sorted(name for name in arms if n in arms[name])
    if not names:
        rungs = sorted({rung for runs in arms.values() for rung in runs})
        raise OptionError(f"no arm has runs at {n} labels (rungs that have: {rungs or 'none'})")
    points = np.array([means({n: arms[name][n]})[0] for name in names])
    if len(names) == 1:
        return {names[0]: Standing(True, None, None, None, "the only arm")}
    alone = [rung_estimates(arms[name]).get(n) for name in names]
    known = [(each, len(arms[name][n])) for name, each in zip(names, alone, strict=True) if each]
    if not known:
        return _without_spread(names, points)
    widest = max(each.variance * count for each, count in known)
    lent = Estimate(0.0, widest, min(each.df for each, _ in known))
    spread, df = _pair_variances(arms, names, n, [own or lent for own in alone])
    found = tie_group(joint_replicates(names, points, spread, df), points, level=level)
    reason = "one run: judged with the spread of the most widely spread arm"
    return {
        name: standing if own else replace(standing, reason=reason)
        for name, own, standing in zip(names, alone, found, strict=True)
    }


def _pair_variances(arms: Mapping[str, Runs], names: list[str], n: int, alone: list[Estimate]) -> tuple[Array, float]:
    """Variances (A, A) of the differences between arms at `n`, and their median degrees of freedom.

    Of many pairs some have a small variance by luck, and it is they that would be told apart: variances under the
    pairs' average are pulled towards it as rungs are towards their trend, larger ones are left.
    """
    spread, dfs = np.zeros((len(names), len(names))), []
    for i, first in enumerate(names):
        for j in range(i):
            row = next(row for row in compare(arms[names[j]], arms[first]).rungs if row.ns == (n,))
            if row.standard_error is None or row.df is None:
                variance, own_df = alone[i].variance + alone[j].variance, min(alone[i].df, alone[j].df)
            else:
                variance, own_df = row.standard_error**2, row.df
            spread[i, j] = spread[j, i] = variance
            dfs.append(own_df)
    df = float(np.median(dfs))
    common = spread.sum() / (len(names) * (len(names) - 1)) * ~np.eye(len(names), dtype=bool)
    return np.maximum(spread, (PRIOR_DF * common + df * spread) / (PRIOR_DF + df)), df


def _without_spread(names: list[str], points: Array) -> dict[str, Standing]:
    standings = {}
    for place, name in enumerate(names):
        gap = float(points[place] - np.delete(points, place).max())
        standings[name] = Standing(True, gap, None, None, "one run a rung in every arm: nothing tells arms apart")
    return standings
