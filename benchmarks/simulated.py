"""Simulated measurements with known answers: learning curves of five families and of none, and noisy runs of them.

The true curve is smooth, strictly rising and known; noise of runs, draws and rungs is added to it. Whatever the noise,
the true n1 of an accuracy is where the smooth curve reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

Array = npt.NDArray[np.float64]
Curve = Callable[[Array], Array]
UNEVEN = 0.4
"""Standard deviation of ln variance around its trend over the rungs, as on real curves with 25 runs per rung."""
REACH = 10.0
"""Multiple of the last rung up to which curves are used, and stay under 1."""


@dataclass(frozen=True)
class Noise:
    """How runs differ: their number, and which part of a run's variance they have in common.

    A draw's part is the same in both arms. Scatter belongs to one rung of one arm, and all its runs share it.
    """

    draws: int
    seeds: int = 1
    common: float = 0.0
    """Share of a run's variance that a draw brings to all its rungs."""
    labels: float = 0.0
    """Share of a run's variance that a draw brings to one rung."""
    scatter: float = 0.0
    """Standard deviation of a rung's error, in units of a run's."""


@dataclass(frozen=True)
class World:
    """One simulated study: a baseline's true curve, its ladder, and how noisy its runs are."""

    curve: Curve
    ns: Array
    sd: Array
    """Standard deviation of one run at every rung without scatter, (R,)."""
    noise: Noise

    def luck(self, rng: np.random.Generator) -> Array:
        """Draw standard normals (draws, 1 + R) of the draws' errors: for all rungs, and for each."""
        return rng.standard_normal((self.noise.draws, 1 + len(self.ns)))

    def measure(self, rng: np.random.Generator, luck: Array, curve: Curve | None = None) -> Array:
        """Simulate accuracies (draws, seeds, R) of the baseline's or another curve.

        Errors are cut to both sides alike where they would leave 0..1, so that their mean stays 0.
        """
        noise, rungs = self.noise, len(self.ns)
        draw = np.sqrt(noise.common) * luck[:, :1] + np.sqrt(noise.labels) * luck[:, 1:]
        own = np.sqrt(1 - noise.common - noise.labels) * rng.standard_normal((noise.draws, noise.seeds, rungs))
        errors = draw[:, None] + own + noise.scatter * rng.standard_normal(rungs)
        true = (curve or self.curve)(self.ns)
        room = np.minimum(true, 1 - true)
        return true + np.clip(self.sd * errors, -room, room)


def runs(accuracies: Array, ns: Array) -> dict[int, dict[tuple[int, int], float]]:
    """Name accuracies (draws, seeds, R) by label count, draw and seed, as labeleff has them."""
    places = list(np.ndindex(accuracies.shape[:2]))
    return {int(n): {place: float(accuracies[(*place, k)]) for place in places} for k, n in enumerate(ns)}


def between(first: float, last: float, low: float, high: float, phi: Curve) -> Curve:
    """Make the curve c - b phi through (first, low) and (last, high)."""
    start, end = phi(np.array([first, last]))
    b = (high - low) / (start - end)
    return lambda n: low + b * (start - phi(np.asarray(n, dtype=float)))


def _power(rng: np.random.Generator, n: Array) -> Curve:
    rate = _log_uniform(rng, 0.05, 3)
    return lambda m: (m / n[0]) ** -rate


def _shifted(rng: np.random.Generator, n: Array) -> Curve:
    rate, shift = _log_uniform(rng, 0.05, 3), _log_uniform(rng, 0.3, 30)
    return lambda m: (m / n[0] + shift) ** -rate


def _exponential(rng: np.random.Generator, n: Array) -> Curve:
    scale = n[-1] / _log_uniform(rng, 0.3, (n[-1] / n[0]) ** 0.8)
    return lambda m: np.exp(-m / scale)


def _mmf(rng: np.random.Generator, n: Array) -> Curve:
    k, rate = _log_uniform(rng, n[0] / 5, n[-1]), rng.uniform(0.3, 2.5)
    return lambda m: 1 / (1 + (m / k) ** rate)


def _weibull(rng: np.random.Generator, n: Array) -> Curve:
    k, rate = _log_uniform(rng, n[0] / 5, 4 * n[-1]), rng.uniform(0.15, 1.3)
    return lambda m: np.exp(-((m / k) ** rate))


def _none(rng: np.random.Generator, n: Array) -> Curve:
    """Make two smooth steps in ln n of different places, heights and widths, a shape of no family."""
    span = np.log(n[-1] / n[0])
    places = np.log(n[0]) + span * np.array([rng.uniform(-0.1, 0.5), rng.uniform(0.3, 1.3)])
    widths = span * rng.uniform(0.06, 0.3, 2)
    share = rng.uniform(0.3, 0.7)
    steps = ((share, places[0], widths[0]), (1 - share, places[1], widths[1]))
    return lambda m: sum(h / (1 + np.exp((np.log(m) - p) / w)) for h, p, w in steps)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


FAMILIES: dict[str, Callable[[np.random.Generator, Array], Curve]] = {
    "pow3": _power,
    "pow4": _shifted,
    "exp3": _exponential,
    "mmf4": _mmf,
    "wbl4": _weibull,
    "none of them": _none,
}


def spread(rng: np.random.Generator, ns: Array, level: float, slope: tuple[float, float]) -> Array:
    """Draw standard deviations (R,) of runs: `level` at the first rung, with variance falling as a power of n."""
    trend = (ns / ns[0]) ** (rng.uniform(*slope) / 2)
    return level * trend * np.exp(UNEVEN / 2 * rng.standard_normal(len(ns)))


def world(family: str, rng: np.random.Generator) -> World:
    """Draw a study of 5 to 9 rungs and 3 to 10 runs per rung, whose baseline has a curve of the family.

    Every curve rises by 0.15 or more over its ladder, and by 0.01 or more at the first doubling beyond it.
    """
    while True:
        ns = np.round(rng.choice([20, 50, 100]) * rng.choice([2.0, 2.5, 3.0]) ** np.arange(rng.integers(5, 10)))
        low = rng.uniform(0.1, 0.5)
        high = rng.uniform(low + 0.15, 0.95)
        curve = between(ns[0], ns[-1], low, high, FAMILIES[family](rng, ns))
        beyond = curve(ns[-1] * np.array([2.0, REACH]))
        if beyond[1] < 1 and beyond[0] - high > 0.01:
            break
    sd = np.maximum(spread(rng, ns, rng.uniform(0.01, 0.05), (-1.2, 0.0)), 0.003)
    return World(curve, ns, sd, Noise(int(rng.integers(3, 11)), common=float(rng.choice([0.0, 0.5]))))


def ratio_of(rng: np.random.Generator, ns: Array) -> Curve:
    """Draw a label ratio as a function of n: often over 1 with few labels and falling, as that of pretraining."""
    start, end = _log_uniform(rng, 0.7, 6), _log_uniform(rng, 0.5, 3)
    span = np.log(ns[-1] / ns[0])
    return lambda n: start * (end / start) ** np.clip(np.log(np.asarray(n) / ns[0]) / span, 0, 1)


def moved(base: World, ratio: Curve) -> Curve:
    """Make the curve of an arm with which n labels do the work of n times `ratio` labels of the baseline."""
    return lambda n: base.curve(np.asarray(n) * ratio(np.asarray(n, dtype=float)))


def crossing_of(ratio: Curve, first: float, last: float) -> float | None:
    """Find where the ratio falls to 1 between two label counts; None where it doesn't."""
    if not float(ratio(np.array(first))) > 1 > float(ratio(np.array(last))):
        return None
    found = optimize.brentq(lambda x: float(ratio(np.array(np.exp(x)))) - 1, np.log(first), np.log(last))
    return float(np.exp(found))
