"""Families of saturating learning curves, with their grids and priors.

A curve is f(n) = c - b phi(n). Label counts enter as u = ln(n / n0), n0 the geometric middle of the ladder, and the
grids follow the ladder: the unit in which labels are counted makes no difference. Power law and Hill come twice, with
their asymptote c free and with c = 1: a free asymptote alone says "never" too readily, a fixed one alone "soon". The
stretched exponential, whose tail is the lightest, has it free: it stands for curves that are flat at the last rung.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from labeleff.stats.moderation import Array

HIGHEST_EXPONENT = 300.0
"""Largest exponent of phi, so that it stays finite however long the ladder."""

HIGHEST_WEIBULL = 6.5
"""Largest logarithm of -ln phi of the stretched exponential, whose phi stays over 0."""


@dataclass(frozen=True)
class Grid:
    """Values of phi's two parameters at M points, with logs of their prior weights, which sum to 1; each (M,)."""

    first: Array
    second: Array
    log_prior: Array


def _grid(first: Array, second: Array, weights: Array) -> Grid:
    """Every pair of the values `first` (A,) and `second` (B,), with `weights` (A, B) up to a factor."""
    pairs = np.meshgrid(first, second, indexing="ij")
    return Grid(pairs[0].ravel(), pairs[1].ravel(), np.log(weights / weights.sum()).ravel())


def _log_normal(values: Array, centre: float, sd: float) -> Array:
    """Prior weights of log-spaced `values` under ln value ~ N(ln centre, sd)."""
    return np.asarray(np.exp(-0.5 * (np.log(values / centre) / sd) ** 2))


def power(u: Array, a: Array, log_d: Array) -> Array:
    """Shifted power law ((n + d) / (n0 + d))^-a at u = ln(n / n0), with log_d = ln(d / n0), -inf for d = 0."""
    exponent = -a * (np.logaddexp(u, log_d) - np.logaddexp(0.0, log_d))
    return np.asarray(np.exp(np.minimum(exponent, HIGHEST_EXPONENT)))


def _power_grid(low: float, high: float) -> Grid:
    """Exponents and shifts for a ladder from u = `low` to `high`; a shift of 0 is three times as likely as another."""
    a = np.geomspace(0.04, 3.0, 28)
    log_d = np.concatenate([[-math.inf], np.linspace(low - math.log(4), high, 9)])
    return _grid(a, log_d, np.outer(_log_normal(a, 0.4, 0.7), [3.0, *[1.0] * 9]))


def hill(u: Array, g: Array, log_k: Array) -> Array:
    """Hill (MMF) function 1 / (1 + (n / k)^g) at u = ln(n / n0), with log_k = ln(k / n0)."""
    return np.asarray(np.exp(-np.logaddexp(0.0, g * (u - log_k))))


def _hill_grid(low: float, high: float) -> Grid:
    g = np.geomspace(0.15, 3.0, 18)
    log_k = np.linspace(low - math.log(30), high + math.log(100), 34)
    return _grid(g, log_k, np.outer(_log_normal(g, 0.6, 0.6), np.ones(34)))


def weibull(u: Array, g: Array, log_k: Array) -> Array:
    """Stretched exponential exp(-(n / k)^g) at u = ln(n / n0), with log_k = ln(k / n0)."""
    return np.asarray(np.exp(-np.exp(np.minimum(g * (u - log_k), HIGHEST_WEIBULL))))


def _weibull_grid(low: float, high: float) -> Grid:
    g = np.geomspace(0.2, 2.0, 12)
    log_k = np.linspace(low - math.log(10), high + math.log(30), 20)
    return _grid(g, log_k, np.outer(_log_normal(g, 0.6, 0.6), np.ones(20)))


MISFITS: Mapping[float, float] = {0.01: 0.15, 0.03: 0.45, 0.1: 0.4}
"""Prior weights of the misfit's standard deviation, in units of the curve's rise over the ladder."""
NUGGETS: Mapping[float, float] = {0.0: 0.4, 0.01: 0.3, 0.03: 0.2, 0.1: 0.1}
"""Prior weights of the nugget's standard deviation, in the same units.

The nugget is scatter of the rungs that the runs of a rung share, such as the luck of its label subset. Averaged over
the development curves the posterior weights are about these (0.4, 0.3, 0.2, 0.06 on tabular data; 0.4, 0.25, 0.2, 0.15
for image and text networks).
"""


@dataclass(frozen=True)
class Normal:
    """A normal distribution; sd 0 is a fixed value."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Family:
    """A family of curves f = c - b phi with normal priors of c and b, cut to b >= 0 and 0 <= c <= 1.

    Where `positive`, they are cut to b <= c too.

    With `positive` and phi <= 1 no accuracy is under 0.
    """

    phi: Callable[[Array, Array, Array], Array]
    """Function of u and of phi's two parameters, which broadcast."""
    grid: Callable[[float, float], Grid]
    """Function from the ends of a ladder, two values of u, to its grid."""
    c: Normal
    b: Normal
    positive: bool
    weight: float
    """Prior probability."""


_FREE, _ONE = Normal(0.9, 0.25), Normal(1.0, 0.0)
_FREE_B, _ONE_B = Normal(0.3, 0.4), Normal(0.5, 0.5)
FAMILIES: Mapping[str, Family] = {
    "power": Family(power, _power_grid, c=_FREE, b=_FREE_B, positive=False, weight=0.05),
    "power to 1": Family(power, _power_grid, c=_ONE, b=_ONE_B, positive=False, weight=0.35),
    "hill": Family(hill, _hill_grid, c=_FREE, b=_FREE_B, positive=True, weight=0.05),
    "hill to 1": Family(hill, _hill_grid, c=_ONE, b=_ONE_B, positive=True, weight=0.35),
    "weibull": Family(weibull, _weibull_grid, c=_FREE, b=_FREE_B, positive=True, weight=0.2),
}
"""Families by name; their weights, before the data and the bounds, sum to 1."""
ABOVE = 0.4
"""Expected rise of a free asymptote over the last rung, where accuracies are low."""


def families(highest: float) -> dict[str, Family]:
    """Families by name for a curve whose last rung has the isotonic mean `highest`.

    A free asymptote is expected at most ABOVE over it: a curve that ends at 0.2 isn't expected to end up at 0.9.
    """
    free = Normal(min(_FREE.mean, highest + ABOVE), _FREE.sd)
    return {name: replace(each, c=free) if each.c.sd else each for name, each in FAMILIES.items()}
