"""Means of rungs with their variances, degrees of freedom and Student-t intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.resampling import Factor, Runs, factors, means, total_variance

TWO_DRAWS_DF = 1.25
"""Degrees of freedom where several rungs have two draws each, which don't show whether the rungs move together."""


@dataclass(frozen=True)
class Estimate:
    """A mean with the variance of that mean and its degrees of freedom."""

    mean: float
    variance: float
    df: float


def rung_estimates(runs: Runs) -> dict[int, Estimate]:
    """Means of the rungs with moderated variances, in rising order; empty without spread.

    Degrees of freedom are fewer where nested draws make the rungs' noise alike: rungs that move together measure a
    variance once. What an only draw may add is taken from the seeds, and so are its degrees of freedom.
    """
    parts = factors(runs)
    if not parts:
        return {}
    most = [_effective_df(part if len(part.levels) != 1 else parts[0]) for part in parts]
    parts = [replace(part, df=np.minimum(part.df, limit)) for part, limit in zip(parts, most, strict=True)]
    rows = zip(sorted(runs), means(runs), *total_variance(parts), strict=True)
    return {n: Estimate(float(mean), float(variance), float(df)) for n, mean, variance, df in rows}


def _effective_df(part: Factor) -> float:
    """Degrees of freedom in all rungs together: those of k levels times the number of independent rungs.

    k tr(C)^2 / tr(C^2) for the correlations C between rungs (Box 1954, Ann. Math. Stat. 25), both traces without the
    bias that few levels give them (Huynh and Feldt 1976, J. Educ. Stat. 1), and within what is possible. Without
    levels, where all runs are stand-ins, nothing is alike.
    """
    if not part.levels:
        return math.inf
    lengths = np.sqrt((part.loadings**2).sum(axis=1))
    rows = part.loadings[lengths > 0] / lengths[lengths > 0, None]
    rungs, k = len(rows), len(part.levels) - 1.0
    if rungs < 2:
        return k
    if k < 2:
        return TWO_DRAWS_DF
    size, square = float(rungs**2), float(((rows @ rows.T) ** 2).sum())
    alike = k * square - size
    apart = (k + 1) * size - 2 * square
    return k * (min(max(apart / alike, 1.0), rungs) if alike > 0 else rungs)


@dataclass(frozen=True)
class MeanInterval:
    """Mean accuracy of one rung with its Student-t interval; the ends are None where runs are too few."""

    n: int
    mean: float
    low: float | None
    high: float | None
    standard_error: float | None


def mean_intervals(runs: Runs, *, level: float = LEVEL) -> list[MeanInterval]:
    """Student-t intervals of the rungs' means from moderated variances, in rising order of label counts."""
    check_level(level)
    estimates = rung_estimates(runs)
    if not estimates:
        return [
            MeanInterval(n, float(mean), None, None, None) for n, mean in zip(sorted(runs), means(runs), strict=True)
        ]
    rows = []
    for n, estimate in estimates.items():
        error = math.sqrt(estimate.variance)
        width = float(special.stdtrit(estimate.df, 0.5 + level / 2)) * error
        rows.append(MeanInterval(n, estimate.mean, estimate.mean - width, estimate.mean + width, error))
    return rows
