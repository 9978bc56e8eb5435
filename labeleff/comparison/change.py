"""One number's change from BASE to NEW, with what is known of its noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from scipy import special

from labeleff.stats.differences import Pairing
from labeleff.stats.moderation import Array
from labeleff.study.quantities import Quantity, Subject

How = Pairing | Literal["cell", "task"]
"""What makes a pair: as arms are paired, or, for speed, the cell, and for tasks passed, the task."""


class Doubt(Protocol):
    """What is known of a true difference."""

    def ends(self, level: float) -> tuple[float, float]:
        """The interval of probability `level`."""

    def below(self, bound: float) -> float:
        """One-sided p value of its being at least `bound`: small where it lies below."""

    def above(self, bound: float) -> float:
        """One-sided p value of its being at most `bound`: small where it lies above."""


@dataclass(frozen=True)
class Student:
    """Student's t around `mean`; `df` may be infinite."""

    mean: float
    error: float
    df: float

    def ends(self, level: float) -> tuple[float, float]:
        """Symmetric."""
        width = -self._quantile((1 - level) / 2) * self.error
        return self.mean - width, self.mean + width

    def below(self, bound: float) -> float:
        """By the distribution function."""
        return self._tail((self.mean - bound) / self.error)

    def above(self, bound: float) -> float:
        """By the distribution function."""
        return self._tail((bound - self.mean) / self.error)

    def _tail(self, t: float) -> float:
        return float(special.ndtr(t) if math.isinf(self.df) else special.stdtr(self.df, t))

    def _quantile(self, p: float) -> float:
        return float(special.ndtri(p) if math.isinf(self.df) else special.stdtrit(self.df, p))


@dataclass(frozen=True)
class Sampled:
    """Equally likely values (S,) in rising order."""

    values: Array

    def ends(self, level: float) -> tuple[float, float]:
        """Percentiles."""
        low, high = np.quantile(self.values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def below(self, bound: float) -> float:
        """Share of values that reach the bound, never 0 (Davison and Hinkley 1997, section 4.2.3)."""
        count = len(self.values) - int(np.searchsorted(self.values, bound, side="left"))
        return (1 + count) / (1 + len(self.values))

    def above(self, bound: float) -> float:
        """Share of values that don't exceed the bound, never 0."""
        return (1 + int(np.searchsorted(self.values, bound, side="right"))) / (1 + len(self.values))


@dataclass(frozen=True)
class Flips:
    """Tasks that were lost and gained, of those that both sides have: the exact test of McNemar (1947, Psychometrika
    12), conditional on how many changed sides, with the interval of Clopper and Pearson (1934, Biometrika 26)."""

    lost: int
    gained: int

    @property
    def _count(self) -> int:
        return self.lost + self.gained

    def ends(self, level: float) -> tuple[float, float]:
        """Of gained minus lost."""
        tail = (1 - level) / 2
        low = float(special.betaincinv(self.gained, self.lost + 1, tail)) if self.gained else 0.0
        high = float(special.betaincinv(self.gained + 1, self.lost, 1 - tail)) if self.lost else 1.0
        return self._count * (2 * low - 1), self._count * (2 * high - 1)

    def below(self, bound: float) -> float:
        """Probability of no more gained where the true difference is `bound`."""
        return float(special.bdtr(self.gained, self._count, self._share(bound))) if self._count else float(bound <= 0)

    def above(self, bound: float) -> float:
        """Probability of no fewer gained where the true difference is `bound`."""
        if not self._count:
            return float(bound >= 0)
        return 1.0 if not self.gained else float(special.bdtrc(self.gained - 1, self._count, self._share(bound)))

    def _share(self, bound: float) -> float:
        return min(max((1 + bound / self._count) / 2, 0.0), 1.0)


@dataclass(frozen=True)
class Exact:
    """No noise at all: both sides measured the same numbers."""

    value: float = 0.0

    def ends(self, level: float) -> tuple[float, float]:
        """The value twice."""
        del level
        return self.value, self.value

    def below(self, bound: float) -> float:
        """0 or 1."""
        return float(self.value >= bound)

    def above(self, bound: float) -> float:
        """0 or 1."""
        return float(self.value <= bound)


@dataclass(frozen=True)
class Change:
    """NEW - BASE of one subject."""

    subject: Subject
    quantity: Quantity
    base: float
    new: float
    difference: float
    """For relative quantities a share of BASE; of pairs where they are paired."""
    doubt: Doubt | None
    """Of the difference, for relative quantities of its ln(1 + share); None where nothing shows noise."""
    pairs: int
    pairing: How
    notes: tuple[str, ...] = ()
    bounded: bool = False
    """A side lies outside the baseline's ladder: the true difference is at least as large as this one."""
    judged: bool = True
    """False for speed of another machine: it has no verdict, and never gates."""

    def interval(self, level: float) -> tuple[float, float] | None:
        """Ends of the difference; None where nothing shows noise."""
        if self.doubt is None:
            return None
        low, high = self.doubt.ends(level)
        return (math.expm1(low), math.expm1(high)) if self.quantity.relative else (low, high)

    def p_worse(self, bound: float = 0.0) -> float | None:
        """One-sided p value: small where the difference lies beyond `bound` on the side of worse."""
        return self._p(bound, worse=True)

    def p_better(self) -> float | None:
        """One-sided p value: small where NEW is better."""
        return self._p(0.0, worse=False)

    def _p(self, bound: float, *, worse: bool) -> float | None:
        if self.doubt is None:
            return None
        tail: Callable[[float], float] = self.doubt.below if self.quantity.higher == worse else self.doubt.above
        return tail(math.log1p(bound) if self.quantity.relative else bound)
