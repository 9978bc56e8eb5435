"""Equally likely learning curves that never fall and pass through the rung means within their noise.

A draw takes a family, its shape, the size of the misfit and of the scatter between rungs by their posterior
probability; then the accuracies at the rungs given all that, projected onto those that never fall (Lin and Dunson
2014, Biometrika 101, section 2). Between two rungs the curve rises from the one to the other as its family does, bent
at random as far as the misfit is large; beyond the last one it goes on as its family does. So nothing that is free
between far rungs moves what was measured at them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special
from threadpoolctl import ThreadpoolController

from labeleff.curves.bayes import NODES, Indices, Posterior, stacked, whitening
from labeleff.curves.bayes_priors import FAMILIES, MISFITS, NUGGETS, families
from labeleff.curves.interpolation import Curves, isotonic
from labeleff.curves.posterior_grid import DRAWS, Grid, stream, stretch
from labeleff.curves.rung_means import LEVEL_SD, NoisyMeans, borrowed_sd
from labeleff.stats.moderation import Array

MISFIT_LENGTH = 1.0
"""Length scale of the Matern-3/2 misfit, in ln n."""
LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Borrowed noise is tried at these numbers of LEVEL_SD from its centre."""
NEGLIGIBLE = 12.0
"""Grid points whose evidence is smaller than the largest by more than a factor of e to this are left out."""
CHECK = 0.99
"""Probability of the bands in which all measured means should lie."""
WIDER = 3.0
"""Factor by which the nugget grows where a mean lies outside its band."""
ROUNDS = 3
"""How often it may grow."""


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


def draw(measured: NoisyMeans, *, beyond: bool = True) -> Average:
    """Draw learning curves given rung means in 0..1. The same input gives the same draws.

    Without `beyond` the curves end at the first and the last rung.

    BLAS has one thread meanwhile: matrices are small, and threads on busy cores only wait for each other.
    """
    with _thread_pools().limit(limits=1, user_api="blas"):
        average = _draw(measured, 1.0, beyond)
        for growth in range(1, ROUNDS + 1):
            if average.passes:
                break
            average = _draw(measured, WIDER**growth, beyond)
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


def _draw(measured: NoisyMeans, wider: float, beyond: bool) -> Average:
    x = np.log(measured.ns)
    middle = (x[0] + x[-1]) / 2
    level = isotonic(measured.means[None], 1 / measured.variance)[0]
    grid = Grid.over(x, middle, beyond=beyond)
    sizes = settings(measured, float(level[-1] - level[0]), wider)
    members = _Members.draw(measured, grid, sizes)
    rungs = _rungs(members, measured)
    values = np.minimum(
        np.maximum.accumulate(grid.curves(members.values, members.beyond, members.misfit, rungs), axis=1), 1.0
    )
    noise = members.level
    if not measured.borrowed:
        ratio = measured.variance * measured.counts / borrowed_sd(measured.ns, measured.means, measured.first) ** 2
        noise = noise * math.sqrt(ratio.mean())
    bands = _bands(measured, rungs, members)
    passes = bool(((bands[:, 0] <= measured.means) & (measured.means <= bands[:, 1])).all())
    return Average(
        Curves(grid.ns(measured.ns), values, log=True), members.weights, members.nugget, noise, bands, wider, passes
    )


def _bands(measured: NoisyMeans, rungs: Array, members: _Members) -> Array:
    """Bands (R, 2) of the means that the drawn `rungs` (S, R) predict, with their noise and nugget (Bonferroni)."""
    within = (members.level**2).mean() * measured.variance + (members.nugget**2).mean()
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
    expected: Array
    """(S, R): expected accuracies at the rungs given the member and the means."""
    doubt: Array
    """(S, R): draws of their error."""
    misfit: Array
    """(S,): misfit, in units of the rise."""
    nugget: Array
    """(S,): standard deviation of the nugget, in accuracy."""
    level: Array
    """(S,): factor of the noise's standard deviation."""
    weights: Mapping[str, float]

    @classmethod
    def draw(cls, measured: NoisyMeans, grid: Grid, sizes: list[Setting]) -> _Members:
        """Draw members, DRAWS in all, each in proportion to its posterior probability (stratified sampling)."""
        u, count = grid.u[grid.rungs], len(measured.ns)
        shape = matern(u[:, None] - u)
        table = np.array([[size.misfit, size.nugget, size.level] for size in sizes])
        squares = (table**2)[..., None, None]
        misfits = squares[:, 0] * shape
        errors = squares[:, 2] * measured.covariance + squares[:, 1] * np.eye(count) + misfits
        parts = list(_probable(u, measured.means, errors, [size.log_prior for size in sizes]))
        chosen = _places(np.concatenate([weights for *_, weights in parts]))
        used = np.unique(np.concatenate([places for _, places, *_ in parts])[chosen])
        given = dict(zip(used.tolist(), zip(*_given(errors[used], misfits[used]), strict=True), strict=True))
        rows = np.argsort(stream("uniform order", 1)[:, 0])
        values, beyond = np.empty((DRAWS, len(grid.u))), np.empty((DRAWS, len(grid.beyond)))
        expected, doubt = np.empty((DRAWS, count)), np.empty((DRAWS, count))
        setting, start = np.empty(DRAWS, dtype=np.intp), 0
        shares: dict[str, float] = dict.fromkeys(FAMILIES, 0.0)
        for name, places, part, weights in parts:
            here = np.flatnonzero((chosen >= start) & (chosen < start + len(weights)))
            index, row = chosen[here] - start, rows[here]
            start += len(weights)
            if not len(here):
                continue
            turns = np.arange(len(index)) - np.searchsorted(places[index], places[index])
            uniforms = stream("uniform members", NODES + 2)[here]
            c, b = (each[:, None] for each in part.draw(index, uniforms, turns))
            phi = functools.partial(_phi, part, index)
            values[row] = c - b * phi(grid.u[None])
            beyond[row] = b * (phi(u[None, -1:]) - phi(u[-1] + grid.beyond / stretch()[row, None]))
            setting[row] = places[index]
            for place in np.unique(places[index]).tolist():
                gain, root = given[place]
                some = places[index] == place
                at_rungs = values[row[some]][:, grid.rungs]
                expected[row[some]] = at_rungs + (measured.means - at_rungs) @ gain
                doubt[row[some]] = stream("rungs", count)[here[some]] @ root.T
                shares[name] += float(some.sum()) / DRAWS
        misfit, nugget, level = table[setting].T
        widest = table[:, 0].max()
        return cls(values, beyond, expected, doubt, misfit * max(MISFITS) / widest, nugget, level, shares)


def _phi(part: Posterior, index: Indices, u: Array) -> Array:
    """Phi (S, G) of the grid points `index` (S,) at `u`, (1, G) or (S, G)."""
    return part.family.phi(u, part.grid.first[index, None], part.grid.second[index, None])


def _probable(
    u: Array, means: Array, errors: Array, priors: list[float]
) -> Iterator[tuple[str, Indices, Posterior, Array]]:
    """Families with their probable grid points, the places of these points' settings, and their log weights."""
    noise, log_priors = whitening(errors), np.array(priors)[:, None]
    every = {
        name: stacked(family, u, means, noise)
        for name, family in families(float(isotonic(means[None], np.ones(len(means)))[0, -1])).items()
    }
    evidence = {name: part.log_evidence.reshape(len(errors), -1) for name, part in every.items()}
    largest = max(float((rows.max(axis=1, keepdims=True) + log_priors).max()) for rows in evidence.values())
    for name, part in every.items():
        places, points = np.nonzero(evidence[name] > largest - NEGLIGIBLE - log_priors)
        if len(places):
            kept = part.at(places * evidence[name].shape[1] + points)
            yield name, places, kept, kept.log_weights() + log_priors[places, 0]


def _places(log_weights: Array) -> Indices:
    """DRAWS places in `log_weights`, rising, each in proportion to its weight (stratified sampling)."""
    total = np.cumsum(np.exp(log_weights - log_weights.max()))
    places = np.searchsorted(total, (np.arange(DRAWS) + 0.5) / DRAWS * total[-1])
    return np.asarray(np.minimum(places, len(log_weights) - 1))


def _given(total: Array, part: Array) -> tuple[Array, Array]:
    """Gains (K, R, R) of normal parts from sums of covariance `total`, and the roots of what stays unknown.

    The root is the symmetric one, as eigenvectors differ in sign between machines.
    """
    gain = np.linalg.solve(total, part)
    remainder = part - part @ gain
    values, vectors = np.linalg.eigh((remainder + remainder.transpose(0, 2, 1)) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None] @ vectors.transpose(0, 2, 1)
    return np.asarray(gain), np.asarray(root)


@functools.lru_cache(maxsize=16)
def _student_factors(df: float) -> Array:
    """Factors (DRAWS,) that turn normals into Student's t."""
    return np.asarray(np.sqrt(df / (2 * special.gammaincinv(df / 2, stream("uniform scale", 1)[:, 0]))))


def _rungs(members: _Members, measured: NoisyMeans) -> Array:
    """Accuracies at the rungs (S, R) in 0..1 that never fall: Student's t around their mean, projected."""
    drawn = members.expected + members.doubt
    centre = drawn.mean(axis=0)
    if not measured.borrowed:
        drawn = centre + (drawn - centre) * _student_factors(measured.df)[:, None]
    return isotonic(np.clip(drawn, 0.0, 1.0), 1 / (drawn.var(axis=0) + 1e-12))
