"""Means of measured rungs with their noise, for one curve and for arms beside it.

A curve comes from plain groups of accuracies, without known common draws, or from runs with named draws and seeds,
which arms may share: noise that a shared draw brings to both then cancels in their comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import linalg

from labeleff.errors import CurveError
from labeleff.seeding import generator
from labeleff.stats.moderation import Array, moderated_variance, resolution
from labeleff.stats.resampling import (
    Factor,
    Run,
    Runs,
    factors,
    means,
    resample,
    resample_independent,
    total_variance,
)
from labeleff.stats.stand_ins import Mean, StandIns


def check_fraction(value: float, what: str) -> None:
    """Raise CurveError for an accuracy that isn't in 0..1."""
    if not 0 <= value <= 1:
        raise CurveError(f"{what}: found {value}, expected 0..1 (percent divided by 100)")


def label_count(given: Any, what: str) -> int:
    """Return a label count, which may be no whole number, or the text of one, as JSON has its keys; else CurveError.

    What else can be a float, as a tensor's element and a Decimal can, is one.
    """
    plain: int | str = given.item() if isinstance(given, np.generic) else given
    if isinstance(plain, str) and plain.isdecimal():
        return int(plain)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        return plain
    try:
        if hasattr(given, "__float__") and not isinstance(plain, bool):
            number = float(given)
            return int(number) if number.is_integer() else cast("int", number)
    except (TypeError, ValueError):
        pass
    raise CurveError(f"{what}: found {shortened(given)}, expected numbers, as in 50")


def accuracies_of(rung: object, what: str) -> list[float]:
    """Return the accuracies of a rung's runs as they are listed; CurveError for what is no list of numbers."""
    try:
        if isinstance(rung, Iterable) and not isinstance(rung, str | bytes | Mapping):
            return [float(value) for value in rung]
    except (TypeError, ValueError):
        pass
    raise CurveError(
        f"{what}: found {shortened(rung)}, expected a list with the number of each run, as in [0.31, 0.33]"
    )


def named_runs(rung: Mapping[Run, float], what: str) -> Mapping[Run, float]:
    """Return runs by (draw, seed) as they are; raises CurveError for other names."""
    for run in rung:
        if not (isinstance(run, tuple) and len(run) == 2 and all(isinstance(part, int | np.integer) for part in run)):
            hint = "a list will do where runs share neither"
            raise CurveError(f"{what}: found the run {run!r}, expected (draw, seed), two whole numbers; {hint}")
    accuracies_of(rung.values(), what)
    return rung


def shortened(value: object) -> str:
    """Write a value of an argument in a few words, for an error."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:40]}…"


@dataclass(frozen=True)
class Rungs:
    """Label counts and, for each of them, the accuracies of its runs, at least one."""

    ns: list[float]
    groups: list[list[float]]
    shown: list[list[float]]
    """Accuracies as they were given: the runs, or the mean alone of those that stand for one."""

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
        for n, group in zip(self.ns, self.shown, strict=True):
            for value in (group[0], group[-1]):
                check_fraction(value, f"accuracies at {n} labels")


def checked_rungs(ns: Sequence[float] | Array, accuracies: Sequence[Sequence[float] | Mean] | Array) -> Rungs:
    """Sort rungs, with one sequence of runs, or a mean, per rung; CurveError where a rung or its runs are missing."""
    given_rungs = list(accuracies)  # a table of pandas has as many columns as it yields, and another length
    if len(ns) != len(given_rungs):
        raise CurveError(f"found {len(ns)} label counts but {len(given_rungs)} rungs of accuracies")
    rungs: list[tuple[float, list[float], list[float]]] = []
    for given, rung in zip(ns, given_rungs, strict=True):
        n = label_count(given, "label counts")
        runs = rung.values() if isinstance(rung, Mean) else sorted(accuracies_of(rung, f"accuracies at {n} labels"))
        rungs.append((n, runs, [rung.mean] if isinstance(rung, Mean) else runs))
    rungs.sort()
    ladder, groups, shown = [n for n, _, _ in rungs], [group for _, group, _ in rungs], [each for *_, each in rungs]
    if not all(groups):
        raise CurveError(f"the rung of {ladder[groups.index([])]} labels has no accuracies")
    return Rungs(ladder, groups, shown)


LEVEL_MEAN, LEVEL_SLOPE, LEVEL_SD = -1.6, -0.33, 1.0
"""Noise of one run on real curves: ln(sd / sqrt(p (1 - p))) at n labels is N(mean + slope ln(n / first), sd).

`first` is the ladder's smallest label count: the unit of labels makes no difference. Of 231 curves of classical
learners on tabular data, from 16 labels on, mean and slope are -2.2 and -0.26 (residual sd 0.6), of the development
curves' image and text networks, from 10 labels on, -1.9 and -0.47 (0.9); p is an accuracy in 0..1. The mean is larger,
as a single run also has the scatter between rungs.
"""
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
    """(R, R): covariance of the noise of the means; borrowed from other curves where no rung has two runs."""
    df: float
    """Median degrees of freedom of the variances; inf where they are borrowed."""
    resolution: float
    """The metric's own resolution: the smallest step between two values."""
    draw: Callable[[int], Array | None]
    """Function from a count B to replicates (B, R) of the means; it returns None where no rung has two runs."""

    @property
    def borrowed(self) -> bool:
        """Whether no rung has two runs, so that the noise is known up to a factor e^(LEVEL_SD z) alone."""
        return self.df == np.inf

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


def borrowed_sd(ns: Array, accuracies: Array, first: float) -> Array:
    """Standard deviation of one run at label counts `ns` (R,) and `accuracies` (R,) in 0..1, as on other curves.

    `first` is where the ladder starts, an arm's where its baseline's does.
    """
    p = np.clip(accuracies, 0.02, 0.98)
    return np.asarray(np.exp(LEVEL_MEAN + LEVEL_SLOPE * np.log(ns / first)) * np.sqrt(p * (1 - p)))


def means_of_groups(ladder: Rungs) -> NoisyMeans:
    """Means of plain groups of runs, which are taken as independent."""
    ns, groups, counts = np.asarray(ladder.ns, dtype=float), ladder.groups, ladder.counts
    moderated = moderated_variance(ladder.ns, groups)
    variance = borrowed_sd(ns, ladder.means, ns[0]) ** 2 if moderated is None else moderated.variance
    return NoisyMeans(
        ns=ns,
        means=ladder.means,
        counts=counts,
        covariance=np.diag(variance / counts),
        df=np.inf if moderated is None else float(np.median(moderated.df)),
        resolution=resolution(ladder.shown),
        draw=lambda count: resample_independent(ladder.ns, groups, count),
    )


def means_of_runs(runs: Runs, own: str) -> NoisyMeans:
    """Means of runs named by draw and seed; `own` names the streams of noise that the arm shares with no other."""
    ns = np.array(sorted(runs), dtype=float)
    counts, centres = np.array([len(runs[n]) for n in sorted(runs)], dtype=float), means(runs)
    parts = factors(runs)
    return NoisyMeans(
        ns=ns,
        means=centres,
        counts=counts,
        covariance=_covariance(parts) if parts else np.diag(borrowed_sd(ns, centres, ns[0]) ** 2 / counts),
        df=float(np.median(total_variance(parts)[1])) if parts else np.inf,
        resolution=resolution([shown_values(rung) for rung in runs.values()]),
        draw=lambda count: resample(runs, own, count=count),
    )


def shown_values(rung: Mapping[Run, float]) -> list[float]:
    """Accuracies of a rung that mean something: those of its runs, or the mean alone of stand-ins."""
    return [math.fsum(rung.values()) / len(rung)] if isinstance(rung, StandIns) else list(rung.values())


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

    first: float
    """Its smallest label count."""
    parts: Sequence[Factor]
    errors: Array
    """(S, R): draws of the errors of its means; zeros where it shows no noise."""
    scatter: Array
    """(S,): standard deviation of what adds to a rung's mean beside the noise of its runs, in the baseline and arms."""
    level: Array | None
    """(S,): noise of one run, in units of `borrowed_sd`; None where the method learns none."""

    def conditional(self, arm: Runs, own: str) -> Errors | None:
        """Draws of the arm's errors given the baseline's; None where the arm shows no noise and `level` is None.

        Errors of both are jointly normal up to the Student factors of `stats.resampling.resample`, whose replicates
        are made conditional by adding the part that the baseline's errors explain (Matheron's rule). The streams are
        those of `own` and of the draws, so that an arm's numbers don't depend on the other arms. An arm with one run
        per rung has the baseline's level of noise.
        """
        count, centres = len(self.errors), means(arm)
        replicates = resample(arm, own, count=count)
        noise = generator("resample", "own", own, "errors").standard_normal((2, count, len(arm)))
        residuals = self.scatter[:, None] * noise[0]
        gain = np.zeros((len(arm), self.errors.shape[1]))
        if replicates is None:
            if self.level is None:
                return None
            sd = borrowed_sd(np.array(sorted(arm), dtype=float), centres, self.first)
            return Errors(gain, residuals + self.level[:, None] * sd * noise[1])
        if self.parts:
            total = _covariance(self.parts) + np.mean(self.scatter**2) * np.eye(self.errors.shape[1])
            sd = np.sqrt(np.diag(total))[:, None]  # variances may differ by many decades, correlations don't
            shared = _cross(self.parts, factors(arm)) / sd
            gain = (linalg.solve(total / sd / sd.T, shared, assume_a="pos") / sd).T
        return Errors(gain, residuals + replicates - centres - self.errors @ gain.T)


def shared_noise(baseline: Runs, scatter: Array, level: Array | None) -> SharedNoise:
    """Draws of the baseline's errors, as many as `scatter` (S,) and `level` (S,) have."""
    replicates = resample(baseline, BASELINE, count=len(scatter))
    errors = np.zeros((len(scatter), len(baseline))) if replicates is None else replicates - means(baseline)
    return SharedNoise(min(baseline), factors(baseline), errors, scatter, level)
