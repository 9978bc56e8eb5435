"""Intervals that hold for many quantities at once, from joint draws of them.

A draw is as extreme as the most extreme of its quantities, by rank, and the share 1 - level of the most extreme draws
is left out (Besag, Green, Higdon and Mengersen 1995, Statist. Sci. 10, section 6.3). Ranks alone count, so that draws
may be infinite and quantities need no common scale; what they share makes the intervals narrower than Bonferroni's.
"""

from __future__ import annotations

import math

import numpy as np

from labeleff.stats.moderation import Array


def joint_tails(draws: Array, weights: Array, level: float) -> Array:
    """Tail probabilities (J,) at which the intervals of J quantities hold together with probability `level`.

    A row of `draws` (S, J) holds one possible value of every quantity. A quantity whose entry in `weights` (J,) is 2
    gets twice the tail of one with 1 (weights of p values: Genovese, Roeder and Wasserman 2006, Biometrika 93). No
    tail is over (1 - level) / 2, that of one quantity alone.
    """
    extremes = np.full(len(draws), np.inf)
    for column, weight in zip(draws.T, weights, strict=True):
        extremes = np.minimum(extremes, _tail_shares(column) / weight)
    left_out = math.ceil((1 - level) * len(draws) - 1e-9)
    return np.asarray(np.minimum(np.sort(extremes)[left_out - 1] * weights, (1 - level) / 2))


def _tail_shares(column: Array) -> Array:
    """Share of the draws (S,) that lie as far out as each of them, on its side."""
    ordered = np.sort(column)
    under = np.searchsorted(ordered, column, side="right")
    over = len(column) - np.searchsorted(ordered, column, side="left")
    return np.asarray(np.minimum(under, over) / len(column))


def ends(draws: Array, tail: float) -> tuple[float, float]:
    """Draws of (S,) below and above which lie less than the share `tail` of them; the outermost ones at the least."""
    ordered = np.sort(draws)
    place = max(math.floor(tail * len(draws) + 1e-9), 1)
    return float(ordered[place - 1]), float(ordered[-place])
