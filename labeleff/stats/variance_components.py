"""The spread of accuracies by source: draw of labels, seed, and their interaction.

The model of a crossed design is y = mean + draw + seed + interaction, all three random (Searle, Casella and McCulloch
1992, Variance Components, chapters 4 and 5); with one run per combination the interaction includes all other noise.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from labeleff.seeding import generator
from labeleff.stats.differences import FLAT, check_runs
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Run, Runs

Source = Literal["draw", "seed", "interaction"]
SOURCES: tuple[Source, ...] = ("draw", "seed", "interaction")
COUNT = 4000
"""Replicates behind an interval."""


@dataclass(frozen=True)
class Component:
    """Variance that one source adds to a single run (accuracy squared), and its share of the sum, with intervals."""

    source: Source
    variance: float
    low: float
    high: float
    share: float
    """Share of the sum in 0..1; the shares of a split sum to 1."""
    share_low: float
    share_high: float
    truncated: bool
    """The estimate was negative and is given as 0: runs differ less by this source than chance would make them."""


@dataclass(frozen=True)
class Split:
    """The variance of runs by source, at one rung or averaged over several."""

    ns: tuple[int, ...]
    draws: int
    seeds: int
    runs: int
    """Runs used; fewer than draws times seeds where some are missing."""
    components: tuple[Component, ...]
    """Draw, seed, interaction; empty where the design can't separate them."""
    reason: str | None
    """Why there are no components, or which runs were left out; else None."""

    def variance(self, source: Source) -> float:
        """Variance of `source`, in accuracy squared. Raises KeyError where the design can't separate the sources."""
        return {part.source: part.variance for part in self.components}[source]


@dataclass(frozen=True)
class Splits:
    """One split per rung in rising order, and their average over the ladder (None without a rung)."""

    rungs: tuple[Split, ...]
    ladder: Split | None


@dataclass(frozen=True)
class _Strata:
    """Projections (N, N) onto draws given seeds, seeds given draws, and the residuals, with their ranks."""

    projections: tuple[Array, Array, Array]
    df: tuple[int, int, int]
    repeats: tuple[float, float]
    """Weight of a draw's and of a seed's variance in the expected mean squares: runs per level, if none is missing."""


def _strata(runs: list[Run]) -> _Strata | str:
    """Henderson's method III for two crossed factors; a reason where the runs can't separate them."""
    draws, seeds = (np.unique([run[axis] for run in runs], return_inverse=True)[1] for axis in (0, 1))
    counts = int(draws.max()) + 1, int(seeds.max()) + 1
    for count, one, other in ((counts[0], "draw", "seeds"), (counts[1], "seed", "draws")):
        if count == 1:
            return f"one {one}: its part and what {other} add can't be told apart"
    rank = _rank(draws, seeds)
    if rank == len(runs):
        return "draws and seeds change together: no two draws meet the same two seeds"
    if rank < sum(counts) - 1:
        return "draws fall into groups that share no seed: their parts can't be told apart"
    z_draw, z_seed = np.eye(counts[0])[draws], np.eye(counts[1])[seeds]
    past_draw, past_seed = (np.eye(len(runs)) - z @ np.linalg.pinv(z) for z in (z_draw, z_seed))
    both = np.hstack([z_draw, z_seed])
    residual = np.eye(len(runs)) - both @ np.linalg.pinv(both)
    df = counts[0] - 1, counts[1] - 1, len(runs) - rank
    repeats = tuple(
        float(np.trace(z.T @ past @ z)) / freedom
        for z, past, freedom in ((z_draw, past_seed, df[0]), (z_seed, past_draw, df[1]))
    )
    return _Strata((past_seed - residual, past_draw - residual, residual), df, (repeats[0], repeats[1]))


def _rank(draws: npt.NDArray[np.int64], seeds: npt.NDArray[np.int64]) -> int:
    """Rank of the design matrix of draws and seeds (integers from 0): their number minus that of separate groups.

    Groups are the components of the graph in which a run joins its draw and its seed (Searle 1971, Linear Models,
    chapter 7): studies have thousands of runs, whose matrix itself would be too large.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    size = int(draws.max()) + int(seeds.max()) + 2
    joined = sparse.coo_array((np.ones(len(draws)), (draws, seeds + int(draws.max()) + 1)), shape=(size, size))
    groups, _ = csgraph.connected_components(joined, directed=False)
    return size - int(groups)


@functools.cache
def _uniforms(source: Source) -> Array:
    values = generator("variance", source).random(COUNT)
    values.flags.writeable = False
    return values


def _mean_square(table: Array, projection: Array, df: int) -> tuple[float, float]:
    """Mean square of a `table` (N, R), averaged over its rungs, with the degrees of freedom of that average.

    Rungs that move together count as one, independent rungs one each: df tr(B)^2 / tr(B^2) for the matrix B (R, R) of
    sums of products (Box 1954, Ann. Math. Stat. 25; Greenhouse and Geisser 1959). Estimated from few runs this is
    too low rather than too high: where rungs move apart the intervals of a ladder are wide.
    """
    products = table.T @ projection @ table
    size, square = float(np.trace(products)), float((products**2).sum())
    return size / df / table.shape[1], df * size**2 / square if square > 0 else float(df)


def _components(table: Array, strata: _Strata, level: float) -> tuple[Component, ...]:
    """Components by the method of moments, negative ones as 0; intervals from generalised pivotal quantities.

    Mean squares divided by chi-squares stand for their expectations (Weerahandi 1993, J. Am. Stat. Assoc. 88); their
    solutions are cut at 0 before shares are taken.
    """
    mean_squares = [_mean_square(table, p, df) for p, df in zip(strata.projections, strata.df, strict=True)]
    squares = np.array([square for square, _ in mean_squares])
    pivots = np.stack(
        [
            square * df / (2 * special.gammaincinv(df / 2, _uniforms(source)))
            for source, (square, df) in zip(SOURCES, mean_squares, strict=True)
        ]
    )
    raw, drawn = (_solve(values, strata.repeats) for values in (squares, pivots))
    estimates, drawn = np.maximum(raw, 0.0), np.maximum(drawn, 0.0)
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.quantile(drawn, tails, axis=1).T
    with np.errstate(invalid="ignore"):
        share_ends = np.nanquantile(drawn / drawn.sum(axis=0), tails, axis=1).T
    shares = estimates / estimates.sum()
    columns = np.column_stack([estimates, ends, shares, share_ends]).tolist()
    components = []
    for place, (variance, low, high, share, share_low, share_high) in enumerate(columns):
        cut = bool(raw[place] < 0)
        components.append(Component(SOURCES[place], variance, low, high, share, share_low, share_high, cut))
    return tuple(components)


def _solve(squares: Array, repeats: tuple[float, float]) -> Array:
    """Components (3, ...) from mean squares (3, ...) of draws, seeds and residuals."""
    residual = squares[2]
    return np.stack([(squares[0] - residual) / repeats[0], (squares[1] - residual) / repeats[1], residual])


def _split(runs: Runs, level: float) -> Split:
    """The split averaged over all rungs of `runs`, from the runs that every rung has."""
    ns = tuple(sorted(runs))
    common = sorted(set.intersection(*(set(runs[n]) for n in ns)))
    missing = len({run for n in ns for run in runs[n]}) - len(common)
    reason = f"{missing} runs that some rung lacks are left out" if missing else None
    draws, seeds = (len({run[axis] for run in common}) for axis in (0, 1))
    if len(common) < 2:
        return Split(ns, draws, seeds, len(common), (), reason or "one run: there is no spread")
    table = np.array([[runs[n][run] for n in ns] for run in common])
    strata = _strata(common)
    if isinstance(strata, str):
        return Split(ns, draws, seeds, len(common), (), strata)
    if float(np.ptp(table, axis=0).max()) < FLAT:
        return Split(ns, draws, seeds, len(common), (), "all runs are equal: there is no spread")
    centred = table - table.mean(axis=0)
    return Split(ns, draws, seeds, len(common), _components(centred, strata, level), reason)


def split(runs: Runs, *, level: float = LEVEL) -> Splits:
    """Split the variance of accuracies {label count: {(draw, seed): accuracy}} into draw, seed and interaction.

    Needs a crossed design: two draws that meet the same two seeds, all connected; runs may be missing. Split the
    paired differences of two arms to plan how to measure a gain. Over the ladder variances are averaged with equal
    weights, so the noisier rungs decide. Intervals have probability `level`. Raises CurveError for rungs without
    runs and numbers that aren't finite, OptionError for a bad level.
    """
    check_level(level)
    check_runs("the arm", runs)
    rungs = tuple(_split({n: runs[n]}, level) for n in sorted(runs))
    return Splits(rungs, _split(runs, level) if runs else None)
