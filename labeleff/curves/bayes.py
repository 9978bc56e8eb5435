"""Posterior of a learning curve's family in closed form.

The rung means are a curve c - b phi of `labeleff.curves.bayes_priors` with errors that are normal. Given phi, the curve
is linear in (c, b), so that the normal posterior and the marginal likelihood of every grid point are in closed form
(Rasmussen and Williams 2006, section 2.7): nothing is optimised, nothing has to converge.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from labeleff.curves.bayes_priors import Family, Grid
from labeleff.stats.moderation import Array

Indices = npt.NDArray[np.intp]

NODES = 16
"""Quantiles of b over which the share of (c, b) within bounds is averaged, and from which a draw is taken."""


def log_share(low: Array, high: Array) -> Array:
    """Log probability of a standard normal between `low` and `high`, accurate far out in both tails."""
    upper = low + high > 0
    low, high = np.where(upper, -high, low), np.where(upper, -low, high)
    return _log_difference(special.log_ndtr(low), special.log_ndtr(high))


def _log_difference(lower: Array, higher: Array) -> Array:
    """Logarithm of the difference of two probabilities, of whose logarithms `lower` isn't over `higher`."""
    with np.errstate(divide="ignore"):
        return np.asarray(higher + np.log(-np.expm1(lower - higher)))


def _log_sum(logs: Array) -> Array:
    """Logarithm of the sum of exp(`logs`) over each row; -inf for rows that are -inf throughout."""
    largest = logs.max(axis=1, keepdims=True)
    ties = logs == largest
    count = ties.sum(axis=1, keepdims=True, dtype=float)
    with np.errstate(invalid="ignore"):
        others = np.exp(np.where(ties, -np.inf, logs) - largest).sum(axis=1, keepdims=True)
    total = np.log1p(np.where(others == 0, others, others / count)) + np.log(count) + largest
    return np.asarray(np.where(np.isinf(largest), largest, total)[:, 0])


def truncated_normal(share: Array, low: Array, high: Array) -> Array:
    """Quantiles at `share` in 0..1 of a standard normal cut to `low`..`high`."""
    upper = low + high > 0
    left, right = (special.log_ndtr(np.where(upper, *ends)) for ends in ((-high, low), (-low, high)))
    part = np.log(np.where(upper, 1 - share, share)) + _log_difference(left, right)
    value = special.ndtri_exp(np.logaddexp(left, part))
    return np.asarray(np.clip(np.where(upper, -value, value), low, high))


@dataclass(frozen=True)
class Posterior:
    """Posterior of one family's c and b at each of M grid points; arrays are (M,).

    Before the bounds b ~ N(b_centre, b_sd) and, given b, c ~ N(c_centre + c_slope (b - b_centre), c_sd).
    """

    family: Family
    grid: Grid
    log_evidence: Array
    """Log of prior weight times marginal likelihood, before the bounds."""
    b_centre: Array
    b_sd: Array
    c_centre: Array
    c_slope: Array
    c_sd: Array

    def at(self, rows: Indices) -> Posterior:
        """The posterior at some of the grid points."""
        grid = Grid(self.grid.first[rows], self.grid.second[rows], self.grid.log_prior[rows])
        arrays = (self.log_evidence, self.b_centre, self.b_sd, self.c_centre, self.c_slope, self.c_sd)
        return Posterior(self.family, grid, *(array[rows] for array in arrays))

    def _b_limits(self) -> tuple[Array, Array]:
        """Limits of standardised b, each (M,)."""
        highest = 1.0 if self.family.positive else math.inf
        return -self.b_centre / self.b_sd, (highest - self.b_centre) / self.b_sd

    def _b(self, index: Indices, shares: Array) -> Array:
        """Quantiles of b within its bounds, (S, J), at `shares` (S, J) for the grid points `index` (S,)."""
        low, high = (limit[index, None] for limit in self._b_limits())
        return np.asarray(self.b_centre[index, None] + self.b_sd[index, None] * truncated_normal(shares, low, high))

    def _c_limits(self, index: Indices, b: Array) -> tuple[Array, Array, Array]:
        """Centre of c given `b` (S, J) and the limits of standardised c; only for a free c."""
        centre = self.c_centre[index, None] + self.c_slope[index, None] * (b - self.b_centre[index, None])
        lowest = b if self.family.positive else 0.0
        sd = self.c_sd[index, None]
        return centre, (lowest - centre) / sd, (1 - centre) / sd

    def log_weights(self) -> Array:
        """Log of prior weight times marginal likelihood within the bounds, (M,)."""
        weights = self.log_evidence + log_share(*self._b_limits())
        if self.family.c.sd == 0:
            return np.asarray(weights)
        index = np.arange(len(weights))
        b = self._b(index, np.tile((np.arange(NODES) + 0.5) / NODES, (len(weights), 1)))
        _, low, high = self._c_limits(index, b)
        return np.asarray(weights + _log_sum(log_share(low, high)) - math.log(NODES))

    def draw(self, index: Indices, uniforms: Array, turns: Indices | None = None) -> tuple[Array, Array]:
        """Draw c and b within the bounds, each (S,), at grid points `index` (S,), from `uniforms` (S, NODES + 2).

        One of NODES stratified values of b is taken in proportion to the share of c that the bounds allow for it;
        given b, c is exact. Where c is fixed, draws take the values in turn, from `turns` (S,) or one after another.
        """
        b = self._b(index, (np.arange(NODES) + uniforms[:, :NODES]) / NODES)
        row = np.arange(len(index))
        if self.family.c.sd == 0:
            return np.full(len(index), self.family.c.mean), b[row, (row if turns is None else turns) % NODES]
        centre, low, high = self._c_limits(index, b)
        allowed = log_share(low, high)
        total = np.cumsum(np.exp(allowed - allowed.max(axis=1, keepdims=True)), axis=1)
        chosen = (total < uniforms[:, NODES, None] * total[:, -1:]).sum(axis=1)
        c = truncated_normal(uniforms[:, NODES + 1], low[row, chosen], high[row, chosen])
        return centre[row, chosen] + self.c_sd[index] * c, b[row, chosen]


@dataclass(frozen=True)
class Whitening:
    """Maps of errors of R rung means to independent standard normals, for K covariances."""

    matrix: Array
    """(K, R, R): errors times one of them are independent."""
    log_det: Array
    """(K,): half the logarithm of the covariance's determinant."""


def whitening(covariances: Array) -> Whitening:
    """Whiten errors of each of the `covariances` (K, R, R)."""
    root = np.linalg.cholesky(covariances)
    return Whitening(np.linalg.inv(root).transpose(0, 2, 1), np.log(np.einsum("kii->ki", root)).sum(axis=1))


@dataclass(frozen=True)
class _Table:
    """A family's grid for one ladder, with phi at the rungs."""

    grid: Grid
    largest: Array
    """(M,): phi at the first rung."""
    relative: Array
    """(M, R): phi over its largest value."""


@functools.lru_cache(maxsize=32)
def _table(phi: Callable[..., Array], grid_of: Callable[[float, float], Grid], u: tuple[float, ...]) -> _Table:
    """Tabulate phi at `u` (R,): curves that have their rungs in common share it."""
    grid = grid_of(u[0], u[-1])
    values = phi(np.array(u), grid.first[:, None], grid.second[:, None])
    return _Table(grid, values[:, 0], values / values[:, :1])


def posterior(family: Family, u: Array, means: Array, covariance: Array) -> Posterior:
    """Condition a family on rung `means` (R,) at `u` (R,) whose errors have the `covariance` (R, R)."""
    return stacked(family, u, means, whitening(covariance[None]))


def stacked(family: Family, u: Array, means: Array, noise: Whitening) -> Posterior:
    """Condition a family on rung `means` (R,) at `u` (R,): its grid once for each covariance of their errors, in turn.

    Parameters are standardised c, and b times phi's value at the first rung, its largest: numbers stay moderate,
    however steep phi is. The precision's Cholesky factor is (l11, 0; l21, l22), whose substitution gives (h1, h2).
    """
    table, c, b = _table(family.phi, family.grid, tuple(u.tolist())), family.c, family.b
    residual, first = (means - c.mean) @ noise.matrix, c.sd * noise.matrix.sum(axis=1)
    second = -table.relative @ noise.matrix
    prior_sd, prior_mean = b.sd * table.largest, b.mean * table.largest
    l11 = np.sqrt(1 + (first**2).sum(axis=1, keepdims=True))
    l21 = (second @ first[:, :, None])[:, :, 0] / l11
    l22 = np.sqrt(np.einsum("kmr,kmr->km", second, second) - l21**2 + prior_sd**-2)
    h1 = (first * residual).sum(axis=1, keepdims=True) / l11
    h2 = ((second @ residual[:, :, None])[:, :, 0] + prior_mean / prior_sd**2 - l21 * h1) / l22
    quadratic = (residual**2).sum(axis=1, keepdims=True) + (b.mean / b.sd) ** 2 - h1**2 - h2**2
    log_volume = len(means) * math.log(2 * math.pi) / 2 + noise.log_det[:, None] + np.log(l11 * l22 * prior_sd)
    log_evidence = math.log(family.weight) + table.grid.log_prior - quadratic / 2 - log_volume
    b_centre, b_sd = h2 / l22 / table.largest, 1 / l22 / table.largest
    c_centre, c_slope = c.mean + c.sd * (h1 - l21 * h2 / l22) / l11, -c.sd * table.largest * l21 / l11
    c_sd = np.broadcast_to(c.sd / l11, h2.shape)
    arrays = (log_evidence, b_centre, b_sd, c_centre, c_slope, c_sd)
    grid = Grid(*(np.tile(each, len(l11)) for each in (table.grid.first, table.grid.second, table.grid.log_prior)))
    return Posterior(family, grid, *(array.ravel() for array in arrays))
