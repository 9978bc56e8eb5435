"""Inversion: the label count at which a measured accuracy-against-labels curve reaches a target.

The methods of `labeleff.curves.interpolation` stay inside the ladder: a target over the last rung is "above", one under
the first "below". The method "bayes" is the Bayesian average of `curves.model_average`. A formula of
`labeleff.curves.methods` is fitted by least squares; it extrapolates too, with less justification than the average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.interpolation import Curves, check_ladder, fit
from labeleff.curves.inversion import (
    FittedCurve,
    Inversion,
    Kind,
    Solution,
    Targets,
    checked_targets,
    quantiles,
    rows,
    without_noise,
)
from labeleff.curves.least_squares import fit_shape, refit
from labeleff.curves.methods import BAYES, FORMULAS, check_method, check_rungs, needs_fractions
from labeleff.curves.model_average import average
from labeleff.curves.posterior_grid import REACH
from labeleff.curves.rung_means import NoisyMeans, check_fraction, checked_rungs, means_of_groups
from labeleff.curves.shapes import Shapes
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import REPLICATES
from labeleff.stats.stand_ins import Mean

BOOTSTRAPS = 500
"""Number of refits behind the interval of a formula."""
ROUNDING = 1e-9
"""Relative distance from the first or last rung within which a formula's label count is that rung."""


def invert(
    ns: Sequence[float],
    accuracies: Sequence[Sequence[float] | Mean] | Array,
    target: float,
    *,
    level: float = LEVEL,
    method: str = BAYES,
) -> Inversion:
    """The label count at which the curve behind the runs reaches the accuracy `target`.

    `accuracies` holds one sequence of per-run accuracies, or one `labeleff.Mean`, per rung, in any order; an array
    (R, runs) as from scikit-learn's `learning_curve` will do. `method` is "bayes" or a name of
    labeleff.curves.methods.FORMULAS, both for accuracies in 0..1, or a name of labeleff.curves.interpolation.METHODS.
    The interval of probability `level` carries the noise of the curve (runs taken as independent), not of the target.
    Raises CurveError for fewer than two rungs, rungs without runs, numbers that aren't finite and, with "bayes" and
    formulas, accuracies or a target not in 0..1; a formula needs as many rungs as it has parameters.

    Past four times the last rung "bayes" is off by a factor of two to three in the mean on real curves: `low` then says
    more than `n`. With one run per rung its noise is learned from the scatter around the curve and from other curves
    (`curves.rung_means.borrowed_sd`); other methods then have no interval.
    """
    check_method(method)
    if needs_fractions(method):
        check_fraction(float(checked_targets([target], None).values[0]), "target")
    return invert_many(ns, accuracies, [target], level=level, method=method)[0]


def invert_many(
    ns: Sequence[float],
    accuracies: Sequence[Sequence[float] | Mean] | Array,
    targets: Sequence[float] | Array,
    *,
    level: float = LEVEL,
    method: str = BAYES,
    target_draws: Array | None = None,
) -> list[Inversion]:
    """Invert one curve at K targets as `invert` does; it is fitted once.

    Targets outside 0..1 are solved like others: a curve of fractions is always or never there.

    `target_draws` (S, K) are equally likely values of uncertain targets, e.g. replicates of another arm's means:
    the intervals then carry their noise too.
    """
    check_level(level)
    check_method(method)
    ladder, target_set = checked_rungs(ns, accuracies), checked_targets(targets, target_draws)
    check_ladder(ladder.ns, ladder.means)
    if needs_fractions(method):
        ladder.check_accuracies()
    return fit_curve(means_of_groups(ladder), method).solve(target_set, level).rows


def fit_curve(measured: NoisyMeans, method: str) -> FittedCurve:
    """Fit a checked curve by the method of that name."""
    if method == BAYES:
        return average(measured)
    return _formula(measured, method) if method in FORMULAS else interpolate(measured, method)


@dataclass(frozen=True)
class InterpolatedCurve:
    """A curve through the means, which stays inside the ladder."""

    measured: NoisyMeans
    curve: Curves
    replicates: Curves | None
    """REPLICATES curves through resampled means; None without noise."""

    def solve(self, targets: Targets, level: float) -> Solution:
        """Invert at K targets with intervals of probability `level`."""
        first, last = self.measured.first, self.measured.last
        points = self.curve.invert(targets.values[None])[0]
        kinds: list[Kind] = ["above" if n == math.inf else "below" if n == 0 else "inside" for n in points]
        points = np.where(points == 0, first, points)
        if self.replicates is None:
            return Solution(without_noise(points, kinds, first, last), None, last, last)
        samples = self.replicates.invert(targets.sample(REPLICATES))
        low = quantiles(np.where(np.isinf(samples), last, samples), (1 - level) / 2)
        high = quantiles(np.where(samples == 0, first, samples), (1 + level) / 2)
        return Solution(rows(points, low, high, kinds, np.isinf(samples).mean(axis=0)), samples, last, last)


def interpolate(measured: NoisyMeans, method: str) -> InterpolatedCurve:
    """Interpolate rung means by a method of `labeleff.curves.interpolation`."""
    replicates = measured.draw(REPLICATES)
    return InterpolatedCurve(
        measured=measured,
        curve=fit(measured.ns, measured.means[None], measured.counts, method),
        replicates=None if replicates is None else fit(measured.ns, replicates, measured.counts, method),
    )


@dataclass(frozen=True)
class _FormulaCurve:
    """One fitted formula, whose intervals come from refits to BOOTSTRAPS replicates of the rung means.

    Label counts over 1000 times the last rung count as never, for the point and the refits alike, and `low` is
    at most that. The interval holds the noise of the runs, not the doubt whether the formula is correct.
    """

    measured: NoisyMeans
    curve: Shapes
    refits: Shapes | None

    def solve(self, targets: Targets, level: float) -> Solution:
        first, last = self.measured.first, self.measured.last
        reach = last * REACH[1]
        points = _within(self.curve.invert(targets.values), first, reach)
        kinds = [_formula_kind(n, last) for n in points]
        points = np.maximum(points, first)
        if self.refits is None:
            return Solution(without_noise(points, kinds, first, last), None, last, reach)
        samples = _within(self.refits.invert(targets.sample(BOOTSTRAPS)), first, reach)
        low = np.minimum(np.minimum(quantiles(samples, (1 - level) / 2), points), reach)
        low = np.where(np.array(kinds) == "below", 0.0, low)
        high = np.maximum(quantiles(np.maximum(samples, first), (1 + level) / 2), points)
        return Solution(rows(points, low, high, kinds, np.isinf(samples).mean(axis=0)), samples, last, reach)


def _formula(measured: NoisyMeans, name: str) -> _FormulaCurve:
    check_rungs(name, len(measured.ns))
    replicates = measured.draw(BOOTSTRAPS)
    weights = measured.counts if replicates is None else 1 / measured.variance
    curve = fit_shape(FORMULAS[name], measured.ns, measured.means, weights)
    refits = None if replicates is None else refit(curve, measured.ns, replicates, weights)
    return _FormulaCurve(measured, curve, refits)


def _within(ns: Array, first: float, reach: float) -> Array:
    """Label counts, with 0 for those under the first rung and inf for those over `reach`."""
    return np.where(ns < first * (1 - ROUNDING), 0.0, np.where(ns > reach, np.inf, np.maximum(ns, first)))


def _formula_kind(n: float, last: float) -> Kind:
    if n == 0:
        return "below"
    if n == math.inf:
        return "above"
    return "extrapolated" if n > last * (1 + ROUNDING) else "inside"
