"""Effects of several studies taken together, and the spread of effects beyond their noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.errors import OptionError
from labeleff.stats.interval_level import LEVEL, check_level

FEWEST_SPREAD = 3
"""Fewest effects whose spread beyond noise is estimated."""
BISECTIONS = 50
"""Halvings in the search for a standard deviation."""


@dataclass(frozen=True)
class Effect:
    """An estimate with its standard error, both in the same unit."""

    value: float
    error: float
    """Standard error, over 0."""

    def ends(self, level: float = LEVEL) -> tuple[float, float]:
        """Ends of the normal interval of probability `level`."""
        check_level(level)
        width = float(special.ndtri((1 + level) / 2)) * self.error
        return self.value - width, self.value + width


def from_interval(value: float, low: float, high: float, level: float = LEVEL) -> Effect | None:
    """Read an effect off its interval of probability `level`, by the farther end; None where it has no width.

    The error is that of a normal interval as wide, so that a t interval's few degrees of freedom count as noise.
    """
    check_level(level)
    width = max(high - value, value - low)
    return Effect(value, width / float(special.ndtri((1 + level) / 2))) if 0 < width < math.inf else None


def averaged(effects: Sequence[Effect]) -> Effect:
    """The mean of effects that may share all of their noise, as arms with one baseline do: errors are averaged.

    No correlation makes the error of the mean larger than that (the triangle inequality of standard deviations).
    """
    if not effects:
        raise OptionError("no effects to average")
    return Effect(
        math.fsum(effect.value for effect in effects) / len(effects),
        math.fsum(effect.error for effect in effects) / len(effects),
    )


def pooled(effects: Sequence[Effect], *, level: float = LEVEL) -> Effect:
    """The mean of independent effects; from three on it is that of studies like these, under three of these alone.

    Effects are weighted by the inverse of noise plus spread (`spread`), and the error is the larger of what that gives
    and what their scatter gives (Knapp and Hartung 2003, Stat. Med. 22; Roever, Knapp and Friede 2015, BMC Med. Res.
    Methodol. 15), stretched so that its normal interval of probability `level` is as wide as Student's t. Two effects
    tell no spread: they have the inverse of their variances as weights, and noise alone.
    """
    check_level(level)
    if not effects:
        raise OptionError("no effects to pool")
    values, errors = (np.array([getattr(effect, name) for effect in effects]) for name in ("value", "error"))
    several = len(effects) >= FEWEST_SPREAD
    found = spread([[effects]], level=level) if several else None
    weights = 1 / (errors**2 + (0.0 if found is None else found.value**2))
    value = float(np.average(values, weights=weights))
    error = float(weights.sum()) ** -0.5
    if several:
        df, share = len(effects) - 1.0, (1 + level) / 2
        scatter = math.sqrt(float(weights @ (values - value) ** 2) / df)
        error *= max(1.0, scatter) * float(special.stdtrit(df, share) / special.ndtri(share))
    return Effect(value, error)


@dataclass(frozen=True)
class Spread:
    """Standard deviation of true effects within groups, with its interval's ends; 0 and more."""

    value: float
    low: float
    high: float
    df: float
    """Degrees of freedom: effects beyond the first of each group, where clusters of groups count as one."""


def spread(clusters: Sequence[Sequence[Sequence[Effect]]], *, level: float = LEVEL) -> Spread | None:
    """Spread of true effects within groups, beyond their noise, by profiling Cochran's Q.

    A cluster's groups may share all of their noise, as arms with one baseline do: their Q is averaged and counts once.
    Clusters are independent. The value is where Q equals its degrees of freedom (Paule and Mandel 1982, J. Res. Natl.
    Bur. Stand. 87), the interval is that of Viechtbauer (2007, Stat. Med. 26). None without a group of two effects.
    """
    check_level(level)
    kept = [[group for group in groups if len(group) > 1] for groups in clusters]
    kept = [groups for groups in kept if groups]
    if not kept:
        return None
    df = math.fsum(np.mean([len(group) - 1.0 for group in groups]) for groups in kept)

    def q(between: float) -> float:
        return math.fsum(np.mean([_q(group, between) for group in groups]) for groups in kept)

    upper, lower = (2 * float(special.gammaincinv(df / 2, share)) for share in ((1 + level) / 2, (1 - level) / 2))
    low, value, high = (_root(q, target) for target in (upper, df, lower))
    return Spread(value, low, high, df)


def _q(group: Sequence[Effect], between: float) -> float:
    """Cochran's Q of one group for true effects with the standard deviation `between`."""
    values = np.array([effect.value for effect in group])
    weights = 1 / (np.array([effect.error for effect in group]) ** 2 + between**2)
    return float((weights * (values - np.average(values, weights=weights)) ** 2).sum())


def _root(q: Callable[[float], float], target: float) -> float:
    """The standard deviation at which the falling function `q` is `target`; 0 where it lies under that at once."""
    if q(0.0) <= target:
        return 0.0
    high = 1.0
    while q(high) > target:
        high *= 2
    low = 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if q(middle) > target else (low, middle)
    return high
