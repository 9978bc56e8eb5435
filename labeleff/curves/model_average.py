"""The default inversion: equally likely curves of the Bayesian average.

The interval is that of the curves' label counts. Inside the ladder the point is the geometric mean of isotonic PCHIP's
label count and of the curves' median, which beats either on real curves; beyond it, the median alone.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from labeleff.curves.diagnostics import Fall, fall
from labeleff.curves.interpolation import Curves, fit
from labeleff.curves.inversion import Kind, Solution, Targets, quantiles, rank, rows
from labeleff.curves.posterior_curves import Average, draw
from labeleff.curves.posterior_grid import REACH
from labeleff.curves.rung_means import NoisyMeans
from labeleff.stats.moderation import Array


@dataclass(frozen=True)
class AverageCurve:
    """A curve fitted by the Bayesian average, with isotonic PCHIP beside it."""

    measured: NoisyMeans
    fitted: Curves
    """PCHIP through the isotonic means."""
    average: Average
    _ranked: dict[tuple[float, ...], Curves] = field(default_factory=dict, repr=False, compare=False)
    """Curves of equal rank by their probabilities: all arms need the same."""

    @property
    def curves(self) -> Curves:
        """The posterior's equally likely curves."""
        return self.average.curves

    @functools.cached_property
    def fall(self) -> Fall | None:
        """The largest fall of the means with more labels; None where they never fall."""
        return fall(self.measured)

    @property
    def sound(self) -> bool:
        """Whether the curve passes its checks: means within their bands, and no significant fall."""
        return self.average.sound and (self.fall is None or not self.fall.clear)

    @property
    def near_one(self) -> float:
        """The accuracy, half a step of the metric's resolution under 1, at which curves reach targets up to 1."""
        return 1 - self.measured.resolution / 2

    def solve(self, targets: Targets, level: float) -> Solution:
        """Invert at K targets with intervals of probability `level`."""
        first, last = self.measured.first, self.measured.last
        reach, tails = last * REACH[1], [(1 - level) / 2, (1 + level) / 2]
        values = _lowered(targets, targets.values, max(self.near_one, float(self.measured.means.max())))
        measured = self.fitted.invert(values[None])[0]
        true_targets = _lowered(targets, targets.values, self.near_one)
        middle, low, high = self._certain(true_targets, (0.5, *tails))
        samples = None
        never = (self.curves.values[:, -1:] < true_targets).mean(axis=0)
        if not targets.certain:
            drawn = targets.conditional(self.measured.means - self.curves.at(self.measured.ns))
            drawn = _lowered(targets, drawn, self.near_one)
            samples = self.curves.invert(drawn)
            low, high = (quantiles(samples, p) for p in tails)
            never = (self.curves.values[:, -1:] < drawn).mean(axis=0)
        points = _points(measured, middle, first, last)
        kinds = [_kind(at, n) for at, n in zip(measured, points, strict=True)]
        if not self.sound:
            first_crossing, last_crossing = self._crossings(values)
            low, high = np.minimum(low, first_crossing), np.maximum(high, last_crossing)
        low = np.where(measured == 0, 0.0, np.minimum(np.minimum(low, points), reach))
        return Solution(rows(points, low, np.maximum(high, points), kinds, never), samples, last, reach)

    def _certain(self, targets: Array, probabilities: tuple[float, ...]) -> list[Array]:
        """Quantiles (K,) of the label counts at which the curves, which never fall, reach certain `targets` (K,).

        One curve per probability gives all of them: a curve reaches t by n labels where its value at n is at least t,
        so the rank-th smallest label count is where the rank-th largest values reach t.
        """
        if probabilities not in self._ranked:
            count = len(self.curves.values)
            ranks = [count - 1 - rank(count, p) for p in probabilities]
            values = np.partition(self.curves.values, ranks, axis=0)[ranks]
            self._ranked[probabilities] = Curves(self.curves.ns, values, log=True)
        return list(self._ranked[probabilities].invert(np.tile(targets, (len(probabilities), 1))))

    def _crossings(self, targets: Array) -> tuple[Array, Array]:
        """First and last label counts (K,) at which straight pieces through the raw means reach `targets` (K,)."""
        ns, means = self.measured.ns, self.measured.means[None]
        highest, lowest = np.maximum.accumulate(means, axis=1), np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        earliest, latest = (Curves(ns, values, log=True).invert(targets[None])[0] for values in (highest, lowest))
        return np.minimum(earliest, self.measured.last), latest


def average(measured: NoisyMeans) -> AverageCurve:
    """Fit the Bayesian average to rung means in 0..1."""
    fitted = fit(measured.ns, measured.means[None], measured.counts, "pchip")
    return AverageCurve(measured, fitted, draw(measured))


def _lowered(targets: Targets, values: Array, most: float) -> Array:
    """Accuracies `values` (..., K) of the targets, at most `most`; targets over 1, which is never, stay over it."""
    return np.where(targets.values > 1, values, np.minimum(values, most))


def _points(measured: Array, middle: Array, first: float, last: float) -> Array:
    """Label counts (K,) from PCHIP's and from the median of the curves; both rise with the target, and so do they."""
    inside = np.sqrt(measured) * np.sqrt(np.clip(middle, first, last))  # their product may overflow
    return np.where(np.isinf(measured), np.maximum(middle, last), np.clip(inside, first, last))


def _kind(measured: float, n: float) -> Kind:
    if measured == 0:
        return "below"
    if n == np.inf:
        return "above"
    return "extrapolated" if measured == np.inf else "inside"
