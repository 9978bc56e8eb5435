"""Posterior draws of a learning curve: the Bayesian average of families with a misfit.

The accuracy behind the rung means is a curve c - b phi of `labeleff.curves.bayes_priors` plus a smooth misfit. Given
phi, the curve is linear in (c, b), so that the normal posterior and the marginal likelihood of every grid point are in
closed form (Rasmussen and Williams 2006, section 2.7): nothing is optimised, nothing has to converge.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, special

from labeleff.curves.bayes_priors import FAMILIES, Family, Grid
from labeleff.curves.interpolation import Curves
from labeleff.seeding import generator
from labeleff.stats.moderation import Array

Indices = npt.NDArray[np.intp]

DRAWS = 800
"""Number of drawn curves."""
NODES = 16
"""Quantiles of b over which the share of (c, b) within bounds is averaged, and from which a draw is taken."""
POINTS = 160
"""Number of label counts at which a drawn curve is evaluated."""
REACH = (1 / 8, 1000.0)
"""Range of the curves: factors of the first and of the last rung."""
MISFIT_LENGTH = 1.0
"""Length scale of the Matern-3/2 misfit, in ln n."""
MISFIT_FLOOR, MISFIT_SHARE = 0.02, 0.05
"""Size of the misfit: its sd is hypot(floor in accuracy, share of the curve's rise over the ladder)."""


def matern(distance: Array) -> Array:
    """Correlation of the misfit at a `distance` in ln n (Matern, smoothness 3/2)."""
    scaled = math.sqrt(3) * np.abs(distance) / MISFIT_LENGTH
    return np.asarray((1 + scaled) * np.exp(-scaled))


def misfit_sd(means: Array) -> float:
    """Standard deviation of the misfit for isotonic rung means (R,)."""
    return math.hypot(MISFIT_FLOOR, MISFIT_SHARE * float(means[-1] - means[0]))


def covariance(u: Array, means: Array, noise: Array) -> Array:
    """Covariance (R, R) of the rung means around f at `u` (R,): their `noise` (R, R) and the misfit."""
    return np.asarray(noise + misfit_sd(means) ** 2 * matern(u[:, None] - u))


def log_share(low: Array, high: Array) -> Array:
    """Log probability of a standard normal between `low` and `high`, accurate far out in both tails."""
    upper = low + high > 0
    low, high = np.where(upper, -high, low), np.where(upper, -low, high)
    with np.errstate(divide="ignore"):
        return np.asarray(special.log_ndtr(high) + np.log(-np.expm1(special.log_ndtr(low) - special.log_ndtr(high))))


def truncated_normal(share: Array, low: Array, high: Array) -> Array:
    """Quantiles at `share` in 0..1 of a standard normal cut to `low`..`high`."""
    upper = low + high > 0
    left, right = np.where(upper, -high, low), np.where(upper, -low, high)
    part = np.log(np.where(upper, 1 - share, share)) + log_share(left, right)
    value = special.ndtri_exp(np.logaddexp(special.log_ndtr(left), part))
    return np.asarray(np.clip(np.where(upper, -value, value), low, high))


@dataclass(frozen=True)
class Posterior:
    """Posterior of one family's c and b at each of its M grid points; arrays are (M,).

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
    c_sd: float

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
        return centre, (lowest - centre) / self.c_sd, (1 - centre) / self.c_sd

    def log_weights(self) -> Array:
        """Log of prior weight times marginal likelihood within the bounds, (M,)."""
        weights = self.log_evidence + log_share(*self._b_limits())
        if self.c_sd == 0:
            return np.asarray(weights)
        index = np.arange(len(weights))
        b = self._b(index, np.tile((np.arange(NODES) + 0.5) / NODES, (len(weights), 1)))
        _, low, high = self._c_limits(index, b)
        return np.asarray(weights + special.logsumexp(log_share(low, high), axis=1) - math.log(NODES))

    def draw(self, index: Indices, uniforms: Array) -> tuple[Array, Array]:
        """Draw c and b within the bounds, each (S,), at grid points `index` (S,), from `uniforms` (S, NODES + 2).

        One of NODES stratified values of b is taken in proportion to the share of c that the bounds allow for it;
        given b, c is exact.
        """
        b = self._b(index, (np.arange(NODES) + uniforms[:, :NODES]) / NODES)
        row = np.arange(len(index))
        if self.c_sd == 0:
            return np.full(len(index), self.family.c.mean), b[row, np.arange(len(index)) % NODES]
        centre, low, high = self._c_limits(index, b)
        allowed = log_share(low, high)
        total = np.cumsum(np.exp(allowed - allowed.max(axis=1, keepdims=True)), axis=1)
        chosen = (total < uniforms[:, NODES, None] * total[:, -1:]).sum(axis=1)
        c = truncated_normal(uniforms[:, NODES + 1], low[row, chosen], high[row, chosen])
        return centre[row, chosen] + self.c_sd * c, b[row, chosen]


def posterior(family: Family, u: Array, means: Array, covariance: Array) -> Posterior:
    """Condition a family on rung `means` (R,) at `u` (R,) whose errors have the `covariance` (R, R)."""
    grid = family.grid(float(u[0]), float(u[-1]))
    phi = family.phi(u, grid.first[:, None], grid.second[:, None])
    root = linalg.cholesky(covariance, lower=True)
    whiten = linalg.solve_triangular(root, np.eye(len(u)), lower=True).T
    # In standardised (c, b) the prior is N(0, 1) twice; the precision's Cholesky factor is (l11, 0; l21, l22).
    first, second = family.c.sd * whiten.sum(axis=0), -family.b.sd * (phi @ whiten)
    residual = (means - family.c.mean + family.b.mean * phi) @ whiten
    l11 = math.sqrt(1 + first @ first)
    l21 = second @ first / l11
    l22 = np.sqrt(1 + (second**2).sum(axis=1) - l21**2)
    h1 = residual @ first / l11
    h2 = ((residual * second).sum(axis=1) - l21 * h1) / l22
    quadratic = (residual**2).sum(axis=1) - h1**2 - h2**2
    log_volume = len(u) * math.log(2 * math.pi) / 2 + np.log(np.diag(root)).sum() + np.log(l11 * l22)
    return Posterior(
        family,
        grid,
        log_evidence=math.log(family.weight) + grid.log_prior - quadratic / 2 - log_volume,
        b_centre=family.b.mean + family.b.sd * h2 / l22,
        b_sd=family.b.sd / l22,
        c_centre=family.c.mean + family.c.sd * (h1 - l21 * h2 / l22) / l11,
        c_slope=-family.c.sd / family.b.sd * l21 / l11,
        c_sd=family.c.sd / l11,
    )


@dataclass(frozen=True)
class Average:
    """Equally likely learning curves that never fall, and the families they were drawn from."""

    curves: Curves
    """DRAWS rows at POINTS label counts; accuracies are at most 1."""
    weights: Mapping[str, float]
    """Share of each family in the draws; they sum to 1."""


@functools.cache
def _stream(name: str, rows: int, columns: int) -> Array:
    """Random numbers (rows, columns), normal for the misfit, else uniform in 0..1.

    They are the same for every curve, so that similar curves get similar answers.
    """
    stream = generator("bayes", name)
    values = stream.standard_normal((rows, columns)) if name == "misfit" else stream.random((rows, columns))
    values.flags.writeable = False
    return values


def _places(log_weights: Array) -> Indices:
    """DRAWS places in `log_weights`, rising, each in proportion to its weight (stratified sampling)."""
    shares = np.cumsum(np.exp(log_weights - log_weights.max()))
    strata = (np.arange(DRAWS) + _stream("strata", 1, DRAWS)[0]) / DRAWS
    return np.asarray(np.minimum(np.searchsorted(shares, strata * shares[-1]), len(shares) - 1))


@dataclass(frozen=True)
class _Members:
    """The draws from one family: their grid points, c and b, each (S,)."""

    part: Posterior
    index: Indices
    c: Array
    b: Array

    def at(self, u: Array) -> Array:
        """Accuracies c - b phi at `u` (P,), shape (S, P)."""
        grid = self.part.grid
        phi = self.part.family.phi(u, grid.first[self.index, None], grid.second[self.index, None])
        return np.asarray(self.c[:, None] - self.b[:, None] * phi)


def _members(parts: list[Posterior]) -> Iterator[_Members]:
    """Draw DRAWS curves over all families together, family by family."""
    places = _places(np.concatenate([part.log_weights() for part in parts]))
    uniforms = _stream("coefficients", DRAWS, NODES + 2)
    start = 0
    for part in parts:
        rows = np.flatnonzero((places >= start) & (places < start + len(part.log_evidence)))
        index = places[rows] - start
        yield _Members(part, index, *part.draw(index, uniforms[rows]))
        start += len(part.log_evidence)


def _misfit(u: Array, points: Array, residuals: Array, covariance: Array, sd: float) -> Array:
    """Draws of the misfit (S, G) at `points` (G,) given the `residuals` (S, R) of f at the rungs `u` (R,).

    The jitter, a thousandth of the misfit's standard deviation, keeps the Cholesky factor real.
    """
    across = sd**2 * matern(points[:, None] - u)
    gain = linalg.solve(covariance, across.T, assume_a="pos")
    remainder = sd**2 * (matern(points[:, None] - points) + 1e-6 * np.eye(len(points))) - across @ gain
    root = linalg.cholesky(remainder, lower=True)
    return np.asarray(residuals @ gain + _stream("misfit", len(residuals), len(points)) @ root.T)


def _rising(values: Array, first: int) -> Array:
    """Make rows (S, G) never fall: running maximum to the right of column `first`, running minimum to its left.

    Left of the rungs nothing is measured; a running maximum from there would lift the measured part.
    """
    left = np.minimum.accumulate(values[:, first::-1], axis=1)[:, ::-1]
    return np.concatenate([left[:, :-1], np.maximum.accumulate(values[:, first:], axis=1)], axis=1)


def draw(ns: Array, means: Array, noise: Array) -> Average:
    """Draw learning curves given rungs `ns` (R,), isotonic rung `means` (R,) and the covariance of their `noise`.

    Label counts rise, accuracies lie in 0..1, variances are over 0. The same input gives the same draws.
    """
    x = np.log(ns)
    middle = (x[0] + x[-1]) / 2
    u, points = x - middle, np.linspace(x[0] + math.log(REACH[0]), x[-1] + math.log(REACH[1]), POINTS) - middle
    errors = covariance(u, means, noise)
    members = list(_members([posterior(family, u, means, errors) for family in FAMILIES.values()]))
    residuals = means - np.concatenate([each.at(u) for each in members])
    values = np.concatenate([each.at(points) for each in members])
    values += _misfit(u, points, residuals, errors, misfit_sd(means))
    values = np.minimum(_rising(values, int(np.searchsorted(points, u[0]))), 1.0)
    curves = Curves(np.exp(points + middle), values, log=True)
    shares = [len(each.index) / DRAWS for each in members]
    return Average(curves, dict(zip(FAMILIES, shares, strict=True)))
