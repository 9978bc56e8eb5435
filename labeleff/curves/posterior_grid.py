"""Curves between given accuracies at the rungs and beyond them, with the shapes of families."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.curves.bayes import Indices
from labeleff.seeding import generator
from labeleff.stats.moderation import Array

DRAWS = 800
"""Number of drawn curves."""
REACH = (1 / 8, 1000.0)
"""Range of the curves: factors of the first and of the last rung."""
STEP, FEWEST, MOST = 0.15, 4, 20
"""Pieces between two rungs: their width in ln n, and how many at least and at most."""
BEND_SHIFT, BEND_SCALE = 0.25, 0.1
"""Standard deviations of the bend between rungs BEND_GAP or more apart, where the misfit is BEND_MISFIT of the rise.

The share of the rise that is done is bent in its logit: shifted, and scaled in its logarithm. It grows with the gap up
to BEND_GAP, in ln n, and no further: on ladders cut from the development curves with rungs a factor of 4, 8, 11 and 16
apart, 92 to 96 % of intervals between the rungs hold the truth; without any bend 87 to 91 %.
"""
BEND_MISFIT, BEND_GAP = 0.03, math.log(10) / 2
STRETCH_MEAN, STRETCH_SD = 0.05, 0.5
"""Normal distribution of the logarithm by which a curve's way beyond the last rung, in ln n, is longer.

It is chosen on the development curves, as is CREEP: real learners are slower there than the families, and rise on.
"""
CREEP, CREEP_FROM = 8.0, 1.6
"""Further rise beyond the last rung, too slow for the rungs to show it, from CREEP_FROM in ln n on.

A curve that is flat within its noise isn't flat for ever: what is left to 1 shrinks by a factor of exp(-r ln(1 + x)), x
in ln n from there on, where r is CREEP z^2 (z standard normal) times the last rung's doubt over what it leaves to 1.
"""


@functools.cache
def stream(name: str, columns: int) -> Array:
    """Random numbers (DRAWS, columns), uniform in 0..1 for "uniform" names and else normal.

    They are the same for every curve, so that similar curves get similar answers.
    """
    numbers = generator("posterior curves", name)
    shape = DRAWS, columns
    values = numbers.random(shape) if name.startswith("uniform") else numbers.standard_normal(shape)
    values.flags.writeable = False
    return values


def stretch() -> Array:
    """Factors (DRAWS,) by which the ways of curves beyond the last rung, in ln n, are longer."""
    return np.exp(STRETCH_MEAN + STRETCH_SD * stream("stretch", 1)[:, 0])


@dataclass(frozen=True)
class Grid:
    """Label counts at which curves are evaluated, as u = ln n - middle."""

    u: Array
    """(G,): rising."""
    rungs: Indices
    """(R,): places of the rungs."""
    middle: float

    @classmethod
    def over(cls, x: Array, middle: float, *, beyond: bool = True) -> Grid:
        """The grid of a ladder with rungs at `x` = ln n, and of what lies beyond its ends, or of the ladder alone."""
        parts, places = ([np.linspace(x[0] + math.log(REACH[0]), x[0], 9)[:-1]], [8]) if beyond else ([], [0])
        for low, high in itertools.pairwise(x):
            pieces = min(max(math.ceil((high - low) / STEP), FEWEST), MOST)
            parts.append(np.linspace(low, high, pieces + 1)[:-1])
            places.append(places[-1] + pieces)
        near, far = np.linspace(0, math.log(4), 15), np.linspace(math.log(4), math.log(REACH[1]), 30)
        parts.append(x[-1] + np.concatenate([near, far[1:]]) if beyond else x[-1:])
        return cls(np.concatenate(parts) - middle, np.array(places, dtype=np.intp), middle)

    @property
    def beyond(self) -> Array:
        """Distances in ln n from the last rung to it and to what lies beyond."""
        return np.asarray(self.u[self.rungs[-1] :] - self.u[self.rungs[-1]])

    def ns(self, ladder: Array) -> Array:
        """The label counts, with those of the `ladder` (R,) exact."""
        values = np.exp(self.u + self.middle)
        values[self.rungs] = ladder
        return np.asarray(values)

    def curves(self, shapes: Array, beyond: Array, misfit: Array, rungs: Array) -> Array:
        """Curves (S, G) through accuracies `rungs` (S, R), each with a shape of its own.

        `shapes` (S, G) are curves of families, `beyond` (S, G') their rise since the last rung at the label counts
        beyond it, and `misfit` (S,) is in units of the curve's rise.
        """
        values, first, last = np.empty_like(shapes), self.rungs[0], self.rungs[-1]
        values[:, :first] = rungs[:, :1] + shapes[:, :first] - shapes[:, first : first + 1]
        for k in range(len(self.rungs) - 1):
            piece = slice(self.rungs[k], self.rungs[k + 1] + 1)
            done = _bent(shapes[:, piece], self.u[piece], misfit, k)
            values[:, piece] = rungs[:, k : k + 1] + (rungs[:, k + 1 : k + 2] - rungs[:, k : k + 1]) * done
        gap = np.maximum(1 - rungs[:, -1:], 1e-9)
        further = np.log1p(np.maximum(self.beyond - CREEP_FROM, 0.0))
        closed = CREEP * rungs[:, -1].std() / gap * stream("creep", 1) ** 2 * further
        values[:, last:] = 1 - np.maximum(gap - beyond, 0.0) * np.exp(-closed)
        return np.maximum(values, 0.0)


def _bent(values: Array, u: Array, misfit: Array, k: int) -> Array:
    """Share (S, P) of the rise from a rung to the next that is done: that of `values` (S, P), bent with the misfit."""
    rise = values[:, -1:] - values[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rise > 1e-12, (values - values[:, :1]) / rise, (u - u[0]) / (u[-1] - u[0]))
    logit = special.logit(np.clip(share, 1e-12, 1 - 1e-12))
    size = (misfit / BEND_MISFIT * min((u[-1] - u[0]) / BEND_GAP, 1.0))[:, None]
    shift, scale = (stream(f"{name} {k}", 1) for name in ("shift", "scale"))
    bent = special.expit(logit * np.exp(np.clip(BEND_SCALE * size * scale, -2, 2)) + BEND_SHIFT * size * shift)
    bent[:, 0], bent[:, -1] = 0.0, 1.0
    return np.asarray(bent)
