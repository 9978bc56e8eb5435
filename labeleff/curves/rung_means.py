"""Means of measured rungs with their noise, for one curve and for arms beside it.

A curve comes from plain groups of accuracies, without known common draws, or from runs with named draws and seeds,
which arms may share: noise that a shared draw brings to both then cancels in their comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from labeleff.errors import CurveError
from labeleff.stats.moderation import Array, moderated_variance
from labeleff.stats.resampling import Factor, Runs, factors, means, resample, resample_independent


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
        """Number of runs per rung, shape (R,)."""
        return np.array([len(group) for group in self.groups], dtype=float)

    def check_accuracies(self) -> None:
        """Raise CurveError for an accuracy that isn't in 0..1."""
        for n, group in zip(self.ns, self.groups, strict=True):
            for value in (group[0], group[-1]):
                check_fraction(value, f"accuracies at {n} labels")


def checked_rungs(ns: Sequence[float], accuracies: Sequence[Sequence[float]]) -> Rungs:
    """Sort rungs, with one sequence of runs per rung; CurveError where a rung or its runs are missing."""
    if len(ns) != len(accuracies):
        raise CurveError(f"found {len(ns)} label counts but {len(accuracies)} rungs of accuracies")
    rungs = sorted(zip(ns, map(sorted, accuracies), strict=True))
    ladder, groups = [n for n, _ in rungs], [group for _, group in rungs]
    if not all(groups):
        raise CurveError(f"the rung of {ladder[groups.index([])]} labels has no accuracies")
    return Rungs(ladder, groups)


OFFSET_SHARE = 0.2
"""Variance of the error common to all rungs (one test split, nested draws), as a share of the mean variance.

It is assumed only for plain groups of runs; runs with named draws show what they have in common.
"""
ASSUMED_SD = 0.02
"""Standard deviation assumed for one run's accuracy, where no rung has two runs to measure it."""
BASELINE = "baseline"
"""Name of the baseline's streams of noise."""


@dataclass(frozen=True)
class NoisyMeans:
    """One curve's R rungs in rising order."""

    ns: Array
    """(R,): label counts, over 0."""
    means: Array
    counts: Array
    """(R,): number of runs behind the means."""
    covariance: Array
    """(R, R): covariance of the noise of the means; assumed where no rung has two runs."""
    draw: Callable[[int], Array | None]
    """Function from a count B to replicates (B, R) of the means; it returns None where no rung has two runs."""

    @property
    def variance(self) -> Array:
        """Variance of the means, (R,)."""
        return np.diag(self.covariance)

    @property
    def first(self) -> float:
        """The smallest label count."""
        return float(self.ns[0])

    @property
    def last(self) -> float:
        """The largest label count."""
        return float(self.ns[-1])


def means_of_groups(ladder: Rungs) -> NoisyMeans:
    """Means of plain groups of runs, which are taken as independent except for OFFSET_SHARE."""
    ns, groups, counts = ladder.ns, ladder.groups, ladder.counts
    moderated = moderated_variance(ns, groups)
    variance = (ASSUMED_SD**2 if moderated is None else moderated.variance) / counts
    return NoisyMeans(
        ns=np.asarray(ns, dtype=float),
        means=ladder.means,
        counts=counts,
        covariance=np.diag(variance) + OFFSET_SHARE * variance.mean(),
        draw=lambda count: resample_independent(ns, groups, count),
    )


def means_of_runs(runs: Runs, own: str) -> NoisyMeans:
    """Means of runs named by draw and seed; `own` names the streams of noise that the arm shares with no other."""
    counts = np.array([len(runs[n]) for n in sorted(runs)], dtype=float)
    parts = factors(runs)
    return NoisyMeans(
        ns=np.array(sorted(runs), dtype=float),
        means=means(runs),
        counts=counts,
        covariance=_covariance(parts) if parts else np.diag(ASSUMED_SD**2 / counts),
        draw=lambda count: resample(runs, own, count=count),
    )


def _covariance(parts: Sequence[Factor]) -> Array:
    return np.asarray(sum(part.loadings @ part.loadings.T + np.diag(part.independent) for part in parts))


def _cross(first: Sequence[Factor], second: Sequence[Factor]) -> Array:
    """Covariance (R, K) that draws and seeds of the same number bring to the means of two arms."""
    total = np.zeros((len(first[0].independent), len(second[0].independent)))
    for one in first:
        for other in second:
            if one.name == other.name:
                shared = np.intersect1d(one.levels, other.levels)
                left = one.loadings[:, np.searchsorted(one.levels, shared)]  # levels are sorted
                total += left @ other.loadings[:, np.searchsorted(other.levels, shared)].T
    return total


@dataclass(frozen=True)
class Errors:
    """Errors of an arm's K means, given those of the baseline's R means."""

    gain: Array
    """(K, R): expected error of every mean for a unit of the baseline's errors."""
    residuals: Array
    """(S, K): draws of the part that the baseline's errors don't explain."""

    def conditional(self, baseline: Array) -> Array:
        """Errors (S, K) of the arm, given draws (S, R) of the baseline's."""
        return np.asarray(baseline @ self.gain.T + self.residuals)


@dataclass(frozen=True)
class SharedNoise:
    """The baseline's noise, computed once for all arms that are measured against it."""

    parts: Sequence[Factor]
    errors: Array
    """(S, R): draws of the errors of its means."""

    def conditional(self, arm: Runs, own: str) -> Errors | None:
        """Draws of the arm's errors given the baseline's; None where the arm shows no noise.

        Errors of both are jointly normal up to the Student factors of `stats.resampling.resample`, whose replicates
        are made conditional by adding the part that the baseline's errors explain (Matheron's rule). The streams are
        those of the arm's name `own` and of the draws, so that an arm's numbers don't depend on the other arms.
        """
        replicates = resample(arm, own, count=len(self.errors))
        if replicates is None:
            return None
        gain = linalg.solve(_covariance(self.parts), _cross(self.parts, factors(arm)), assume_a="pos").T
        return Errors(gain, replicates - means(arm) - self.errors @ gain.T)


def shared_noise(baseline: Runs, count: int) -> SharedNoise | None:
    """`count` draws of the baseline's errors; None where it shows no noise."""
    replicates = resample(baseline, BASELINE, count=count)
    return None if replicates is None else SharedNoise(factors(baseline), replicates - means(baseline))
