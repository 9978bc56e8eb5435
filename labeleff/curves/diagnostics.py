"""Warnings about a curve: significant falls, and formulas that disagree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.curves.least_squares import fit_shape
from labeleff.curves.methods import FORMULAS
from labeleff.curves.rung_means import NoisyMeans
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import REPLICATES

SIGNIFICANT = 0.05
"""p value under which a fall contradicts a curve that never falls."""
ADEQUATE = 0.05
"""Smallest p value of the chi-square test of fit at which a formula's answer counts."""
LARGE = 0.04
"""Fall in accuracy of single runs, whose noise isn't measured, over which it counts as one."""
ERRORS = 2.0
"""Number of standard errors around the accuracies of a fall within which label counts are ill-defined."""


@dataclass(frozen=True)
class Fall:
    """The most significant fall of the mean accuracy with more labels."""

    n: float
    """Label count before the fall."""
    after: float
    """Label count after the fall, not always the next rung."""
    size: float
    """Size of the fall in accuracy, over 0."""
    p_value: float | None
    """Probability of a fall as significant anywhere in the ladder if the true curve never falls; None without noise."""
    reached_twice: tuple[float, float]
    """Accuracies from the lowest mean after the fall to the highest before it, each ERRORS standard errors farther."""

    @property
    def clear(self) -> bool:
        """Whether the fall is significant; where no noise is measured, whether it is large for a single run."""
        return self.size > LARGE if self.p_value is None else self.p_value < SIGNIFICANT


def fall(measured: NoisyMeans) -> Fall | None:
    """Test the means of a curve for a fall; None where they never fall.

    The statistic is the largest fall over all pairs, in standard errors; its distribution is that of replicates of
    the noise around a flat curve, on which apparent falls are likelier than on any other curve that never falls.
    """
    pairs = list(itertools.combinations(range(len(measured.ns)), 2))
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    falls = measured.means[first] - measured.means[second]
    if falls.max() <= 0:
        return None
    replicates = measured.draw(REPLICATES)
    variance = measured.variance[first] + measured.variance[second] - 2 * measured.covariance[first, second]
    scaled = falls / np.sqrt(variance)
    worst = int(scaled.argmax())
    p_value = None
    if replicates is not None:
        noise = replicates - measured.means
        falls_of_noise = (noise[:, first] - noise[:, second]) / np.sqrt(variance)
        p_value = float((falls_of_noise.max(axis=1) >= scaled[worst]).mean())
    before, after = int(first[worst]), int(second[worst])
    ns = measured.ns[[before, after]]
    return Fall(float(ns[0]), float(ns[1]), float(falls[worst]), p_value, _reached_twice(measured, before, after))


def _reached_twice(measured: NoisyMeans, before: int, after: int) -> tuple[float, float]:
    errors = ERRORS * np.sqrt(measured.variance)
    top = int(measured.means[:after].argmax())
    bottom = before + int(measured.means[before:].argmin())
    return float(measured.means[bottom] - errors[bottom]), float(measured.means[top] + errors[top])


@dataclass(frozen=True)
class Disagreement:
    """Label counts that single formulas which fit the curve give for one target."""

    low: float
    """The smallest label count."""
    high: float
    """The largest label count, inf where a formula never reaches the target."""
    names: tuple[str, ...]
    """The formulas, in the order of their label counts."""

    @property
    def factor(self) -> float:
        """Ratio of the largest to the smallest label count; inf where some formula never reaches the target."""
        if self.low == self.high:
            return 1.0
        return self.high / self.low if self.low > 0 else math.inf


def disagreement(measured: NoisyMeans, targets: Sequence[float] | Array) -> list[Disagreement] | None:
    """Inversions of every target by all formulas that the rungs don't reject; None where fewer than two are left.

    Formulas need more rungs than parameters to be tested. The noise is that of the means, without a common offset.
    """
    weights = 1 / measured.variance
    answers: dict[str, Array] = {}
    for name, formula in FORMULAS.items():
        free = len(measured.ns) - len(formula.names)
        if free < 1:
            continue
        curve = fit_shape(formula, measured.ns, measured.means, weights)
        rss = float((weights * (measured.means - curve.at(measured.ns)) ** 2).sum())
        if special.chdtrc(free, rss) >= ADEQUATE:
            answers[name] = curve.invert(np.asarray(targets, dtype=float))
    if len(answers) < 2:
        return None
    table, names = np.stack(list(answers.values())), np.array(list(answers))
    return [Disagreement(float(c.min()), float(c.max()), tuple(names[np.argsort(c)].tolist())) for c in table.T]
