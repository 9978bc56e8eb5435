"""Equally likely learning curves that never fall and pass through the rung means within their noise.

A draw takes a family, its shape, the size of the misfit and of the scatter between rungs by their posterior
probability; then the accuracies at the rungs given all that, projected onto those that never fall (Lin and Dunson
2014, Biometrika 101, section 2). Between two rungs the curve rises from the one to the other as its family does, bent
at random as far as the misfit is large; beyond the last one it goes on as its family does. So nothing that is free
between far rungs moves what was measured at them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import linalg, special
from threadpoolctl import ThreadpoolController

from labeleff.curves.bayes import NODES, Indices, Posterior, posteriors
from labeleff.curves.bayes_priors import FAMILIES, MISFITS, NUGGETS, families
from labeleff.curves.interpolation import Curves, isotonic
from labeleff.curves.rung_means import LEVEL_SD, NoisyMeans, borrowed_sd
from labeleff.seeding import generator
from labeleff.stats.moderation import Array

DRAWS = 800
"""Number of drawn curves."""
REACH = (1 / 8, 1000.0)
"""Range of the curves: factors of the first and of the last rung."""
STEP, FEWEST, MOST = 0.15, 4, 20
"""Pieces between two rungs: their width in ln n, and how many at least and at most."""
MISFIT_LENGTH = 1.0
"""Length scale of the Matern-3/2 misfit, in ln n."""
LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Borrowed noise is tried at these numbers of LEVEL_SD from its centre."""
NEGLIGIBLE = 12.0
"""Grid points whose evidence is smaller than the largest by more than a factor of e to this are left out."""
BEND_SHIFT, BEND_SCALE = 0.5, 0.2
"""Standard deviations of the bend between rungs a decade apart, where the misfit is BEND_MISFIT of the rise.

The share of the rise that is done is bent in its logit: shifted, and scaled in its logarithm.
"""
BEND_MISFIT, BEND_DECADES = 0.03, 2.0
STRETCH_MEAN, STRETCH_SD = 0.05, 0.5
"""Normal distribution of the logarithm by which a curve's way beyond the last rung, in ln n, is longer.

It is chosen on the development curves, as is CREEP: real learners are slower there than the families, and rise on.
"""
CREEP, CREEP_FROM = 5.0, 1.6
"""Further rise with ln(1 + x), x in ln n from CREEP_FROM beyond the last rung on, too slow for the rungs to show it.

It is half-normal, in standard deviations of the last rung: a curve that is flat within its noise isn't flat for ever.
"""
CHECK = 0.99
"""Probability of the bands in which all measured means should lie."""
WIDER, ROUNDS = 3.0, 3
"""Factor by which the nugget grows where a mean lies outside its band, and how often."""


def matern(distance: Array) -> Array:
    """Correlation of the misfit at a `distance` in ln n (Matern, smoothness 3/2)."""
    scaled = math.sqrt(3) * np.abs(distance) / MISFIT_LENGTH
    return np.asarray((1 + scaled) * np.exp(-scaled))


@dataclass(frozen=True)
class Setting:
    """Sizes of all that lies between the rung means and a curve of a family; standard deviations in accuracy."""

    misfit: float
    nugget: float
    level: float
    """Factor of the noise's standard deviation: 1 where it was measured."""
    log_prior: float


def settings(measured: NoisyMeans, rise: float, wider: float = 1.0) -> list[Setting]:
    """The combinations of sizes that are averaged, for a curve of the given `rise`; `wider` is a factor of nuggets."""
    scale = math.hypot(rise, float(np.sqrt(measured.variance.mean())))
    levels = [math.exp(LEVEL_SD * z) for z in LEVELS] if measured.borrowed else [1.0]
    chances = np.exp(-0.5 * np.square(LEVELS)) if measured.borrowed else np.ones(1)
    nuggets = {0.0: 1.0} if measured.borrowed and wider == 1 else NUGGETS
    return [
        Setting(misfit * scale, nugget * wider * scale, level, math.log(a * b * chance))
        for level, chance in zip(levels, chances / chances.sum(), strict=True)
        for nugget, a in nuggets.items()
        for misfit, b in MISFITS.items()
    ]


@dataclass(frozen=True)
class Average:
    """Equally likely learning curves that never fall, and what they were drawn from; S is DRAWS."""

    curves: Curves
    """S rows; accuracies are at most 1."""
    weights: Mapping[str, float]
    """Share of each family in the draws; they sum to 1."""
    scatter: Array
    """(S,): standard deviation of the nugget, in accuracy."""
    level: Array
    """(S,): noise of one run, in units of `rung_means.borrowed_sd`."""
    bands: Array
    """(R, 2): ends of the bands in which the measured means should lie, together with probability CHECK."""
    wider: float
    """Factor by which nuggets had to grow for the means to lie in their bands; over 1, the curve failed its check."""
    passes: bool
    """Whether all means lie in their bands."""

    @property
    def sound(self) -> bool:
        """Whether the means lay in their bands from the start."""
        return self.wider == 1 and self.passes


def draw(measured: NoisyMeans) -> Average:
    """Draw learning curves given rung means in 0..1. The same input gives the same draws.

    BLAS has one thread meanwhile: matrices are small, and threads on busy cores only wait for each other.
    """
    with _thread_pools().limit(limits=1, user_api="blas"):
        wider = 1.0
        average = _draw(measured, wider)
        for _ in range(ROUNDS):
            if average.passes:
                break
            wider *= WIDER
            average = _draw(measured, wider)
    return average


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def interpolation_shares(average: Average, ns: Array) -> Array:
    """Shares (R - 1,) of the variance half way, in ln n, between rungs `ns` (R,) that isn't that of the two rungs."""
    rungs, middles = average.curves.at(ns), average.curves.at(np.sqrt(ns[1:] * ns[:-1]))
    shares = []
    for k in range(len(ns) - 1):
        design = np.column_stack([np.ones(len(rungs)), rungs[:, k : k + 2]])
        rest = middles[:, k] - design @ np.linalg.lstsq(design, middles[:, k], rcond=None)[0]
        total = middles[:, k].var()
        shares.append(float(rest.var() / total) if total > 0 else 0.0)
    return np.array(shares)


@functools.cache
def _stream(name: str, columns: int) -> Array:
    """Random numbers (DRAWS, columns), uniform in 0..1 for "uniform" names and else normal.

    They are the same for every curve, so that similar curves get similar answers.
    """
    stream = generator("posterior curves", name)
    values = stream.random((DRAWS, columns)) if name.startswith("uniform") else stream.standard_normal((DRAWS, columns))
    values.flags.writeable = False
    return values


def _draw(measured: NoisyMeans, wider: float) -> Average:
    x = np.log(measured.ns)
    middle = (x[0] + x[-1]) / 2
    level = isotonic(measured.means[None], 1 / measured.variance)[0]
    grid = _Grid.over(x, middle)
    sizes = settings(measured, float(level[-1] - level[0]), wider)
    members = _Members.draw(measured, grid, sizes)
    rungs = _rungs(members, measured)
    values = np.minimum(np.maximum.accumulate(grid.curves(members, rungs), axis=1), 1.0)
    noise = np.array([sizes[place].level for place in members.setting])
    if not measured.borrowed:
        ratio = measured.variance * measured.counts / borrowed_sd(measured.ns, measured.means) ** 2
        noise = noise * math.sqrt(ratio.mean())
    scatter = np.array([sizes[place].nugget for place in members.setting])
    bands = _bands(measured, rungs, sizes, members)
    passes = bool(((bands[:, 0] <= measured.means) & (measured.means <= bands[:, 1])).all())
    return Average(
        Curves(grid.ns(measured.ns), values, log=True), members.weights, scatter, noise, bands, wider, passes
    )


def _bands(measured: NoisyMeans, rungs: Array, sizes: list[Setting], members: _Members) -> Array:
    """Bands (R, 2) of the means that the drawn `rungs` (S, R) predict, with their noise and nugget (Bonferroni)."""
    within = np.array([size.level**2 for size in sizes])[members.setting].mean() * measured.variance
    within = within + np.array([size.nugget**2 for size in sizes])[members.setting].mean()
    df = 1e6 if measured.borrowed else measured.df
    width = float(special.stdtrit(df, 1 - (1 - CHECK) / 2 / len(measured.ns))) * np.sqrt(within + rungs.var(axis=0))
    centre = np.median(rungs, axis=0)
    return np.stack([centre - width, centre + width], axis=1)


@dataclass(frozen=True)
class _Members:
    """One curve of a family per draw, on a grid of label counts, before it is brought to the rung means."""

    values: Array
    """(S, G): accuracies on the grid."""
    beyond: Array
    """(S, G'): rise since the last rung at the grid's label counts beyond it, stretched."""
    setting: Indices
    """(S,): place of the draw's setting."""
    expected: Array
    """(S, R): expected accuracies at the rungs given the member and the means."""
    doubt: Array
    """(S, R): draws of their error."""
    misfit: Array
    """(S,): misfit, in units of the rise."""
    weights: Mapping[str, float]

    @classmethod
    def draw(cls, measured: NoisyMeans, grid: _Grid, sizes: list[Setting]) -> _Members:
        """Draw members, DRAWS in all, each in proportion to its posterior probability (stratified sampling)."""
        u, count = grid.u[grid.rungs], len(measured.ns)
        shape = matern(u[:, None] - u)
        noises = [size.level**2 * measured.covariance + size.nugget**2 * np.eye(count) for size in sizes]
        errors = [noise + size.misfit**2 * shape for noise, size in zip(noises, sizes, strict=True)]
        parts = list(_probable(u, measured.means, errors, [size.log_prior for size in sizes]))
        chosen = _places(np.concatenate([weights for *_, weights in parts]))
        rows = np.argsort(_stream("uniform order", 1)[:, 0])
        values, beyond = np.empty((DRAWS, len(grid.u))), np.empty((DRAWS, len(grid.beyond)))
        expected, doubt = np.empty((DRAWS, count)), np.empty((DRAWS, count))
        setting, start = np.empty(DRAWS, dtype=np.intp), 0
        shares: dict[str, float] = dict.fromkeys(FAMILIES, 0.0)
        for name, place, part, weights in parts:
            here = np.flatnonzero((chosen >= start) & (chosen < start + len(weights)))
            index, row = chosen[here] - start, rows[here]
            start += len(weights)
            if not len(here):
                continue
            c, b = (each[:, None] for each in part.draw(index, _stream("uniform members", NODES + 2)[here]))
            phi = functools.partial(_phi, part, index)
            values[row] = c - b * phi(grid.u[None])
            beyond[row] = b * (phi(u[None, -1:]) - phi(u[-1] + grid.beyond / _stretch()[row, None]))
            gain, root = _given(errors[place], sizes[place].misfit ** 2 * shape)
            at_rungs = values[row][:, grid.rungs]
            expected[row] = at_rungs + (measured.means - at_rungs) @ gain
            doubt[row] = _stream("rungs", count)[here] @ root.T
            setting[row] = place
            shares[name] += len(here) / DRAWS
        widest = max(size.misfit for size in sizes)
        misfit = np.array([size.misfit for size in sizes])[setting] * max(MISFITS) / widest
        return cls(values, beyond, setting, expected, doubt, misfit, shares)


def _phi(part: Posterior, index: Indices, u: Array) -> Array:
    """Phi (S, G) of the grid points `index` (S,) at `u`, (1, G) or (S, G)."""
    return part.family.phi(u, part.grid.first[index, None], part.grid.second[index, None])


def _stretch() -> Array:
    return np.exp(STRETCH_MEAN + STRETCH_SD * _stream("stretch", 1)[:, 0])


def _probable(
    u: Array, means: Array, errors: list[Array], priors: list[float]
) -> Iterator[tuple[str, int, Posterior, Array]]:
    """Families by setting, with their probable grid points and the log weights of these."""
    every = [
        (name, place, part)
        for name, family in families(float(isotonic(means[None], np.ones(len(means)))[0, -1])).items()
        for place, part in enumerate(posteriors(family, u, means, errors))
    ]
    largest = max(part.log_evidence.max() + priors[place] for _, place, part in every)
    for name, place, part in every:
        kept = part.probable(largest - NEGLIGIBLE - priors[place])
        if len(kept.log_evidence):
            yield name, place, kept, kept.log_weights() + priors[place]


def _places(log_weights: Array) -> Indices:
    """DRAWS places in `log_weights`, rising, each in proportion to its weight (stratified sampling)."""
    total = np.cumsum(np.exp(log_weights - log_weights.max()))
    places = np.searchsorted(total, (np.arange(DRAWS) + 0.5) / DRAWS * total[-1])
    return np.asarray(np.minimum(places, len(log_weights) - 1))


def _given(total: Array, part: Array) -> tuple[Array, Array]:
    """Gain (R, R) of a normal `part` from the sum with the covariance `total`, and the root of what stays unknown.

    The root is the symmetric one, as eigenvectors differ in sign between machines.
    """
    gain = linalg.solve(total, part, assume_a="pos")
    remainder = part - part @ gain
    values, vectors = np.linalg.eigh((remainder + remainder.T) / 2)
    return gain, vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T


def _rungs(members: _Members, measured: NoisyMeans) -> Array:
    """Accuracies at the rungs (S, R) in 0..1 that never fall: Student's t around their mean, projected."""
    drawn = members.expected + members.doubt
    centre = drawn.mean(axis=0)
    if not measured.borrowed:
        uniforms = _stream("uniform scale", 1)[:, 0]
        drawn = (
            centre
            + (drawn - centre) * np.sqrt(measured.df / (2 * special.gammaincinv(measured.df / 2, uniforms)))[:, None]
        )
    return isotonic(np.clip(drawn, 0.0, 1.0), 1 / (drawn.var(axis=0) + 1e-12))


@dataclass(frozen=True)
class _Grid:
    """Label counts at which curves are evaluated, as u = ln n - middle."""

    u: Array
    """(G,): rising."""
    rungs: Indices
    """(R,): places of the rungs."""
    middle: float

    @classmethod
    def over(cls, x: Array, middle: float) -> _Grid:
        """The grid of a ladder with rungs at `x` = ln n."""
        parts, places = [np.linspace(x[0] + math.log(REACH[0]), x[0], 9)[:-1]], [8]
        for low, high in itertools.pairwise(x):
            pieces = min(max(math.ceil((high - low) / STEP), FEWEST), MOST)
            parts.append(np.linspace(low, high, pieces + 1)[:-1])
            places.append(places[-1] + pieces)
        near, far = np.linspace(0, math.log(4), 15), np.linspace(math.log(4), math.log(REACH[1]), 30)
        parts.append(x[-1] + np.concatenate([near, far[1:]]))
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

    def curves(self, members: _Members, rungs: Array) -> Array:
        """Curves (S, G) through accuracies `rungs` (S, R), each with its member's shape."""
        values, first, last = np.empty_like(members.values), self.rungs[0], self.rungs[-1]
        values[:, :first] = rungs[:, :1] + members.values[:, :first] - members.values[:, first : first + 1]
        for k in range(len(self.rungs) - 1):
            piece = slice(self.rungs[k], self.rungs[k + 1] + 1)
            done = _bent(members.values[:, piece], self.u[piece], members.misfit, k)
            values[:, piece] = rungs[:, k : k + 1] + (rungs[:, k + 1 : k + 2] - rungs[:, k : k + 1]) * done
        creep = (
            CREEP
            * rungs[:, -1].std()
            * np.abs(_stream("creep", 1))
            * np.log1p(np.maximum(self.beyond - CREEP_FROM, 0.0))
        )
        values[:, last:] = rungs[:, -1:] + members.beyond + creep
        return np.maximum(values, 0.0)


def _bent(values: Array, u: Array, misfit: Array, k: int) -> Array:
    """Share (S, P) of the rise from a rung to the next that is done: that of `values` (S, P), bent with the misfit."""
    rise = values[:, -1:] - values[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rise > 1e-12, (values - values[:, :1]) / rise, (u - u[0]) / (u[-1] - u[0]))
    logit = special.logit(np.clip(share, 1e-12, 1 - 1e-12))
    size = (misfit / BEND_MISFIT * min((u[-1] - u[0]) / math.log(10), BEND_DECADES))[:, None]
    shift, scale = (_stream(f"{name} {k}", 1) for name in ("shift", "scale"))
    bent = special.expit(logit * np.exp(np.clip(BEND_SCALE * size * scale, -2, 2)) + BEND_SHIFT * size * shift)
    bent[:, 0], bent[:, -1] = 0.0, 1.0
    return np.asarray(bent)
