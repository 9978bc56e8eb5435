"""The next rung to measure: how much of a forecast's uncertainty it is expected to remove, per additional label.

Preposterior analysis: a rung that isn't measured yet is simulated from the posterior's curves, and the variance that
the quantity would keep after it is averaged over what may be seen there. That average is the expected value of sample
information for estimation (Jackson, Presanis, Conti and De Angelis 2019, JASA 114:1436, section 2.2), by regression of
the quantity on simulated results (Strong, Oakley, Brennan and Breeze 2015, Medical Decision Making 35:570).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.interpolation import Curves
from labeleff.curves.inversion import plain_count
from labeleff.curves.rung_means import NoisyMeans
from labeleff.seeding import generator
from labeleff.stats.moderation import Array

BEYOND = (1.5, 2.0, 3.0, 4.0, 8.0, 16.0)
"""Candidates beyond the ladder, as multiples of the last rung."""
APART = 2.0
"""Least ratio of two neighbouring rungs between which a candidate lies, in their geometric middle."""


@dataclass(frozen=True)
class NextRung:
    """One candidate for the next rung."""

    n: float
    additional: float
    """Labels that have to be paid for: `n` less those that are labelled already, from 0 on."""
    runs: int
    """Number of runs assumed there: the pilot's median per rung."""
    sd: float
    """Expected standard deviation of the quantity after it."""
    removed: float
    """Expected share of the quantity's variance that it removes, in 0..1."""

    @property
    def per_label(self) -> float:
        """Share of the variance removed per additional label; inf where no label has to be paid for."""
        return self.removed / self.additional if self.additional else math.inf


@dataclass(frozen=True)
class Learning:
    """What further rungs are expected to teach about one quantity."""

    target: float | None
    """Accuracy whose label count n is the quantity, as ln n; None where it is the accuracy at `n` labels."""
    n: float | None
    """Label count at which the accuracy is the quantity; None for a target."""
    sd: float
    """Standard deviation of the quantity now; over 0."""
    rungs: tuple[NextRung, ...]
    """Candidates in rising order of their label counts."""

    @property
    def best(self) -> NextRung | None:
        """The candidate with additional labels that removes most variance per label; None where none removes any."""
        paid = [rung for rung in self.rungs if rung.additional > 0 and rung.removed > 0]
        return max(paid, key=lambda rung: rung.per_label, default=None)

    @property
    def free(self) -> NextRung | None:
        """The candidate among labels that are there already that removes most; None where there is none."""
        unpaid = [rung for rung in self.rungs if rung.additional == 0 and rung.removed > 0]
        return max(unpaid, key=lambda rung: rung.removed, default=None)


def candidates(ns: Array) -> list[float]:
    """Label counts worth a rung: middles between rungs `ns` (R,) that lie APART, and multiples of the last rung.

    They are whole where all rungs are, and rounded to three digits where a rung is none.
    """
    middles = [math.sqrt(a * b) for a, b in itertools.pairwise(ns) if b >= APART * a]
    whole = all(float(n).is_integer() for n in ns)
    found = (*middles, *(factor * ns[-1] for factor in BEYOND))
    rounded = {round(n) if whole else plain_count(float(f"{n:.3g}")) for n in found}
    return sorted(rounded - {float(n) for n in ns})


def run_sd(measured: NoisyMeans, ns: Array) -> Array:
    """Standard deviation of one run's accuracy at label counts `ns` (K,).

    Its logarithm is interpolated in ln n between the rungs; beyond them it stays what it is at the ladder's end.
    """
    logs = np.log(measured.variance * measured.counts) / 2
    return np.asarray(np.exp(np.interp(np.log(ns), np.log(measured.ns), logs)))


def remaining_variance(quantities: Array, accuracy: Array, noise_sd: float) -> Array:
    """Expected variances (Q,) of quantities after a mean accuracy with error `noise_sd` is seen.

    `quantities` (S, Q) and `accuracy` (S,) are of the same S equally likely curves. Every curve gives a simulated
    result, from which a quantity is predicted as the mean over all other curves, weighted by the likelihood of that
    result; the mean squared error of these predictions is the answer. A curve never predicts itself, so that few curves
    near a result make the answer too high rather than too low.
    """
    seen = accuracy + noise_sd * generator("next rung").standard_normal(len(accuracy))
    log_weights = -0.5 * ((seen[:, None] - accuracy) / noise_sd) ** 2
    np.fill_diagonal(log_weights, -np.inf)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    errors = quantities - weights @ quantities / weights.sum(axis=1, keepdims=True)
    return np.asarray(np.minimum((errors**2).mean(axis=0), quantities.var(axis=0)))


@dataclass(frozen=True)
class Quantities:
    """Quantities of the posterior's curves that a next rung is to teach about."""

    values: Array
    """(S, Q): one column per quantity."""
    targets: tuple[float, ...]
    """Accuracies whose ln n the columns are; empty for the accuracy at `n` labels."""
    n: float


def learning(measured: NoisyMeans, curves: Curves, quantities: Quantities, labelled: float) -> tuple[Learning, ...]:
    """What every candidate teaches about every quantity; quantities that don't vary are left out."""
    ns, now = candidates(measured.ns), quantities.values.var(axis=0)
    runs = max(1, int(np.median(measured.counts)))
    accuracies, noise = curves.at(np.array(ns, dtype=float)), run_sd(measured, np.array(ns)) / math.sqrt(runs)
    left = np.stack(
        [remaining_variance(quantities.values, column, sd) for column, sd in zip(accuracies.T, noise, strict=True)]
    )
    names: list[tuple[float | None, float | None]] = [(target, None) for target in quantities.targets]
    return tuple(
        Learning(target, n, math.sqrt(variance), _rungs(ns, column.tolist(), variance, labelled, runs))
        for (target, n), column, variance in zip(names or [(None, quantities.n)], left.T, now.tolist(), strict=True)
        if variance > 0
    )


def _rungs(ns: Sequence[float], left: Sequence[float], now: float, labelled: float, runs: int) -> tuple[NextRung, ...]:
    return tuple(
        NextRung(n, max(0.0, n - labelled), runs, math.sqrt(then), 1 - then / now)
        for n, then in zip(ns, left, strict=True)
    )
