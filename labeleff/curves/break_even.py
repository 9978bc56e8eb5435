"""Break-even: the label count past which an arm is no longer better than the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labeleff.curves.inversion import Kind, plain_count, quantile
from labeleff.curves.methods import BAYES
from labeleff.curves.model_average import AverageCurve
from labeleff.curves.posterior_curves import draw
from labeleff.curves.rung_means import means_of_runs
from labeleff.curves.utility import ARM, BaselineCurve, check_runs, same
from labeleff.seeding import generator
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Runs, fingerprint, means, resample

PIECES = 8
"""Pieces between two shared rungs at whose ends two curves are compared."""


@dataclass(frozen=True)
class Crossing:
    """The label count past which an arm is no longer above the baseline (break-even, U = 0).

    kind "inside": `n` labels. "above": the arm is still above the baseline at the last shared rung, `bound`.
    "below": it is above it at no rung; `bound` is the first. `low` None: no lower end was measured; `high` None: no
    upper end. `changes` counts the sign changes of the measured difference: over 1 the crossing is one of
    several, and the one up to which the arm's advantage, summed over ln n, is greatest is given.
    """

    kind: Kind
    n: float | None
    bound: float | None
    low: float | None
    high: float | None
    changes: int


def _main_fall(ns: Array, difference: Array) -> Array:
    """Label counts (B,) at which rows of `difference` (B, R) fall to 0 for good.

    Of several, the one up to which their sum over ln n is greatest: where both curves are flat, noise alone makes them
    cross again and again, by little. 0: the row is nowhere above 0; inf: its sum is greatest at the last rung.
    """
    x, before, after = np.log(ns), difference[:, :-1], difference[:, 1:]
    steps = np.diff(x)
    sums = np.cumsum((before + after) / 2 * steps, axis=1)
    falls = (before > 0) & (after <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(falls, before / (before - after), 0.0)
    tops = sums - (before + after) / 2 * steps + before * share * steps / 2
    ends = np.where(after[:, -1] > 0, sums[:, -1], -np.inf)
    tops = np.column_stack([np.where(falls, tops, -np.inf), ends])
    best, row = tops.argmax(axis=1), np.arange(len(tops))
    place = np.exp(x[:-1] + share * steps)
    places = np.column_stack([place, np.full(len(tops), np.inf)])[row, best]
    return np.asarray(np.where(np.isinf(tops[row, best]), 0.0, places))


def crossing(baseline: Runs, arm: Runs, *, level: float = LEVEL, method: str = BAYES) -> Crossing | None:
    """Find the label count at which the arm stops being better than the baseline; None below two shared rungs.

    The difference between the arm's means and the baseline's curve is joined by straight pieces in ln n over
    the shared rungs; a method that isn't one of `curves.interpolation` is replaced by isotonic PCHIP. With "bayes" the
    interval is that of the crossings of equally likely curves of both, which follow the noise of the rungs less
    than the means do; otherwise it comes from the same joint replicates as that of utility.
    """
    check_runs(baseline, [arm], method)
    return crossings(BaselineCurve.fit(baseline, method), {ARM: arm}, level=level)[ARM]


def crossings(curve: BaselineCurve, arms: Mapping[str, Runs], *, level: float = LEVEL) -> dict[str, Crossing | None]:
    """`crossing` of several arms, by name, with a fitted baseline; `utility.check_runs` has passed the arms."""
    check_level(level)
    return {name: None if same(curve.runs, arm) else _crossing(curve, arm, level) for name, arm in arms.items()}


def _crossing(curve: BaselineCurve, arm: Runs, level: float) -> Crossing | None:
    ladder, rungs = curve.ladder, sorted(curve.runs)
    shared = np.array([n for n in sorted(arm) if n in curve.runs], dtype=float)
    if len(shared) < 2:
        return None
    columns, rows = np.isin(np.array(sorted(arm)), shared), np.isin(np.array(rungs), shared)
    difference = (means(arm)[columns] - ladder.curve.values[0, rows])[None]
    n, falls = float(_main_fall(shared, difference)[0]), _main_falls(curve, arm, shared)
    low = high = None
    if falls is not None:
        ends = quantile(falls, (1 - level) / 2), quantile(falls, (1 + level) / 2)
        low = None if min(ends[0], n) == 0 else float(min(ends[0], n, shared[-1]))
        high = None if max(ends[1], n) == math.inf else float(max(ends[1], n, shared[0]))
    kind: Kind = "above" if n == math.inf else "below" if n == 0 else "inside"
    bound = {"above": plain_count(shared[-1]), "below": plain_count(shared[0])}.get(kind)
    changes = int((np.diff(difference[0] > 0)).sum())
    return Crossing(kind, n if kind == "inside" else None, bound, low, high, changes)


def _main_falls(curve: BaselineCurve, arm: Runs, shared: Array) -> Array | None:
    """Equally likely label counts (S,) of the crossing within the `shared` rungs; None without noise."""
    own = fingerprint(arm)
    if isinstance(curve.fitted, AverageCurve):
        ns = np.geomspace(shared[0], shared[-1], (len(shared) - 1) * PIECES + 1)
        ns[[0, -1]] = shared[[0, -1]]
        other = draw(means_of_runs(arm, own), beyond=False).curves.at(ns)
        # Draws of all curves come from the same random numbers; in another order they are independent.
        order = generator("break-even").permutation(len(other))
        return _main_fall(ns, other[order] - curve.drawn_at(tuple(ns.tolist())))
    replicates = resample(arm, own)
    if curve.ladder.replicates is None or replicates is None:
        return None
    columns, rows = np.isin(np.array(sorted(arm)), shared), np.isin(np.array(sorted(curve.runs)), shared)
    return _main_fall(shared, replicates[:, columns] - curve.ladder.replicates.values[:, rows])
