"""Simulated measurements with known answers: learning curves of five families and of none, and noisy runs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

Array = npt.NDArray[np.float64]
UNEVEN = 0.4
"""Standard deviation of ln variance around its trend over the rungs, as on real curves with 25 runs per rung."""
REACH = 10.0
"""Multiple of the last rung up to which curves are used."""


@dataclass(frozen=True)
class World:
    """One simulated study: a baseline's true curve, its ladder, and how noisy its runs are."""

    curve: Callable[[Array], Array]
    ns: Array
    runs: int
    sd: Array
    """Standard deviation of one run at every rung, (R,)."""
    shared: float
    """Correlation of a draw's errors at different rungs and, in utility, between arms."""

    def measure(self, rng: np.random.Generator, luck: Array, curve: Callable[[Array], Array] | None = None) -> Array:
        """Simulate accuracies (runs, R) of a curve; `luck` (runs, 2) are standard normals of the draws: common, own."""
        true = (curve or self.curve)(self.ns)
        noise = rng.standard_normal((self.runs, len(self.ns)))
        noise = np.sqrt(self.shared) * luck[:, :1] + np.sqrt(1 - self.shared) * noise
        return np.clip(true + self.sd * noise, 0, 1)


def _between(first: float, last: float, low: float, high: float, phi: Callable[[Array], Array]) -> Callable:
    """Make the curve c - b phi through (first, low) and (last, high)."""
    start, end = (float(phi(np.array([n]))[0]) for n in (first, last))
    b = (high - low) / (start - end)
    return lambda n: low + b * (start - phi(np.asarray(n, dtype=float)))


def _power(rng: np.random.Generator, n: Array) -> Callable:
    rate = rng.uniform(0.15, 0.9)
    return lambda m: m**-rate


def _shifted(rng: np.random.Generator, n: Array) -> Callable:
    rate, shift = rng.uniform(0.2, 1.0), n[0] * np.exp(rng.uniform(np.log(0.3), np.log(8)))
    return lambda m: (m + shift) ** -rate


def _exponential(rng: np.random.Generator, n: Array) -> Callable:
    scale = n[-1] / rng.uniform(0.4, 1.6)
    return lambda m: np.exp(-m / scale)


def _mmf(rng: np.random.Generator, n: Array) -> Callable:
    k = np.exp(rng.uniform(np.log(n[0] / 2), np.log(n[-1])))
    rate = rng.uniform(0.4, 1.3)
    return lambda m: 1 / (1 + (m / k) ** rate)


def _weibull(rng: np.random.Generator, n: Array) -> Callable:
    k = np.exp(rng.uniform(np.log(np.sqrt(n[0] * n[-1])), np.log(4 * n[-1])))
    rate = rng.uniform(0.25, 0.8)
    return lambda m: np.exp(-((m / k) ** rate))


def _none(rng: np.random.Generator, n: Array) -> Callable:
    """Make two smooth steps in ln n of different places, heights and widths, a shape of no family."""
    span = np.log(n[-1] / n[0])
    places = np.log(n[0]) + span * np.array([rng.uniform(0.0, 0.5), rng.uniform(0.6, 1.3)])
    widths = span * rng.uniform(0.12, 0.3, 2)
    share = rng.uniform(0.3, 0.7)
    steps = ((share, places[0], widths[0]), (1 - share, places[1], widths[1]))
    return lambda m: 1 - sum(h / (1 + np.exp(-(np.log(m) - p) / w)) for h, p, w in steps)


FAMILIES: dict[str, Callable[[np.random.Generator, Array], Callable]] = {
    "pow3": _power,
    "pow4": _shifted,
    "exp3": _exponential,
    "mmf4": _mmf,
    "wbl4": _weibull,
    "none of them": _none,
}


def world(family: str, rng: np.random.Generator) -> World:
    """Draw a study whose baseline has a curve of the family.

    Every curve rises by 0.15 or more over its ladder, stays under 1 up to REACH times the last rung, and rises by 0.01
    or more at the first doubling beyond it.
    """
    while True:
        count = int(rng.integers(5, 10))
        ns = np.round(rng.choice([20, 50, 100]) * rng.choice([2.0, 2.5, 3.0]) ** np.arange(count))
        low = rng.uniform(0.1, 0.5)
        high = rng.uniform(low + 0.15, 0.95)
        curve = _between(ns[0], ns[-1], low, high, FAMILIES[family](rng, ns))
        beyond = curve(ns[-1] * np.array([2.0, REACH]))
        if beyond[1] < 1 and beyond[0] - high > 0.01:
            break
    slope = rng.uniform(-1.2, 0.0)
    sd = rng.uniform(0.01, 0.05) * (ns / ns[0]) ** (slope / 2) * np.exp(UNEVEN / 2 * rng.standard_normal(count))
    return World(curve, ns, int(rng.integers(3, 11)), np.maximum(sd, 0.003), float(rng.choice([0.0, 0.5])))


def moved(base: World, ratio: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Make the curve of an arm with which n labels do the work of n times `ratio` labels of the baseline."""
    return lambda n: base.curve(np.asarray(n) * ratio(np.asarray(n, dtype=float)))


def crossing_of(ratio: Callable[[Array], Array], first: float, last: float) -> float | None:
    """Find where the ratio falls to 1 between two label counts; None where it doesn't."""
    if not float(ratio(np.array(first))) > 1 > float(ratio(np.array(last))):
        return None
    found = optimize.brentq(lambda x: float(ratio(np.array(np.exp(x)))) - 1, np.log(first), np.log(last))
    return float(np.exp(found))
