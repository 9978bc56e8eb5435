"""What an inversion says and what it is asked: the types that all its methods share, and their order statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from labeleff.curves.rung_means import Errors, NoisyMeans
from labeleff.errors import CurveError
from labeleff.stats.moderation import Array

Kind = Literal["inside", "extrapolated", "above", "below"]
"""Where a target lies: between measured rungs, beyond them by a model, or outside with a bound only."""


@dataclass(frozen=True)
class Inversion:
    """The label count at which a curve reaches a target.

    kind "inside": `n` lies between rungs. "extrapolated": it lies beyond the last one, by a model. "above": the
    target is not reached and `n` is inf; no rung reaches it, and for "bayes" most of the posterior's curves
    don't either; a fitted formula doesn't. "below": the first rung, or the formula there, is already over
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
    and for a formula of its refits that don't reach it within 1000 times the last rung; None without an interval."""

    @property
    def value(self) -> float | None:
        """`n` where it is a label count, measured or by a model; None where it is only a bound."""
        return self.n if self.kind in ("inside", "extrapolated") else None

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Both ends of the interval, None on a side where nothing is known, or without noise."""
        if self.p_above is None:
            return None, None
        return self.low or None, None if self.high == math.inf else self.high

    def bound(self, first: float, last: float) -> float | None:
        """What was measured of a target outside the ladder from `first` to `last`; None inside."""
        return {"above": last, "extrapolated": last, "below": first}.get(self.kind)


@dataclass(frozen=True)
class Goals:
    """K targets for one curve, with what is known of their noise."""

    values: Array
    """(K,)."""
    replicates: Array | None = None
    """(B, K): drawn jointly with the replicates of the curve's means; None for certain targets."""
    errors: Errors | None = None
    """Errors of the targets given those of the curve's means; None for certain targets."""

    @property
    def certain(self) -> bool:
        """Nothing but the values is known of them."""
        return self.replicates is None and self.errors is None

    def drawn(self, count: int) -> Array:
        """As many rows as `count`, (count, K), repeating what there is."""
        rows = self.values[None] if self.replicates is None else self.replicates
        return rows[np.arange(count) % len(rows)]

    def given(self, errors: Array) -> Array:
        """The true targets, (S, K), where the curve's means have `errors` (S, R)."""
        if self.errors is None:
            return self.drawn(len(errors))
        return np.asarray(self.values - self.errors.given(errors))


def checked_goals(targets: Sequence[float] | Array, draws: Array | None) -> Goals:
    """Targets (K,) with equally likely values `draws` (S, K) of them that have nothing to do with the curve's noise.

    Raises CurveError for numbers that aren't finite and draws of another shape.
    """
    values = np.asarray(targets, dtype=float)
    for numbers in (values, *([] if draws is None else [draws])):
        if not np.isfinite(numbers).all():
            raise CurveError(f"target: found {numbers[~np.isfinite(numbers)][0]}, expected a finite accuracy")
    if draws is not None and (draws.ndim != 2 or draws.shape[1] != len(values) or not len(draws)):
        raise CurveError(f"draws of the targets: found shape {draws.shape}, expected (draws, {len(values)})")
    return Goals(values, draws)


@dataclass(frozen=True)
class Solution:
    """The inversions of K targets, and the samples that their intervals were read from."""

    rows: list[Inversion]
    samples: tuple[Array, ...]
    """Each (S, K): equally likely label counts, 0 where a target lies below the ladder and inf where it is never
    reached; the first from curves through resampled means, a second, for "bayes", from the posterior's curves.
    Empty without noise, and for "bayes" with certain targets."""
    last: float
    """The largest label count measured."""
    ceiling: float
    """The label count over which nothing can be told: `last`, or farther where a model speaks."""

    @property
    def models(self) -> bool:
        """A model speaks beyond the last rung."""
        return self.ceiling > self.last


class Fitted(Protocol):
    """A curve fitted by one of the methods."""

    @property
    def measured(self) -> NoisyMeans:
        """What it was fitted to."""

    def solve(self, goals: Goals, level: float) -> Solution:
        """Invert at K goals with intervals of probability `level`."""


def rank(count: int, p: float) -> int:
    """Place in rising order, from 0, of the smallest of `count` values that the share `p` doesn't exceed."""
    return min(max(math.ceil(p * count - 1e-9) - 1, 0), count - 1)


def quantiles(values: Array, p: float) -> Array:
    """By column of `values` (S, K) the smallest value that at least the share `p` doesn't exceed, shape (K,)."""
    place = rank(len(values), p)
    return np.asarray(np.partition(values, place, axis=0)[place])


def quantile(values: Array, p: float) -> float:
    """The smallest value that at least the share `p` of `values` (S,) doesn't exceed; safe with infinities."""
    return float(quantiles(values[:, None], p)[0])


def rows(n: Array, low: Array, high: Array, kinds: Sequence[Kind], p_above: Array) -> list[Inversion]:
    """One inversion a target from arrays (K,)."""
    return [
        Inversion(float(a), float(b), float(c), kind, float(p))
        for a, b, c, kind, p in zip(n, low, high, kinds, p_above, strict=True)
    ]


def without_noise(n: Array, kinds: Sequence[Kind], first: float, last: float) -> list[Inversion]:
    """Inversions (K,) of a curve that shows no noise: no interval, but the bounds that need none."""
    bounds: dict[Kind, tuple[float, float]] = {"above": (last, math.inf), "below": (0.0, first)}
    found = []
    for value, kind in zip(n, kinds, strict=True):
        low, high = bounds.get(kind, (None, None))
        found.append(Inversion(float(value), low, high, kind, None))
    return found
