"""Closed forms of learning curves f(n) = c - b phi(n): phi, its slopes and its inverse.

The forms are those of Viering and Loog, The shape of learning curves (2021), table 1, with the names of the learning
curve database (Mohr et al. 2022), written for accuracy: b >= 0, so that no curve falls, and no asymptote is over 1.
Hill is from Domhan et al. (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.methods import Formula
from labeleff.stats.moderation import Array


@dataclass(frozen=True)
class Phi:
    """The shape of a curve; its callables take label counts and shape parameters that broadcast."""

    value: Callable[..., Array]
    slopes: Callable[..., list[Array]]
    """Derivatives with respect to every shape parameter."""
    inverse: Callable[..., Array]
    """The label count at which phi has a value; 0 or less where phi is below it from the start."""
    ranges: Callable[[float, float], list[tuple[float, float]]]
    """Bounds of the shape parameters for a ladder between two label counts."""


def _power(n: Array, a: Array) -> Array:
    return np.asarray(n**-a)


def _power_slopes(n: Array, a: Array) -> list[Array]:
    return [-np.log(n) * n**-a]


def _power_inverse(p: Array, a: Array) -> Array:
    return np.asarray(p ** (-1 / a))


def _power_ranges(first: float, last: float) -> list[tuple[float, float]]:
    del first, last
    return [(0.01, 5.0)]


def _shifted(n: Array, a: Array, d: Array) -> Array:
    return np.asarray((n + d) ** -a)


def _shifted_slopes(n: Array, a: Array, d: Array) -> list[Array]:
    phi = _shifted(n, a, d)
    return [-np.log(n + d) * phi, -a / (n + d) * phi]


def _shifted_inverse(p: Array, a: Array, d: Array) -> Array:
    return np.asarray(p ** (-1 / a) - d)


def _shifted_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(0.01, 5.0), (first / 1000, 10 * last)]


def _exponential(n: Array, a: Array) -> Array:
    return np.asarray(np.exp(-a * n))


def _exponential_slopes(n: Array, a: Array) -> list[Array]:
    return [-n * np.exp(-a * n)]


def _exponential_inverse(p: Array, a: Array) -> Array:
    return np.asarray(-np.log(p) / a)


def _exponential_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(0.01 / last, 5 / first)]


def _log(n: Array) -> Array:
    return np.asarray(-np.log(n))


def _log_slopes(n: Array) -> list[Array]:
    del n
    return []


def _log_inverse(p: Array) -> Array:
    return np.asarray(np.exp(-p))


def _no_ranges(first: float, last: float) -> list[tuple[float, float]]:
    del first, last
    return []


def _hill(n: Array, k: Array, g: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, g * np.log(n / k))))


def _hill_slopes(n: Array, k: Array, g: Array) -> list[Array]:
    phi = _hill(n, k, g)
    return [phi * (1 - phi) * g / k, -phi * (1 - phi) * np.log(n / k)]


def _hill_inverse(p: Array, k: Array, g: Array) -> Array:
    return np.asarray(k * np.maximum(1 / p - 1, 0.0) ** (1 / g))


def _weibull(n: Array, k: Array, g: Array) -> Array:
    return np.asarray(np.exp(-((n / k) ** g)))


def _weibull_slopes(n: Array, k: Array, g: Array) -> list[Array]:
    z = (n / k) ** g
    return [np.exp(-z) * z * g / k, -np.exp(-z) * z * np.log(n / k)]


def _weibull_inverse(p: Array, k: Array, g: Array) -> Array:
    return np.asarray(k * np.maximum(-np.log(p), 0.0) ** (1 / g))


def _scale_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(first / 30, 1000 * last), (0.05, 5.0)]


PHIS: Mapping[str, Phi] = {
    "power": Phi(_power, _power_slopes, _power_inverse, _power_ranges),
    "shifted power": Phi(_shifted, _shifted_slopes, _shifted_inverse, _shifted_ranges),
    "exponential": Phi(_exponential, _exponential_slopes, _exponential_inverse, _exponential_ranges),
    "logarithm": Phi(_log, _log_slopes, _log_inverse, _no_ranges),
    "hill": Phi(_hill, _hill_slopes, _hill_inverse, _scale_ranges),
    "weibull": Phi(_weibull, _weibull_slopes, _weibull_inverse, _scale_ranges),
}
"""Shapes by the names that `methods.FORMULAS` uses."""


@dataclass(frozen=True)
class Shapes:
    """Curves of one formula: asymptotes c and factors b of any shape, and T shape parameters that broadcast."""

    formula: Formula
    c: Array
    b: Array
    shape: Sequence[Array]

    @property
    def phi(self) -> Phi:
        """The formula's phi."""
        return PHIS[self.formula.phi]

    def at(self, ns: Array) -> Array:
        """Accuracies at label counts `ns`, which broadcast with the curves."""
        return np.asarray(self.c - self.b * self.phi.value(ns, *self.shape))

    def invert(self, targets: Array) -> Array:
        """Label counts that reach `targets`, which broadcast; inf where none does, 0 where every one does."""
        gap = self.c - targets
        flat = self.b == 0
        never = gap <= 0 if self.formula.saturates else np.zeros_like(gap, dtype=bool)
        solvable = ~(flat | never)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            p = np.where(solvable, gap, 1.0) / np.where(solvable, self.b, 1.0)
            counts = np.maximum(self.phi.inverse(p, *self.shape), 0.0)
        counts = np.where(never, np.inf, counts)
        return np.asarray(np.where(flat, np.where(gap >= 0, 0.0, np.inf), counts))
