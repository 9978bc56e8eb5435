"""Variances shrunk to their trend."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from labeleff.stats.interval_level import LEVEL, check_level

Array = npt.NDArray[np.float64]


PRIOR_DF = 8.0
"""Weight of the common trend of variances at a rung that follows it, in degrees of freedom."""
COMMON_PRIOR_DF = 2.0
"""Weight, in degrees of freedom, of the prior that rungs and arms have no noise in common."""
COARSEST = 0.002
"""Resolution of a metric whose runs don't show it, as all are equal; its floor of the variance follows from it."""
SLOPE_MEAN, SLOPE_SCALE = -0.5, 0.8
"""Centre and scale of that trend's slope, ln variance against ln n: its prior is a Cauchy distribution.

96 real learning curves with 25 runs per label count have -0.6 with a standard deviation of 0.4. The prior is wider, and
has tails: where noise stays the same over the ladder, or falls steeply, intervals must hold too.
"""
STRAY_SHARE, STRAY_DF = 0.4, 0.4
"""Prior probability that a rung doesn't follow the trend, as where some runs fail, and the trend's weight there.

Both were chosen by coverage where one rung has 3 or 10 times the noise of the others: a smaller share makes other
intervals narrower by at most a tenth, and misses more there.
"""
TAIL = 2.0
"""Factor of the degrees of freedom at which the 90 % interval stays and those of 95 and 99 % hold too.

Variances are averaged over trends that may be wrong, whose logarithms vary more than their upper tails show.
"""
NODES = np.linspace(-7.0, 7.0, 25)
"""Levels and slopes of the trend that are averaged, in standard errors of their estimates."""
LEAST_SHARE = 0.01
"""Smallest share of the pooled variance that a rung's own is taken for in these estimates: 0 has no logarithm."""


@dataclass(frozen=True)
class Moderated:
    """Variances of one run at every rung, steadied by the other rungs; arrays have one value per rung."""

    own: Array
    """Sample variance of the rung alone, 0 where it has fewer than two runs."""
    own_df: Array
    variance: Array
    df: Array
    """Degrees of freedom of `variance`."""

    def __post_init__(self) -> None:
        for array in (self.own, self.own_df, self.variance, self.df):
            array.flags.writeable = False


def moderated_variance(ns: Sequence[float], groups: Sequence[Sequence[float]]) -> Moderated | None:
    """Shrink each rung's variance to a log-linear trend over the rungs, as far as both leave in doubt.

    A rung's variance is that of the trend times a scaled inverse chi-square with PRIOR_DF degrees of freedom, as in the
    moderated t statistic (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3, article 3) or, for rungs that stray, with
    STRAY_DF. Level and slope of the trend are averaged over their posterior: the doubt about them, which grows towards
    the ends of the ladder, and about whether a rung strays, is in the variances and in their degrees of freedom.
    These are no more than PRIOR_DF over those of the rung, and than all rungs have together. No variance is under that
    of rounding to the metric's own resolution. `groups` holds one sequence of accuracies per rung. None where no rung
    has two runs. Arrays are read-only: an arm's variances are asked for by its curve, means, differences and ladder.
    """
    return _moderated(tuple(ns), tuple(map(tuple, groups)))


@functools.lru_cache(maxsize=1024)
def _moderated(ns: tuple[float, ...], groups: tuple[tuple[float, ...], ...]) -> Moderated | None:
    own = np.array([np.var(group, ddof=1) if len(group) > 1 else 0.0 for group in groups])
    own_df = np.array([max(len(group) - 1.0, 0.0) for group in groups])
    if own_df.sum() == 0:
        return None
    floor = resolution(groups) ** 2 / 12
    if len(own) == 1 or PRIOR_DF == 0:
        return Moderated(own, own_df, np.maximum(own, floor), own_df)
    most = np.minimum(own_df + PRIOR_DF, own_df.sum())
    if own.max() <= floor:
        return Moderated(own, own_df, np.full(len(own), floor), most)
    posterior = _posterior(np.log(np.asarray(ns, dtype=float)), np.maximum(own, floor), own_df)
    variance, df = _student(*posterior, most)
    return Moderated(own, own_df, np.maximum(variance, floor), df)


def resolution(groups: Sequence[Sequence[float]]) -> float:
    """The smallest step between the values of all `groups`, at most COARSEST, which is also that of equal values."""
    values = np.unique(np.concatenate([np.asarray(group, dtype=float) for group in groups]))
    steps = np.diff(values)
    steps = steps[steps > 1e-9 * np.abs(values).max(initial=0.0)]
    return float(min(steps.min(initial=COARSEST), COARSEST))


def _posterior(x: Array, own: Array, df: Array) -> tuple[Array, Array]:
    """Mean and variance (R,) of the rungs' ln variances at `x` = ln n, from their `own` (R,) with `df` (R,)."""
    levels, slopes = (each.ravel()[:, None] for each in np.meshgrid(*_trends(x, own, df), indexing="ij"))
    middle = np.average(x, weights=df > 0)
    trend = levels + slopes * (x - middle)
    squares = np.where(df > 0, np.log(np.where(df > 0, df * own, 1.0)), -np.inf)
    log_post = -np.log1p(((slopes[:, 0] - SLOPE_MEAN) / SLOPE_SCALE) ** 2)
    parts = []
    for prior_df, share in ((PRIOR_DF, 1 - STRAY_SHARE), (STRAY_DF, STRAY_SHARE)):
        weighted = trend + math.log(prior_df)
        total, half = np.logaddexp(weighted, squares), (prior_df + df) / 2
        log_chance = special.gammaln(half) - special.gammaln(prior_df / 2) + prior_df / 2 * weighted - half * total
        means = total - math.log(2) - special.digamma(half)
        parts.append((math.log(share) + log_chance, means, special.polygamma(1, half)))
    (follows, *at_trend), (strays, *astray) = parts
    strays = np.where(df > 0, strays, -np.inf)  # nothing speaks against the trend where there is one run
    either = np.logaddexp(follows, strays)
    log_post = log_post + either.sum(axis=1)
    chances = np.exp(log_post - log_post.max())[:, None]
    chances = chances / chances.sum()
    stray = np.exp(strays - either)
    both = ((chances * (1 - stray), *at_trend), (chances * stray, *astray))
    mean = np.asarray(sum((weight * means).sum(axis=0) for weight, means, _ in both))
    spread = sum((weight * (doubt + (means - mean) ** 2)).sum(axis=0) for weight, means, doubt in both)
    return mean, np.asarray(spread)


def _trends(x: Array, own: Array, df: Array) -> tuple[Array, Array]:
    """Levels at the middle of the measured rungs, and slopes, around their estimates by weighted regression."""
    measured = df > 0
    half, away = df[measured] / 2, x[measured] - x[measured].mean()
    least = LEAST_SHARE * (df * own).sum() / df.sum()
    logs = np.log(np.maximum(own[measured], least)) - special.digamma(half) + np.log(half)
    weights = 1 / (special.polygamma(1, half) + special.polygamma(1, PRIOR_DF / 2))
    precision = (weights * away**2).sum() + SLOPE_SCALE**-2 / 4
    level = np.average(logs, weights=weights)
    slope = ((weights * away * (logs - level)).sum() + SLOPE_MEAN * SLOPE_SCALE**-2 / 4) / precision
    return level + NODES / math.sqrt(weights.sum()), slope + NODES / math.sqrt(precision)


def _student(mean: Array, spread: Array, most: Array) -> tuple[Array, Array]:
    """Variance and degrees of freedom, up to `most` (R,), of Student's t for ln variances of this mean and spread.

    A scaled inverse chi-square with the same moments of its logarithm has the degrees of freedom that TAIL multiplies.
    """
    df = np.minimum(np.maximum(2 * _inverse_trigamma(spread), 1.0), most)
    variance = np.exp(mean + special.digamma(df / 2) - np.log(df / 2))
    wider = np.minimum(TAIL * df, most)
    return variance * (special.stdtrit(df, 0.95) / special.stdtrit(wider, 0.95)) ** 2, wider


def _inverse_trigamma(values: Array) -> Array:
    """Arguments at which the trigamma function has these values over 0, by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / values
    for _ in range(8):
        trigamma = special.polygamma(1, x)
        x = x + trigamma * (1 - trigamma / values) / special.polygamma(2, x)
    return np.asarray(x)


def wilson(accuracy: float, count: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of an accuracy in 0..1 on `count` test examples: the test set's sampling error."""
    check_level(level)
    z = float(special.ndtri(0.5 + level / 2))
    centre = (accuracy + z * z / (2 * count)) / (1 + z * z / count)
    width = z / (1 + z * z / count) * math.sqrt(accuracy * (1 - accuracy) / count + (z / (2 * count)) ** 2)
    return centre - width, centre + width
