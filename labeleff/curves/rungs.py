"""Measured accuracies of one curve: checked, with rungs and runs in rising order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.errors import CurveError
from labeleff.statistics.stats import Array


def check_fraction(value: float, what: str) -> None:
    """Raise CurveError for an accuracy that isn't in 0..1."""
    if not 0 <= value <= 1:
        raise CurveError(f"{what}: found {value}, expected 0..1 (percent divided by 100)")


@dataclass(frozen=True)
class Rungs:
    """Label counts and, for each of them, the accuracies of its runs, at least one."""

    ns: list[float]
    groups: list[list[float]]

    @property
    def means(self) -> Array:
        """Mean accuracies, shape (R,)."""
        return np.array([np.mean(group) for group in self.groups])

    @property
    def counts(self) -> Array:
        """Runs a rung, shape (R,)."""
        return np.array([len(group) for group in self.groups], dtype=float)

    def check_accuracies(self) -> None:
        """Raise CurveError for an accuracy that isn't in 0..1."""
        for n, group in zip(self.ns, self.groups, strict=True):
            for value in (group[0], group[-1]):
                check_fraction(value, f"accuracies at {n} labels")


def checked_rungs(ns: Sequence[float], accuracies: Sequence[Sequence[float]]) -> Rungs:
    """`accuracies`, one sequence of runs a rung, in order; CurveError where a rung or its runs are missing."""
    if len(ns) != len(accuracies):
        raise CurveError(f"found {len(ns)} label counts but {len(accuracies)} rungs of accuracies")
    rungs = sorted(zip(ns, map(sorted, accuracies), strict=True))
    ladder, groups = [n for n, _ in rungs], [group for _, group in rungs]
    if not all(groups):
        raise CurveError(f"the rung of {ladder[groups.index([])]} labels has no accuracies")
    return Rungs(ladder, groups)
