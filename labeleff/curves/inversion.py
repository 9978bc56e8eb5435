"""Inversions and their targets: the types that all methods share, with order statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from labeleff.curves.rung_means import Errors, NoisyMeans
from labeleff.errors import CurveError
from labeleff.stats.moderation import Array

Kind = Literal["inside", "extrapolated", "above", "below"]
"""Position of a target: between measured rungs, beyond them by a model, or outside with a bound only."""


@dataclass(frozen=True)
class Inversion:
    """The label count at which a curve reaches a target.

    kind "inside": `n` lies between rungs. "extrapolated": it lies beyond the last one, by a model. "above": the
    target isn't reached and `n` is inf: no rung reaches it, nor do, for "bayes", most of the posterior's curves or,
    for a formula, the fitted one. "below": the first rung, or the formula at that rung, is already over it and `n`,
    the first rung, is an upper bound.

    `low` is 0, or `high` inf, where nothing is known on that side. With one run per rung "bayes" alone has an interval:
    `low` and `high` are None, and repeat the bound for "above" and "below".
    """

    n: float
    low: float | None
    high: float | None
    kind: Kind
    p_above: float | None
    """Share of resampled curves that don't reach the target; None without an interval.

    They are, for "bayes", the posterior's curves and, for a formula, its refits, up to 1000 times the last rung; for
    other methods, curves on the ladder.
    """

    @property
    def value(self) -> float | None:
        """`n` where it is a label count, measured or by a model; None where it is only a bound."""
        return self.n if self.kind in ("inside", "extrapolated") else None

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Both ends of the interval; None on a side where nothing is known, or without noise."""
        if self.p_above is None:
            return None, None
        return self.low or None, None if self.high == math.inf else self.high

    def bound(self, first: float, last: float) -> float | None:
        """The measured bound of a target outside the ladder from `first` to `last`; None inside."""
        return {"above": last, "extrapolated": last, "below": first}.get(self.kind)


@dataclass(frozen=True)
class Targets:
    """K target accuracies for one curve, with their noise."""

    values: Array
    """(K,): accuracies."""
    replicates: Array | None = None
    """(B, K): drawn jointly with the replicates of the curve's means; None for certain targets."""
    errors: Errors | None = None
    """Errors of the targets given those of the curve's means; None for certain targets."""

    @property
    def certain(self) -> bool:
        """Whether the targets have no noise."""
        return self.replicates is None and self.errors is None

    def sample(self, count: int) -> Array:
        """Replicates (count, K) of the targets, repeated where there are fewer."""
        rows = self.values[None] if self.replicates is None else self.replicates
        return rows[np.arange(count) % len(rows)]

    def conditional(self, errors: Array) -> Array:
        """The true targets, (S, K), where the curve's means have `errors` (S, R)."""
        if self.errors is None:
            return self.sample(len(errors))
        return np.asarray(self.values - self.errors.conditional(errors))


def checked_targets(targets: Sequence[float] | Array, draws: Array | None) -> Targets:
    """Check targets (K,) and equally likely values `draws` (S, K) of them, independent of the curve's noise.

    Raises CurveError for numbers that aren't finite and draws of another shape.
    """
    values = np.asarray(targets, dtype=float)
    for numbers in (values, *([] if draws is None else [draws])):
        if not np.isfinite(numbers).all():
            raise CurveError(f"target: found {numbers[~np.isfinite(numbers)][0]}, expected a finite accuracy")
    if draws is not None and (draws.ndim != 2 or draws.shape[1] != len(values) or not len(draws)):
        raise CurveError(f"draws of the targets: found shape {draws.shape}, expected (draws, {len(values)})")
    return Targets(values, draws)


@dataclass(frozen=True)
class Solution:
    """The inversions of K targets, and the samples behind their intervals."""

    rows: list[Inversion]
    samples: Array | None
    """(S, K): equally likely label counts; 0 where a target lies below the ladder, inf where it is never reached.

    None without noise, and for "bayes" with certain targets.
    """
    last: float
    """The largest label count measured."""
    ceiling: float
    """The label count over which nothing is known: `last`, or farther for methods that model the curve."""

    @property
    def models(self) -> bool:
        """Whether the method models the curve beyond the last rung."""
        return self.ceiling > self.last

    def nothing_saved(self, ns: Sequence[float], *, certain: bool) -> Solution:
        """The solution in which n labels equal n of the baseline; `certain` where that has no noise at all."""
        inversions = []
        for n, row in zip(ns, self.rows, strict=True):
            low, high = (float(n), float(n)) if certain else (min(row.low or 0.0, n), max(row.high or 0.0, n))
            never = 0.0 if certain and row.p_above is not None else row.p_above
            inversions.append(Inversion(float(n), low, high, "inside", never))
        samples = self.samples
        if certain and samples is not None:
            samples = np.tile(np.array(ns, dtype=float), (len(samples), 1))
        return replace(self, rows=inversions, samples=samples)


class FittedCurve(Protocol):
    """A curve fitted by one of the methods."""

    @property
    def measured(self) -> NoisyMeans:
        """The rung means that it was fitted to."""

    def solve(self, targets: Targets, level: float) -> Solution:
        """Invert at K targets with intervals of probability `level`."""


def plain_count(n: float) -> float:
    """A label count as it is written: a whole one as an int, `800` rather than `800.0`."""
    return int(n) if float(n).is_integer() else float(n)


def known_end(n: float, high: float | None, last: float) -> float | None:
    """The upper end of n1 at `n` labels; None beyond the ladder that ends at `last`, if n lies there too.

    How much better than its last rung the baseline would be at n is no measurement: that an arm costs labels there is
    known where it is under that rung.
    """
    return None if high is not None and n > last and high > last else high


def rank(count: int, p: float) -> int:
    """Place in rising order, from 0, of the smallest of `count` values that at least the share `p` doesn't exceed."""
    return min(max(math.ceil(p * count - 1e-9) - 1, 0), count - 1)


def quantiles(values: Array, p: float) -> Array:
    """Quantiles (K,) of the columns of `values` (S, K): the smallest value that a share `p` or more doesn't exceed."""
    place = rank(len(values), p)
    return np.asarray(np.partition(values, place, axis=0)[place])


def quantile(values: Array, p: float) -> float:
    """The smallest value that at least the share `p` of `values` (S,) doesn't exceed; safe with infinities."""
    return float(quantiles(values[:, None], p)[0])


def rows(n: Array, low: Array, high: Array, kinds: Sequence[Kind], p_above: Array) -> list[Inversion]:
    """One inversion per target, from arrays (K,)."""
    return [
        Inversion(float(a), float(b), float(c), kind, float(p))
        for a, b, c, kind, p in zip(n, low, high, kinds, p_above, strict=True)
    ]


def without_noise(n: Array, kinds: Sequence[Kind], first: float, last: float) -> list[Inversion]:
    """K inversions of a curve without noise: no intervals, only the bounds that need none."""
    bounds: dict[Kind, tuple[float, float]] = {"above": (last, math.inf), "below": (0.0, first)}
    inversions = []
    for value, kind in zip(n, kinds, strict=True):
        low, high = bounds.get(kind, (None, None))
        inversions.append(Inversion(float(value), low, high, kind, None))
    return inversions
