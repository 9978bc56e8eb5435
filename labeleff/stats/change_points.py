"""Level shifts in a series of measurements: binary segmentation with permutation tests.

A series is cut where the means of both sides differ most for their sizes (the least sum of squares within the sides),
if a rearranged series can be cut as well with probability ALPHA at most, and the sides are looked at in turn
(Vostrikova 1981, Dokl. Akad. Nauk 259; tests as in Matteson and James 2014, J. Am. Stat. Assoc. 109). Nothing is
assumed about the noise except that its order means nothing. Short series are rearranged in all ways, so that their
p value is exact; fewer than eight points can't show a change.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.seeding import generator
from labeleff.stats.moderation import Array

ALPHA = 0.05
EXACT = 8
"""Points up to which all arrangements are tried."""
COUNT = 4999
"""Random arrangements tried of a longer series."""
LEAST = 2
"""Fewest points of a side: one alone may be an outlier."""


@dataclass(frozen=True)
class ChangePoint:
    """A new level from the point at `place` (counted from 0) on."""

    place: int
    before: float
    """Mean of the stretch before."""
    after: float
    p_value: float


def change_points(values: Sequence[float], *, alpha: float = ALPHA) -> list[ChangePoint]:
    """Find changes of level, in rising order of places; stretches before and after reach to the neighbouring changes.

    The same values give the same result everywhere. Every cut is tested at `alpha`, then both of its sides: where the
    whole series has one level, the probability of any change is at most `alpha`.
    """
    series = np.asarray(values, dtype=float)
    cuts = sorted(_cuts(series, 0, alpha))
    if not cuts:
        return []
    edges = [0, *(place for place, _ in cuts), len(series)]
    means = [float(series[low:high].mean()) for low, high in itertools.pairwise(edges)]
    return [
        ChangePoint(place, before, after, p)
        for (place, p), (before, after) in zip(cuts, itertools.pairwise(means), strict=True)
    ]


def _cuts(series: Array, start: int, alpha: float) -> list[tuple[int, float]]:
    """Places of cuts, counted from the whole series' beginning, with their p values."""
    if len(series) < 2 * LEAST or np.ptp(series) == 0:
        return []
    place = int(_gains(series[None])[0].argmax()) + LEAST
    p_value = _p_value(series)
    if p_value > alpha:
        return []
    sides = _cuts(series[:place], start, alpha) + _cuts(series[place:], start + place, alpha)
    return [(start + place, p_value), *sides]


def _gains(rows: Array) -> Array:
    """Reduction of each row's sum of squares by each cut: rows (B, m) to (B, m + 1 - 2 LEAST)."""
    count = rows.shape[1]
    left = np.arange(LEAST, count - LEAST + 1)
    sums = np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)[:, left - 1]
    return np.asarray(sums**2 * count / (left * (count - left)))


def _p_value(series: Array) -> float:
    """Share of arrangements that can be cut at least as well; the series itself counts as one."""
    best = float(_gains(series[None]).max()) * (1 - 1e-9)
    if len(series) <= EXACT:
        return float((_gains(series[_orders(len(series))]).max(axis=1) >= best).mean())
    rng = generator("change-points", len(series))
    rows = rng.permuted(np.tile(series, (COUNT, 1)), axis=1)
    return float((1 + (_gains(rows).max(axis=1) >= best).sum()) / (1 + COUNT))


@functools.cache
def _orders(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """All arrangements of `count` places."""
    return np.array(list(itertools.permutations(range(count))))
