"""Change of one number from BASE to NEW, with its uncertainty."""

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
"""Kind of pairs: those of arms, or cells (speed), or tasks (tasks passed)."""


class Uncertainty(Protocol):
    """Distribution of a true difference."""

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of the interval of probability `level`."""

    def below(self, bound: float) -> float:
        """One-sided p value of the hypothesis that the difference is at least `bound`: small where it lies below."""

    def above(self, bound: float) -> float:
        """One-sided p value of the hypothesis that the difference is at most `bound`: small where it lies above."""


@dataclass(frozen=True)
class Student:
    """Student's t distribution around `mean` with scale `error`; `df` may be infinite."""

    mean: float
    error: float
    df: float

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of the symmetric interval."""
        width = -self._quantile((1 - level) / 2) * self.error
        return self.mean - width, self.mean + width

    def below(self, bound: float) -> float:
        """p value by the distribution function."""
        return self._tail((self.mean - bound) / self.error)

    def above(self, bound: float) -> float:
        """p value by the distribution function."""
        return self._tail((bound - self.mean) / self.error)

    def _tail(self, t: float) -> float:
        return float(special.ndtr(t) if math.isinf(self.df) else special.stdtr(self.df, t))

    def _quantile(self, p: float) -> float:
        return float(special.ndtri(p) if math.isinf(self.df) else special.stdtrit(self.df, p))


@dataclass(frozen=True)
class Samples:
    """Samples: equally likely values (S,) in rising order."""

    values: Array

    def ends(self, level: float) -> tuple[float, float]:
        """Ends by percentiles."""
        low, high = np.quantile(self.values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def below(self, bound: float) -> float:
        """p value: share of values that reach the bound, never 0 (Davison and Hinkley 1997, section 4.2.3)."""
        count = len(self.values) - int(np.searchsorted(self.values, bound, side="left"))
        return (1 + count) / (1 + len(self.values))

    def above(self, bound: float) -> float:
        """p value: share of values that don't exceed the bound, never 0."""
        return (1 + int(np.searchsorted(self.values, bound, side="right"))) / (1 + len(self.values))


@dataclass(frozen=True)
class Flips:
    """Numbers of tasks lost and gained, of those that both sides have.

    The test is the exact one of McNemar (1947, Psychometrika 12), conditional on the number of tasks that changed; the
    interval is that of Clopper and Pearson (1934, Biometrika 26).
    """

    lost: int
    gained: int

    @property
    def _count(self) -> int:
        return self.lost + self.gained

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of the interval of gained minus lost tasks."""
        tail = (1 - level) / 2
        low = float(special.betaincinv(self.gained, self.lost + 1, tail)) if self.gained else 0.0
        high = float(special.betaincinv(self.gained + 1, self.lost, 1 - tail)) if self.lost else 1.0
        return self._count * (2 * low - 1), self._count * (2 * high - 1)

    def below(self, bound: float) -> float:
        """p value: probability of at most as many gained tasks where the true difference is `bound`."""
        return float(special.bdtr(self.gained, self._count, self._share(bound))) if self._count else float(bound <= 0)

    def above(self, bound: float) -> float:
        """p value: probability of at least as many gained tasks where the true difference is `bound`."""
        if not self._count:
            return float(bound >= 0)
        return 1.0 if not self.gained else float(special.bdtrc(self.gained - 1, self._count, self._share(bound)))

    def _share(self, bound: float) -> float:
        return min(max((1 + bound / self._count) / 2, 0.0), 1.0)


@dataclass(frozen=True)
class Exact:
    """Difference without noise: both sides measured the same numbers."""

    value: float = 0.0

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of an empty interval: the value twice."""
        del level
        return self.value, self.value

    def below(self, bound: float) -> float:
        """p value: 0 or 1."""
        return float(self.value >= bound)

    def above(self, bound: float) -> float:
        """p value: 0 or 1."""
        return float(self.value <= bound)


@dataclass(frozen=True)
class Change:
    """Change of one subject: NEW minus BASE."""

    subject: Subject
    quantity: Quantity
    base: float
    new: float
    difference: float
    """NEW - BASE, or the share of BASE for relative quantities; computed from pairs where cells are paired."""
    uncertainty: Uncertainty | None
    """Distribution of the difference, for relative quantities of ln(1 + share); None where no noise is measured."""
    pairs: int
    pairing: How
    notes: tuple[str, ...] = ()
    bounded: bool = False
    """True where a side lies outside the baseline's ladder (over the ladder: at every rung).

    The true difference is then at least as large as this one.
    """
    judged: bool = True
    """False for speed of another machine: it has no verdict, and never gates."""

    def interval(self, level: float) -> tuple[float, float] | None:
        """Interval of the difference; None where no noise is measured."""
        if self.uncertainty is None:
            return None
        low, high = self.uncertainty.ends(level)
        return (math.expm1(low), math.expm1(high)) if self.quantity.relative else (low, high)

    def p_worse(self, bound: float = 0.0) -> float | None:
        """One-sided p value that is small where the difference is worse than `bound`; None without noise."""
        return self._p(bound, worse=True)

    def p_better(self) -> float | None:
        """One-sided p value that is small where NEW is better; None without noise."""
        return self._p(0.0, worse=False)

    def _p(self, bound: float, *, worse: bool) -> float | None:
        if self.uncertainty is None:
            return None
        tail: Callable[[float], float] = (
            self.uncertainty.below if self.quantity.higher == worse else self.uncertainty.above
        )
        return tail(math.log1p(bound) if self.quantity.relative else bound)
