"""Variances shrunk to their trend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from labeleff.stats.interval_level import LEVEL, check_level

Array = npt.NDArray[np.float64]


PRIOR_DF = 8.0
"""Weight of the common trend of variances at every rung, in degrees of freedom."""
COMMON_PRIOR_DF = 2.0
"""Weight, in degrees of freedom, of the prior that rungs and arms have no noise in common."""
COARSEST = 0.002
"""Resolution of a metric whose runs don't show it, as all are equal; its floor of the variance follows from it."""
SLOPE_LIMITS = (-1.5, 0.5)
"""Limits of the slope of ln variance against ln n: accuracies of larger label sets are steadier."""
SLOPE_MEAN, SLOPE_SD = -0.6, 0.4
"""Normal prior of that slope, from 96 real learning curves with 25 runs per label count."""
LEAST_SHARE = 0.01
"""Smallest share of the pooled variance that a rung's own is taken for in the trend: equal runs have no logarithm."""
SCATTER = 0.3
"""Variance of a rung's ln variance around the trend, beyond what few runs explain."""


@dataclass(frozen=True)
class Moderated:
    """Variances of one run at every rung, steadied by the other rungs; arrays have one value per rung."""

    own: Array
    """Sample variance of the rung alone, 0 where it has fewer than two runs."""
    own_df: Array
    variance: Array
    df: Array
    """Degrees of freedom of `variance`."""


def moderated_variance(ns: Sequence[float], groups: Sequence[Sequence[float]]) -> Moderated | None:
    """Shrink each rung's variance to a log-linear trend over the rungs.

    Slope of ln variance by weighted regression on bias-corrected log variances with a prior, level by pooling, then
    (PRIOR_DF * trend + df * own) / (PRIOR_DF + df), as in the moderated t statistic (Smyth 2004, Stat. Appl.
    Genet. Mol. Biol. 3, article 3), whose cap on the degrees of freedom is kept: no more than all rungs have
    together. The trend is widened by the doubt about its slope, which grows towards the ends of the ladder, but
    by no more than the steepest slopes allow. No variance is under that of rounding to the metric's own resolution.
    `groups` holds one sequence of accuracies per rung. None where no rung has two runs.
    """
    own = np.array([np.var(group, ddof=1) if len(group) > 1 else 0.0 for group in groups])
    own_df = np.array([max(len(group) - 1.0, 0.0) for group in groups])
    if own_df.sum() == 0:
        return None
    floor = resolution(groups) ** 2 / 12
    trend = np.maximum(_trend(np.log(np.asarray(ns, dtype=float)), own, own_df), floor)
    variance = np.maximum((PRIOR_DF * trend + own_df * own) / (PRIOR_DF + own_df), floor)
    return Moderated(own, own_df, variance, np.minimum(own_df + PRIOR_DF, own_df.sum()))


def resolution(groups: Sequence[Sequence[float]]) -> float:
    """The smallest step between the values of all `groups`, at most COARSEST, which is also that of equal values."""
    values = np.unique(np.concatenate([np.asarray(group, dtype=float) for group in groups]))
    steps = np.diff(values)
    steps = steps[steps > 1e-9 * np.abs(values).max(initial=0.0)]
    return float(min(steps.min(initial=COARSEST), COARSEST))


def _trend(x: Array, own: Array, df: Array) -> Array:
    """Expected variances at `x` = ln n under a log-linear trend, from the rungs that have degrees of freedom."""
    pooled = (df * own).sum() / df.sum()
    if pooled == 0:
        return np.zeros_like(x)
    measured = df > 0
    half = df[measured] / 2
    logs = np.log(np.maximum(own[measured], LEAST_SHARE * pooled)) - special.digamma(half) + np.log(half)
    weights = 1 / (special.polygamma(1, half) + SCATTER)
    middle = np.average(x[measured], weights=weights)
    centred = x[measured] - middle
    precision = (weights * centred**2).sum() + SLOPE_SD**-2
    slope = ((weights * centred * logs).sum() + SLOPE_MEAN * SLOPE_SD**-2) / precision
    away = x - middle
    exponent = float(np.clip(slope, *SLOPE_LIMITS)) * away
    shape = np.exp(exponent)
    level = (df[measured] * own[measured] / shape[measured]).sum() / df[measured].sum()
    steepest = np.maximum(SLOPE_LIMITS[0] * away, SLOPE_LIMITS[1] * away)
    return np.asarray(level * np.exp(np.minimum(exponent + away**2 / precision / 2, steepest)))


def wilson(accuracy: float, count: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of an accuracy in 0..1 on `count` test examples: the test set's sampling error."""
    check_level(level)
    z = float(special.ndtri(0.5 + level / 2))
    centre = (accuracy + z * z / (2 * count)) / (1 + z * z / count)
    width = z / (1 + z * z / count) * math.sqrt(accuracy * (1 - accuracy) / count + (z / (2 * count)) ** 2)
    return centre - width, centre + width
