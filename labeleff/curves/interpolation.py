"""Curves that interpolate rung means (PCHIP or straight pieces), and their inversion.

A method turns rung means into `Curves`, many at once; `METHODS` lists them by name. None goes beyond the ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.errors import CurveError, UnknownNameError
from labeleff.stats.moderation import Array


def isotonic(means: Array, weights: Array) -> Array:
    """Weighted least-squares non-decreasing fit of each row of `means` (B, R) with `weights` (R,).

    The fit at k is the maximum over i <= k of the minimum over j >= k of the weighted mean of i..j (Robertson, Wright
    and Dykstra 1988, section 1.4), which equals pooling adjacent violators, for all rows at once. Rows that don't fall
    are returned unchanged.
    """
    falling = ~(np.diff(means, axis=1) >= 0).all(axis=1)
    rows = means[falling]
    fit = np.full_like(rows, -np.inf)
    for i in range(means.shape[1]):
        averages = np.cumsum(weights[i:] * rows[:, i:], axis=1) / np.cumsum(weights[i:])
        lowest = np.minimum.accumulate(averages[:, ::-1], axis=1)[:, ::-1]
        fit[:, i:] = np.maximum(fit[:, i:], lowest)
    result = means.copy()
    result[falling] = np.maximum.accumulate(fit, axis=1)
    return result


def pchip_slopes(x: Array, y: Array) -> Array:
    """Slopes (B, R) at the nodes `x` (R,) of the monotone piecewise cubics (PCHIP) through the rows of `y` (B, R).

    Inside they are weighted harmonic means of the slopes beside them (Fritsch and Butland 1984), at the ends those of
    three points, limited (Moler 2004, Numerical Computing with Matlab, section 3.6).
    """
    width = np.diff(x)
    rise = np.diff(y, axis=1) / width
    if len(x) == 2:
        return np.repeat(rise, 2, axis=1)
    one, two = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inside = 1 / ((one / rise[:, :-1] + two / rise[:, 1:]) / (one + two))
    inside = np.where(rise[:, :-1] * rise[:, 1:] > 0, inside, 0.0)
    start, end = (_end_slope(width[k], width[m], rise[:, k], rise[:, m]) for k, m in ((0, 1), (-1, -2)))
    return np.column_stack([start, inside, end])


def _end_slope(near: float, far: float, first: Array, second: Array) -> Array:
    """Slopes (B,) at an end from the widths of the two intervals there and the slopes over them."""
    slope = ((2 * near + far) * first - near * second) / (near + far)
    slope = np.where(np.sign(slope) == np.sign(first), slope, 0.0)
    steep = (np.sign(first) != np.sign(second)) & (np.abs(slope) > 3 * np.abs(first))
    return np.where(steep, 3 * first, slope)


def _hermite(s: Array, start: Array, end: Array) -> Array:
    """The cubic on [0, 1] from 0 to 1 with slopes `start` and `end`."""
    r = 1 - s
    return s * s * (3 - 2 * s) + s * r * (start * r - end * s)


def _solve_hermite(share: Array, start: Array, end: Array) -> Array:
    """Solve `_hermite(s) = share` for s in [0, 1] by Newton steps inside a shrinking bracket.

    Elements leave the loop as they converge; bisection alone, its worst case, needs some 45 rounds.
    """
    result = share.copy()
    todo = np.flatnonzero((share > 0) & (share < 1))
    goal, first, second = (array.ravel()[todo] for array in (share, start, end))
    s, low, high = goal.copy(), np.zeros_like(goal), np.ones_like(goal)
    for _ in range(60):
        error = _hermite(s, first, second) - goal
        low, high = np.where(error < 0, s, low), np.where(error > 0, s, high)
        rate = 6 * s * (1 - s) + first * (1 - s) * (1 - 3 * s) - second * s * (2 - 3 * s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = s - error / rate
        moved = np.where((step > low) & (step < high), step, (low + high) / 2)
        moved = np.where(error == 0, s, moved)
        going = np.abs(moved - s) > 1e-13
        result.flat[todo] = moved
        if not going.any():
            break
        todo, s, goal, low, high = todo[going], moved[going], goal[going], low[going], high[going]
        first, second = first[going], second[going]
    return result


@dataclass(frozen=True)
class Curves:
    """B curves through the nodes of one ladder (R rungs)."""

    ns: Array
    values: Array
    """(B, R): accuracy at the rungs."""
    log: bool
    """Whether to interpolate in ln n, else in n."""
    slopes: Array | None = None
    """(B, R): derivative of accuracy by ln n at the nodes; None for straight pieces."""

    @property
    def _x(self) -> Array:
        return np.log(self.ns) if self.log else self.ns

    def invert(self, targets: Array) -> Array:
        """Label counts (B, K) of the first crossing of `targets` (B, K): 0 below the first rung, inf over all rungs.

        Where a curve is flat at its target, the first label count of the flat stretch is taken.
        """
        reached = self.values[:, None, :] >= targets[:, :, None]
        upper = reached.argmax(axis=2)
        lower = np.maximum(upper - 1, 0)
        row = np.arange(len(targets))[:, None]
        y0, y1 = self.values[row, lower], self.values[row, upper]
        rise = np.where(y1 > y0, y1 - y0, 1.0)
        share = np.clip(np.where(upper > 0, (targets - y0) / rise, 1.0), 0.0, 1.0)
        x = self._x
        width = x[upper] - x[lower]
        if self.slopes is not None:
            # Slopes over 3 times the secant would break monotonicity; rounding alone can bring them there.
            start = np.clip(self.slopes[row, lower] * width / rise, 0.0, 3.0)
            end = np.clip(self.slopes[row, upper] * width / rise, 0.0, 3.0)
            share = _solve_hermite(share, start, end)
        place = x[lower] + share * width
        crossed = np.where(share == 1, self.ns[upper], np.exp(place) if self.log else place)
        crossed = np.where(targets < self.values[:, :1], 0.0, crossed)
        return np.asarray(np.where(reached.any(axis=2), crossed, np.inf))

    def at(self, ns: Array) -> Array:
        """Accuracies (B, K) at label counts `ns` (K,), each within the ladder."""
        x = self._x
        points = np.log(ns) if self.log else ns
        lower = np.clip(np.searchsorted(x, points, side="right") - 1, 0, len(x) - 2)
        width = x[lower + 1] - x[lower]
        s = (points - x[lower]) / width
        y0, y1 = self.values[:, lower], self.values[:, lower + 1]
        if self.slopes is None:
            return np.asarray(y0 + s * (y1 - y0))
        r = 1 - s
        bend = self.slopes[:, lower] * r - self.slopes[:, lower + 1] * s
        return np.asarray(y0 + s * s * (3 - 2 * s) * (y1 - y0) + width * s * r * bend)


Method = Callable[[Array, Array, Array], Curves]
"""A function from rungs (R,), rung means (B, R) and runs per rung (R,) to curves."""


def _linear(ns: Array, means: Array, runs: Array) -> Curves:
    del runs
    return Curves(ns, means, log=False)


def _log(ns: Array, means: Array, runs: Array) -> Curves:
    del runs
    return Curves(ns, means, log=True)


def _pchip(ns: Array, means: Array, runs: Array) -> Curves:
    values = isotonic(means, runs)
    return Curves(ns, values, log=True, slopes=pchip_slopes(np.log(ns), values))


METHODS: Mapping[str, Method] = {"linear": _linear, "log": _log, "pchip": _pchip}
"""Methods by name.

`linear` and `log` join the raw means by straight pieces in n and in ln n; `pchip` draws a monotone cubic in ln n
through the isotonic means.
"""
DEFAULT_METHOD = "pchip"


def check_ladder(ns: Sequence[float] | Array, means: Array) -> None:
    """Raise CurveError for fewer than two rungs, `ns` that don't rise from over 0, or `means` that aren't finite."""
    ladder = np.asarray(ns, dtype=float)
    if len(ladder) < 2:
        raise CurveError(f"a curve needs at least two rungs, found {len(ladder)}")
    if not (ladder[0] > 0 and (np.diff(ladder) > 0).all()):
        raise CurveError(f"label counts: found {list(ns)}, expected numbers over 0 that rise")
    if not np.isfinite(means).all():
        raise CurveError(f"accuracies: found {means[~np.isfinite(means)][0]}, expected finite numbers")


def fit(
    ns: Sequence[float] | Array, means: Array, runs: Sequence[float] | Array, method: str = DEFAULT_METHOD
) -> Curves:
    """Fit curves to `means` (B, R) at rising label counts `ns` (R,), with `runs` (R,) runs per rung.

    Raises CurveError for fewer than two rungs or counts that don't rise, UnknownNameError for the method.
    """
    if method not in METHODS:
        raise UnknownNameError("curve method", method, METHODS)
    check_ladder(ns, means)
    return METHODS[method](np.asarray(ns, dtype=float), means, np.asarray(runs, dtype=float))
