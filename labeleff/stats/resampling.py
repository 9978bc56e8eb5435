"""Noise of measured accuracies by draw and seed, and its joint resampling.

Runs of one arm are a mapping from label count to a mapping from (draw, seed) to accuracy in 0..1. Runs that
are missing at a rung are simply not in it. Stand-ins for a mean (`stats.stand_ins`) have its variance alone: they
share nothing with other rungs and arms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.seeding import Part, generator, stream_seed
from labeleff.stats.moderation import COMMON_PRIOR_DF, Array, moderated_variance
from labeleff.stats.stand_ins import StandIns

Run = tuple[int, int]
"""A run's (draw, seed)."""
Runs = Mapping[int, Mapping[Run, float]]
"""Accuracy in 0..1 by label count and run."""


REPLICATES = 2000
"""Default number of resampled curves."""


@dataclass(frozen=True)
class Factor:
    """Noise that the draws, or the seeds, add to every rung's mean (R rungs, L levels)."""

    name: str
    levels: tuple[int, ...]
    loadings: Array
    """(R, L): their product with standard normals of the levels is the part seen in the residuals; 0 for stand-ins."""
    independent: Array
    """(R,): variance of the mean that the residuals don't carry."""
    df: Array

    @property
    def variance(self) -> Array:
        """Variance of the mean at every rung, shape (R,)."""
        return np.asarray((self.loadings**2).sum(axis=1) + self.independent)


ONE_DRAW = 1.0
"""Variance that the only draw of an arm is taken to add to its means, in variances of one run.

It can't be measured from one draw. In crossed designs the label subset and the seed add about alike.
"""
LEAST_INDEPENDENT = 0.05
"""Least share of a mean's variance that is independent of other means: two draws alone would seem to move alike."""


def _varying(runs: Runs) -> list[tuple[str, int]]:
    """The factors whose levels distinguish the runs, with their axes.

    It is the draw alone where every draw has one run, or seeds of its own: its seeds are nested in it, and its mean is
    one observation. It is the seed alone where all runs share a draw.
    """
    pairs = {run for rung in runs.values() if not isinstance(rung, StandIns) for run in rung}
    draws, seeds = ({run[axis] for run in pairs} for axis in (0, 1))
    if len(draws) == 1 < len(seeds):
        return [("seed", 1)]
    if len(pairs) in (len(draws), len(seeds)):
        return [("draw", 0)]
    return [("draw", 0), ("seed", 1)]


def factors(runs: Runs) -> list[Factor]:
    """Moderated noise of the means, by factor; empty where no rung has two runs.

    In a crossed design draws and seeds are moderated apart and their variances added, which counts the
    interaction twice: intervals are then somewhat wide, never narrow.
    """
    rungs = ((n, isinstance(rung, StandIns), tuple(sorted(rung.items()))) for n, rung in sorted(runs.items()))
    return list(_factors(tuple(rungs)))


@functools.lru_cache(maxsize=1024)
def _factors(rungs: tuple[tuple[int, bool, tuple[tuple[Run, float], ...]], ...]) -> Sequence[Factor]:
    """Factors of runs given as items: an arm's noise is asked for by its curve, means, differences and ties."""
    runs = {n: StandIns(rung) if from_mean else dict(rung) for n, from_mean, rung in rungs}
    by_factor = [_factor(runs, name, axis) for name, axis in _varying(runs)]
    parts = [factor for factor in by_factor if factor is not None]
    return [*parts, _one_draw(runs, parts[0])] if parts and parts[0].name == "seed" else parts


def _factor(runs: Runs, name: str, axis: int) -> Factor | None:
    means = [level_means(runs[n], axis) for n in sorted(runs)]
    moderated = moderated_variance(sorted(runs), [list(rung.values()) for rung in means])
    if moderated is None:
        return None
    measured = [not isinstance(runs[n], StandIns) for n in sorted(runs)]
    levels = sorted({level for rung, named in zip(means, measured, strict=True) if named for level in rung})
    places = {level: place for place, level in enumerate(levels)}
    loadings = np.zeros((len(means), len(levels)))
    counts = np.array([len(rung) for rung in means], dtype=float)
    seen_of_stand_ins = np.zeros(len(means))
    for row, rung in enumerate(means):
        if len(rung) < 2:
            continue
        centre = float(np.mean(list(rung.values())))
        share = moderated.own_df[row] / (COMMON_PRIOR_DF + moderated.own_df[row])
        if not measured[row]:
            seen_of_stand_ins[row] = share * moderated.own[row] / counts[row]
            continue
        for level, value in rung.items():
            loadings[row, places[level]] = value - centre
        loadings[row] *= math.sqrt(share / (counts[row] * (counts[row] - 1)))
    whole = moderated.variance / counts
    seen = (loadings**2).sum(axis=1) + seen_of_stand_ins
    unexplained = np.maximum(whole - seen, LEAST_INDEPENDENT * whole)
    return Factor(name, tuple(levels), loadings, unexplained + seen_of_stand_ins, moderated.df)


def _one_draw(runs: Runs, seeds: Factor) -> Factor:
    """What the only draw may add to every mean, half of it alike at all rungs and in all arms."""
    counts = np.array([len(runs[n]) for n in sorted(runs)], dtype=float)
    variance = ONE_DRAW * seeds.variance * counts
    [draw] = {draw for rung in runs.values() if not isinstance(rung, StandIns) for draw, _ in rung}
    return Factor("draw", (draw,), np.sqrt(variance / 2)[:, None], variance / 2, seeds.df)


def level_means(rung: Mapping[Run, float], axis: int) -> dict[int, float]:
    """Mean accuracy of every draw (axis 0) or seed (axis 1)."""
    by_level: dict[int, list[float]] = {}
    for run in sorted(rung):
        by_level.setdefault(run[axis], []).append(rung[run])
    return {level: math.fsum(values) / len(values) for level, values in by_level.items()}


def means(runs: Runs) -> Array:
    """Mean accuracy at every rung in rising order, shape (R,)."""
    rungs = ([runs[n][run] for run in sorted(runs[n])] for n in sorted(runs))
    return np.array([np.add.reduce(rung) / len(rung) for rung in rungs])  # np.mean, without what it checks first


def fingerprint(runs: Runs) -> str:
    """Name of an arm's own streams, made of its runs: neither its name nor the unit of labels changes a number."""
    first = min(runs)
    rows = (
        f"{float(n / first)!r} {draw} {seed} {float(runs[n][draw, seed])!r}"
        for n in sorted(runs)
        for draw, seed in sorted(runs[n])
    )
    return format(stream_seed("runs", *rows), "x")


def total_variance(parts: Sequence[Factor]) -> tuple[Array, Array]:
    """Variance of the mean over all factors, and its degrees of freedom by Satterthwaite."""
    variances = np.array([part.variance for part in parts])
    dfs = np.array([part.df for part in parts])
    total = variances.sum(axis=0)
    return total, total**2 / (variances**2 / dfs).sum(axis=0)


def paired_differences(baseline: Runs, arm: Runs) -> dict[int, dict[Run, float]]:
    """Accuracy of the arm minus the baseline's, run by run, at rungs and runs that both have."""
    shared = {
        n: {run: arm[n][run] - baseline[n][run] for run in sorted(arm[n]) if run in baseline[n]}
        for n in sorted(arm)
        if n in baseline
    }
    return {n: rung for n, rung in shared.items() if rung}


@functools.lru_cache(maxsize=512)
def _normals(count: int, *parts: Part) -> Array:
    """Standard normals of the stream named by `parts`, shape (count,); the same at every call."""
    values = generator("resample", *parts).standard_normal(count)
    values.flags.writeable = False
    return values


@functools.lru_cache(maxsize=512)
def _student_factors(count: int, df: float) -> Array:
    """sqrt(df / chi-square(df)), shape (count,): turns normals into Student's t; one stream for all."""
    uniforms = generator("resample", "scale").random(count)
    values = np.sqrt(df / (2 * special.gammaincinv(df / 2, uniforms)))
    values.flags.writeable = False
    return np.asarray(values)


def resample(runs: Runs, own: str, *, count: int = REPLICATES) -> Array | None:
    """Replicates of an arm's mean accuracies, shape (count, R); None where no rung has two runs.

    Whole draws and seeds are resampled: a standard normal multiplies a draw's residuals at all rungs and, as
    its stream is named by the draw alone, in all arms, so that nested draws keep their correlation and arms
    stay paired. Covariances estimated from a handful of draws are shrunk to a diagonal exactly as variances
    are to their trend, with PRIOR_DF (an inverse-Wishart prior): the prior's share is independent noise, from
    streams named by `own` and the place of the rung. A Student factor common to a replicate makes every mean's
    distribution t with its moderated variance and degrees of freedom.
    """
    parts = factors(runs)
    if not parts:
        return None
    noise = np.zeros((count, len(runs)))
    for part in parts:
        shared = np.array([_normals(count, part.name, level) for level in part.levels]).reshape(-1, count)
        independent = np.stack([_normals(count, "own", own, part.name, rung) for rung in range(len(runs))])
        noise += (part.loadings @ shared + np.sqrt(part.independent)[:, None] * independent).T
    df = total_variance(parts)[1]
    scale = np.stack([_student_factors(count, round(float(value), 2)) for value in df], axis=1)
    return np.asarray(means(runs) + noise * scale)


def resample_independent(ns: Sequence[float], groups: Sequence[Sequence[float]], count: int) -> Array | None:
    """Replicates of rung means, shape (count, R), for runs without known common draws; None where no rung has two."""
    moderated = moderated_variance(ns, groups)
    if moderated is None:
        return None
    columns = [
        np.mean(group)
        + math.sqrt(moderated.variance[row] / len(group))
        * _normals(count, "own", "curve", row)
        * _student_factors(count, round(float(moderated.df[row]), 2))
        for row, group in enumerate(groups)
    ]
    return np.stack(columns, axis=1)
