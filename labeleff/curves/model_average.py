"""The default inversion: the Bayesian average, combined with isotonic PCHIP inside the ladder.

Inside the ladder the point is PCHIP's, which no model improved on real curves; beyond it, the median of the average.
Both ends are weighted geometric means of the two methods' ends; an end beyond the reach of the drawn curves is 0 or,
for the lower one, the reach itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves import bayes
from labeleff.curves.interpolation import Curves, fit
from labeleff.curves.inversion import Kind, Solution, Targets, quantiles, rank, rows, without_noise
from labeleff.curves.rung_means import NoisyMeans
from labeleff.stats.moderation import Array

BOOTSTRAPS = 500
"""Number of PCHIP replicates behind its share of the interval."""
MODEL_SHARE = 0.25
"""Weight of the average, beside PCHIP, in the logarithms of an interval's ends inside the ladder."""
PIECES = 16
"""Number of straight pieces between two rungs that replace one of PCHIP's cubics."""


@dataclass(frozen=True)
class AverageCurve:
    """A curve fitted by the Bayesian average and by PCHIP."""

    measured: NoisyMeans
    fitted: Curves
    """PCHIP through the isotonic means."""
    curves: Curves
    """The posterior's curves."""
    bootstraps: Curves | None
    """PCHIP through resampled means; None without noise."""

    def solve(self, targets: Targets, level: float) -> Solution:
        """Invert at K targets with intervals of probability `level`."""
        first, last = self.measured.first, self.measured.last
        measured = self.fitted.invert(targets.values[None])[0]
        [middle] = _certain(self.curves, targets.values, [0.5])
        points = _point(measured, middle, first, last)
        kinds = [_kind(at, n) for at, n in zip(measured, points, strict=True)]
        reach = last * bayes.REACH[1]
        if self.bootstraps is None:
            return Solution(without_noise(points, kinds, first, last), (), last, reach)
        true_targets = targets.conditional(self.measured.means - self.curves.at(self.measured.ns))
        tails = [(1 - level) / 2, (1 + level) / 2]
        samples: tuple[Array, ...] = ()
        if targets.certain:
            ends = [_certain(curves, targets.values, tails) for curves in (self.bootstraps, self.curves)]
        else:
            samples = self.bootstraps.invert(targets.sample(BOOTSTRAPS)), self.curves.invert(true_targets)
            ends = [[quantiles(sample, p) for p in tails] for sample in samples]
        low, high = (combine(one, other, first, last) for one, other in zip(*ends, strict=True))
        low = np.where(measured == 0, 0.0, np.minimum(np.minimum(low, points), reach))
        never = (self.curves.values[:, -1:] < true_targets).mean(axis=0)
        return Solution(rows(points, low, np.maximum(high, points), kinds, never), samples, last, reach)


def average(measured: NoisyMeans) -> AverageCurve:
    """Fit the Bayesian average to rung means in 0..1."""
    replicates = measured.draw(BOOTSTRAPS)
    fitted = fit(measured.ns, measured.means[None], measured.counts, "pchip")
    return AverageCurve(
        measured=measured,
        fitted=fitted,
        curves=bayes.draw(fitted.ns, fitted.values[0], measured.covariance).curves,
        bootstraps=None if replicates is None else _bootstraps(measured, replicates),
    )


def _bootstraps(measured: NoisyMeans, replicates: Array) -> Curves:
    """PCHIP through `replicates` (S, R) of the rung means, as straight pieces in ln n, PIECES between two rungs."""
    curves, count = fit(measured.ns, replicates, measured.counts, "pchip"), len(measured.ns)
    places = np.arange((count - 1) * PIECES + 1) / PIECES
    ns = np.exp(np.interp(places, np.arange(count), np.log(measured.ns)))
    ns[::PIECES] = measured.ns
    return Curves(ns, np.maximum.accumulate(curves.at(ns), axis=1), log=True)


def _certain(curves: Curves, targets: Array, probabilities: Sequence[float]) -> list[Array]:
    """Quantiles (K,) of the label counts at which `curves`, which never fall, reach `targets` (K,).

    One curve per probability gives all of them: a curve reaches t by n labels where its value at n is at least t,
    so the rank-th smallest label count is where the rank-th largest values reach t.
    """
    count = len(curves.values)
    ranks = [count - 1 - rank(count, p) for p in probabilities]
    values = np.partition(curves.values, ranks, axis=0)[ranks]
    return list(Curves(curves.ns, values, log=True).invert(np.tile(targets, (len(ranks), 1))))


def combine(measured: Array, model: Array, first: float, last: float) -> Array:
    """Weighted geometric mean of PCHIP's label counts and the model's, (K,).

    Where PCHIP only gives a bound (0: at most the first rung; inf: at least the last) the model counts within it.
    Rises with both, so that a higher target never gets fewer labels.
    """
    with np.errstate(invalid="ignore"):
        both = measured ** (1 - MODEL_SHARE) * model**MODEL_SHARE
    both = np.where(np.isinf(measured), np.maximum(model, last), both)
    return np.where(measured == 0, np.minimum(model, first), both)


def _point(measured: Array, model: Array, first: float, last: float) -> Array:
    return np.where(np.isinf(measured), np.maximum(model, last), np.maximum(measured, first))


def _kind(measured: float, n: float) -> Kind:
    if measured == 0:
        return "below"
    if n == np.inf:
        return "above"
    return "extrapolated" if measured == np.inf else "inside"
