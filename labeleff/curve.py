"""Inversion: the label count at which a measured accuracy-against-labels curve reaches a target.

The methods of `labeleff.interpolation` stay inside the ladder: a target over the last rung is "above", one under
the first "below". The method "bayes" combines isotonic PCHIP inside the ladder with the Bayesian average of
`labeleff.bayes`. A family of `labeleff.families` is one formula, fitted by least squares; beyond the ladder it
speaks too, with less reason than the average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labeleff import bayes, families
from labeleff.errors import CurveError, UnknownNameError
from labeleff.interpolation import METHODS, Curves, check_ladder, fit
from labeleff.rungs import Rungs, checked_rungs
from labeleff.stats import REPLICATES, Array, check_level, moderated_variance, resample_independent

Kind = Literal["inside", "extrapolated", "above", "below"]
"""Where a target lies: between measured rungs, beyond them by a model, or outside with a bound only."""
BAYES = "bayes"
BOOTSTRAPS = 500
"""Replicates of PCHIP behind its share of the Bayesian method's interval."""
ROUNDING = 1e-9
"""Relative distance from the first or last rung within which a formula's label count is that rung."""
PIECES = 16
"""Straight pieces between two rungs that stand for one of its cubics."""
ASSUMED_SD = 0.02
"""Of one run's accuracy, where no rung has two runs to measure it."""


@dataclass(frozen=True)
class Inversion:
    """The label count at which a curve reaches a target.

    kind "inside": `n` lies between rungs. "extrapolated": it lies beyond the last one, by a model. "above": the
    target is not reached and `n` is inf; no rung reaches it, and for "bayes" most of the posterior's curves
    don't either; a family's fitted formula doesn't. "below": the first rung, or the formula there, is already over
    it and `n`, the first rung, is an upper bound.

    `low` is 0, or `high` inf, where nothing is known on that side. With one run a rung there is no interval:
    `low` and `high` are None, and repeat the bound for "above" and "below".
    """

    n: float
    low: float | None
    high: float | None
    kind: Kind
    p_above: float | None
    """Share of resampled curves that don't reach the target on the ladder, for "bayes" of the posterior's curves
    and for a family of its refits that don't reach it within 1000 times the last rung; None without an interval."""


def _rank(count: int, p: float) -> int:
    """Place in rising order, from 0, of the smallest of `count` values that the share `p` doesn't exceed."""
    return min(max(math.ceil(p * count - 1e-9) - 1, 0), count - 1)


def quantiles(values: Array, p: float) -> Array:
    """By column of `values` (S, K) the smallest value that at least the share `p` doesn't exceed, shape (K,)."""
    rank = _rank(len(values), p)
    return np.asarray(np.partition(values, rank, axis=0)[rank])


def quantile(values: Array, p: float) -> float:
    """The smallest value that at least the share `p` of `values` (S,) doesn't exceed; safe with infinities."""
    return float(quantiles(values[:, None], p)[0])


@dataclass(frozen=True)
class _Goals:
    """K targets: their values (K,), and draws of them (S, K) where they are uncertain."""

    values: Array
    draws: Array | None

    def drawn(self, count: int) -> Array:
        """As many rows as `count`, (count, K), repeating what there is."""
        rows = self.values[None] if self.draws is None else self.draws
        return rows[np.arange(count) % len(rows)]


def invert(
    ns: Sequence[float],
    accuracies: Sequence[Sequence[float]],
    target: float,
    *,
    level: float = 0.90,
    method: str = BAYES,
) -> Inversion:
    """The label count at which the curve behind the runs reaches the accuracy `target`.

    `accuracies` holds one sequence of per-run accuracies a rung; rungs and runs may come in any order. `method`
    is "bayes" or a name of labeleff.families.FAMILIES, both for accuracies in 0..1, or a name of
    labeleff.interpolation.METHODS. The interval of probability
    `level` carries the noise of the curve (runs taken as independent), not of the target. Raises CurveError for
    fewer than two rungs, rungs without runs, numbers that aren't finite and, with "bayes" and families,
    not in 0..1; a family needs as many rungs as it has parameters.

    Beyond the ladder "bayes" is somewhat early (by about 0.1 decades in the median, on real curves), and past
    four times the last rung off by a factor of three in the mean: there `low` says more than `n`. With one run a
    rung its `n` rests on an assumed noise (ASSUMED_SD).
    """
    return invert_many(ns, accuracies, [target], level=level, method=method)[0]


def invert_many(
    ns: Sequence[float],
    accuracies: Sequence[Sequence[float]],
    targets: Sequence[float] | Array,
    *,
    level: float = 0.90,
    method: str = BAYES,
    target_draws: Array | None = None,
) -> list[Inversion]:
    """`invert` for K targets on one curve, which is fitted once.

    `target_draws` (S, K) are equally likely values of uncertain targets, e.g. replicates of another arm's means:
    the intervals then carry their noise too.
    """
    check_level(level)
    ladder, goals = checked_rungs(ns, accuracies), _checked_goals(targets, target_draws)
    if method == BAYES:
        return _average(ladder, goals, level)
    if method in families.FAMILIES:
        return _one_family(ladder, goals, level, method)
    if method not in METHODS:
        raise UnknownNameError("curve method", method, [*METHODS, *families.FAMILIES, BAYES])
    return _interpolated(ladder, goals, level, method)


def _checked_goals(targets: Sequence[float] | Array, draws: Array | None) -> _Goals:
    goals = np.asarray(targets, dtype=float)
    for values in (goals, *([] if draws is None else [draws])):
        if not np.isfinite(values).all():
            raise CurveError(f"target: found {values[~np.isfinite(values)][0]}, expected a finite accuracy")
    if draws is not None and (draws.ndim != 2 or draws.shape[1] != len(goals) or not len(draws)):
        raise CurveError(f"draws of the targets: found shape {draws.shape}, expected (draws, {len(goals)})")
    return _Goals(goals, draws)


def _bounds(kind: Kind, first: float, last: float) -> tuple[float | None, float | None]:
    """Ends of the interval that need no model of the noise."""
    return {"above": (last, math.inf), "below": (0.0, first)}.get(kind, (None, None))


def _interpolated(ladder: Rungs, goals: _Goals, level: float, method: str) -> list[Inversion]:
    first, last = ladder.ns[0], ladder.ns[-1]
    points = fit(ladder.ns, ladder.means[None], ladder.counts, method).invert(goals.values[None])[0]
    kinds: list[Kind] = ["above" if n == math.inf else "below" if n == 0 else "inside" for n in points]
    points = np.where(points == 0, first, points)
    replicates = resample_independent(ladder.ns, ladder.groups, REPLICATES)
    if replicates is None:
        return [Inversion(float(n), *_bounds(k, first, last), k, None) for n, k in zip(points, kinds, strict=True)]
    found = fit(ladder.ns, replicates, ladder.counts, method).invert(goals.drawn(len(replicates)))
    low = quantiles(np.where(np.isinf(found), last, found), (1 - level) / 2)
    high = quantiles(np.where(found == 0, first, found), (1 + level) / 2)
    return _rows(points, low, high, kinds, np.isinf(found).mean(axis=0))


def _rows(n: Array, low: Array, high: Array, kinds: Sequence[Kind], p_above: Array) -> list[Inversion]:
    return [
        Inversion(float(a), float(b), float(c), kind, float(p))
        for a, b, c, kind, p in zip(n, low, high, kinds, p_above, strict=True)
    ]


def _one_family(ladder: Rungs, goals: _Goals, level: float, name: str) -> list[Inversion]:
    """One family's formula; the interval is from refits to BOOTSTRAPS replicates of the rung means.

    Label counts over 1000 times the last rung count as never, for the point and the refits alike, and `low` is
    at most that. The interval holds the noise of the runs, not the doubt whether the family is right.
    """
    check_ladder(ladder.ns, ladder.means)
    ladder.check_accuracies()
    families.check_rungs(name, len(ladder.ns))
    ns, reach = np.asarray(ladder.ns, dtype=float), ladder.ns[-1] * bayes.REACH[1]
    moderated = moderated_variance(ladder.ns, ladder.groups)
    weights = ladder.counts if moderated is None else ladder.counts / moderated.variance
    shapes = families.fit_shape(families.FAMILIES[name], ns, ladder.means, weights)
    points = _within(shapes.invert(goals.values), ladder.ns[0], reach)
    kinds = [_family_kind(n, ladder.ns[-1]) for n in points]
    points = np.maximum(points, ladder.ns[0])
    replicates = resample_independent(ladder.ns, ladder.groups, BOOTSTRAPS)
    if replicates is None:
        ends = (ladder.ns[0], ladder.ns[-1])
        return [Inversion(float(n), *_bounds(k, *ends), k, None) for n, k in zip(points, kinds, strict=True)]
    refits = families.refit(shapes, ns, replicates, weights)
    found = _within(refits.invert(goals.drawn(len(replicates))), ladder.ns[0], reach)
    low = np.minimum(np.minimum(quantiles(found, (1 - level) / 2), points), reach)
    low = np.where(np.array(kinds) == "below", 0.0, low)
    high = quantiles(np.maximum(found, ladder.ns[0]), (1 + level) / 2)
    return _rows(points, low, np.maximum(high, points), kinds, np.isinf(found).mean(axis=0))


def _within(ns: Array, first: float, reach: float) -> Array:
    """Label counts with 0 for those under the first rung and inf for those over `reach`."""
    return np.where(ns < first * (1 - ROUNDING), 0.0, np.where(ns > reach, np.inf, np.maximum(ns, first)))


def _family_kind(n: float, last: float) -> Kind:
    if n == 0:
        return "below"
    if n == math.inf:
        return "above"
    return "extrapolated" if n > last * (1 + ROUNDING) else "inside"


def _average(ladder: Rungs, goals: _Goals, level: float) -> list[Inversion]:
    """The Bayesian average, inside the ladder joined with isotonic PCHIP.

    Point and both ends are combined by `_combine`; the point then keeps to the side of the rungs on which the
    isotonic means have the target. Ends beyond the reach of the drawn curves say only that: 0 or, for `low`,
    the reach itself.
    """
    ladder.check_accuracies()
    first, last = ladder.ns[0], ladder.ns[-1]
    moderated = moderated_variance(ladder.ns, ladder.groups)
    variance = (ASSUMED_SD**2 if moderated is None else moderated.variance) / ladder.counts
    fitted = fit(ladder.ns, ladder.means[None], 1 / variance, "pchip")
    measured = fitted.invert(goals.values[None])[0]
    curves = bayes.draw(fitted.ns, fitted.values[0], variance).curves
    points = _point(measured, _quantiles(curves, _Goals(goals.values, None), [0.5])[0], first, last)
    kinds = [_kind(at, n) for at, n in zip(measured, points, strict=True)]
    replicates = resample_independent(ladder.ns, ladder.groups, BOOTSTRAPS)
    if replicates is None:
        return [Inversion(float(n), *_bounds(k, first, last), k, None) for n, k in zip(points, kinds, strict=True)]
    tails = [(1 - level) / 2, (1 + level) / 2]
    bootstraps = _bootstraps(ladder, replicates, 1 / variance)
    pairs = zip(_quantiles(bootstraps, goals, tails), _quantiles(curves, goals, tails), strict=True)
    low, high = (_combine(*pair, first, last) for pair in pairs)
    low = np.where(measured == 0, 0.0, np.minimum(np.minimum(low, points), last * bayes.REACH[1]))
    p_above = (curves.values[:, -1:] < goals.drawn(len(curves.values))).mean(axis=0)
    return _rows(points, low, np.maximum(high, points), kinds, p_above)


def _bootstraps(ladder: Rungs, replicates: Array, weights: Array) -> Curves:
    """PCHIP through `replicates` (S, R) of the rung means, as straight pieces in ln n, PIECES between two rungs."""
    curves = fit(ladder.ns, replicates, weights, "pchip")
    places = np.arange((len(weights) - 1) * PIECES + 1) / PIECES
    ns = np.exp(np.interp(places, np.arange(len(weights)), np.log(ladder.ns)))
    ns[::PIECES] = ladder.ns
    return Curves(ns, np.maximum.accumulate(curves.at(ns), axis=1), log=True)


def _quantiles(curves: Curves, goals: _Goals, probabilities: Sequence[float]) -> list[Array]:
    """Quantiles (K,) of the label counts at which `curves`, which never fall, reach the goals.

    For certain goals all of them come from one curve a probability: a curve reaches t by n labels where its value
    at n is at least t, so the rank-th smallest label count is where the rank-th largest values reach t.
    """
    count = len(curves.values)
    if goals.draws is not None:
        found = curves.invert(goals.drawn(count))
        return [quantiles(found, p) for p in probabilities]
    ranks = [count - 1 - _rank(count, p) for p in probabilities]
    values = np.partition(curves.values, ranks, axis=0)[ranks]
    return list(Curves(curves.ns, values, log=True).invert(np.tile(goals.values, (len(ranks), 1))))


def _combine(measured: Array, model: Array, first: float, last: float) -> Array:
    """Geometric mean of PCHIP's label counts and the model's, (K,).

    Where PCHIP only gives a bound (0: at most the first rung; inf: at least the last) the model counts within it.
    Rises with both, so that a higher target never gets fewer labels.
    """
    with np.errstate(invalid="ignore"):
        both = np.sqrt(measured) * np.sqrt(model)
    both = np.where(np.isinf(measured), np.maximum(model, last), both)
    return np.where(measured == 0, np.minimum(model, first), both)


def _point(measured: Array, model: Array, first: float, last: float) -> Array:
    inside = np.clip(_combine(measured, model, first, last), first, last)
    return np.where(np.isinf(measured), np.maximum(model, last), inside)


def _kind(measured: float, n: float) -> Kind:
    if measured == 0:
        return "below"
    if n == math.inf:
        return "above"
    return "extrapolated" if measured == math.inf else "inside"
