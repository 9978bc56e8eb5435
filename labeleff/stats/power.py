"""Draws or seeds needed to resolve a gain: the power of two-sided t tests.

The tests are those of `stats.differences`: differences of pairs with moderated variance, and in crossed designs the
sum of what draws and seeds add. (Noncentral t: Johnson, Kotz and Balakrishnan 1995, Continuous Univariate
Distributions 2, chapter 31.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.errors import OptionError
from labeleff.stats.differences import Difference, compare, pairs
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.intervals import rung_estimates
from labeleff.stats.moderation import PRIOR_DF, Array
from labeleff.stats.resampling import Runs, factors
from labeleff.stats.variance_components import Split, split

POWER = 0.80
MOST = 10**9
"""Largest number of draws or seeds; more count as never."""
SCANNED = 64
"""Largest count up to which all are tried one by one."""
ROOT = 1e-12
"""Precision, in standard errors, to which a shift is sought."""


@dataclass(frozen=True)
class Resolution:
    """The number of draws that resolves a gain at one rung, estimated from the present runs."""

    n: int
    gain: float
    sd: float | None
    """Standard deviation of one draw's difference; None where draws and seeds are crossed or no spread was measured."""
    pairs: int
    """Number of present draws (0: the arms share none)."""
    draws: int | None
    """Draws needed, shared by both arms and with as many seeds as now; None where no number of them is enough."""
    cautious: int | None
    """Draws needed if the standard deviation lies at its upper limit; None where there is no such limit."""
    detectable: float | None
    """The least gain that the present draws resolve with this power."""
    reason: str | None
    """Why something is None, or that the arms are unpaired; else None."""


def check_request(gain: float, power: float, level: float) -> None:
    """Raise OptionError unless `gain` is finite and not 0, and `power` lies between 1 - `level` and 1."""
    check_level(level)
    if not math.isfinite(gain) or gain == 0:
        raise OptionError(f"gain: found {gain}, expected a difference of accuracies that isn't 0, e.g. 0.02")
    if not 1 - level < power < 1:
        raise OptionError(f"power: found {power}, expected a probability over {1 - level:.3g} and under 1, e.g. 0.80")


def t_power(shift: float, df: float, level: float, *, stretch: float = 1.0) -> float:
    """Probability that a two-sided test at `level` detects a difference of `shift` standard errors.

    `stretch` multiplies the test's bound: over 1 where its standard error is expected too large by that factor. The
    noncentral t is integrated over the chi of its denominator, to 1e-5: scipy.special.nctdtr is nan at places.
    """
    limits, weights = _limits(df, level, stretch), _nodes()[1]
    return min(float(weights @ (special.ndtr(shift - limits) + special.ndtr(-shift - limits))), 1.0)


@functools.lru_cache(maxsize=1024)
def _limits(df: float, level: float, stretch: float) -> Array:
    """Bounds of the test at the nodes, in standard errors; a search for a shift asks for them again and again."""
    bound = float(special.stdtrit(df, 0.5 + level / 2)) * stretch
    return np.asarray(bound * np.sqrt(2 * special.gammaincinv(df / 2, _nodes()[0]) / df))


@functools.cache
def _nodes() -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on 0..1."""
    nodes, weights = special.roots_legendre(200)
    return (nodes + 1) / 2, weights / 2


def degrees(draws: int, rungs: int) -> float:
    """Degrees of freedom of a moderated variance from `draws` runs at each of `rungs` rungs.

    Few draws leave the trend in doubt: it adds at most twice what a rung has alone.
    """
    return min(draws - 1 + min(PRIOR_DF, 2.0 * (draws - 1)), rungs * (draws - 1.0))


def _check_spread(name: str, sd: float) -> None:
    if not (math.isfinite(sd) and sd > 0):
        raise OptionError(f"{name}: found {sd}, expected a finite standard deviation over 0")


def _fewest(reached: Callable[[int], bool]) -> int | None:
    """The smallest count from 2 on for which `reached` holds; None where none does up to MOST.

    Small counts are tried one by one: in crossed designs power can fall again as the noisier factor alone is left,
    with its few degrees of freedom. Past them it must rise.
    """
    for count in range(2, SCANNED + 1):
        if reached(count):
            return count
    high = 2 * SCANNED
    while not reached(high):
        if high >= MOST:
            return None
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def draws_needed(gain: float, sd: float, *, power: float = POWER, level: float = LEVEL, rungs: int = 1) -> int | None:
    """Number of draws (pairs) at which a true difference of `gain` is resolved with probability `power`.

    `gain` and `sd`, the standard deviation of one pair's difference, are in accuracy (0..1). The test is two-sided at
    1 - `level`. `rungs` share their variance as in `stats.moderation.moderated_variance`; 1 is the plain paired t test.
    None: more than MOST. Raises OptionError for arguments out of range.
    """
    check_request(gain, power, level)
    _check_spread("sd", sd)
    return _fewest(lambda count: t_power(gain * math.sqrt(count) / sd, degrees(count, rungs), level) >= power)


def detectable_gain(sd: float, draws: int, *, power: float = POWER, level: float = LEVEL, rungs: int = 1) -> float:
    """The least gain in accuracy that `draws` pairs (two or more) resolve with probability `power`."""
    check_request(1.0, power, level)
    _check_spread("sd", sd)
    if draws < 2:
        raise OptionError(f"draws: found {draws}, expected two or more")
    return _least_shift(degrees(draws, rungs), power, level) * sd / math.sqrt(draws)


def _least_shift(df: float, power: float, level: float, stretch: float = 1.0) -> float:
    """Least difference, in standard errors, that is detected with probability `power`."""

    def lacks(shift: float) -> float:
        return power - t_power(shift, df, level, stretch=stretch)

    other, shift, lack = 0.0, 1.0, lacks(0.0)
    while (value := lacks(shift)) > 0:
        other, shift, lack = shift, shift * 2, value
    step = math.inf
    while abs(step) > ROOT and value:  # regula falsi, in which an end that stays counts half (Illinois)
        step = value * (shift - other) / (value - lack)
        before, shift = shift, shift - step
        if (then := lacks(shift)) * value < 0:
            other, lack = before, value
        else:
            lack /= 2
        value = then
    return shift


@dataclass(frozen=True)
class _Crossed:
    """A planned crossed design: the true standard error, and how its test sees it."""

    error: float
    df: float
    stretch: float


def _crossed(parts: Split, draws: int, seeds: int) -> _Crossed:
    """Plan `draws` times `seeds` runs; `parts` are variances of differences.

    The test adds the mean squares of draws and seeds, so the interaction counts twice (`stats.resampling.factors`).
    """
    interaction = parts.variance("interaction") / (draws * seeds)
    by_draw = parts.variance("draw") / draws + interaction
    by_seed = parts.variance("seed") / seeds + interaction
    tested, true = by_draw + by_seed, by_draw + by_seed - interaction
    df = tested**2 / (by_draw**2 / (draws - 1) + by_seed**2 / (seeds - 1))
    return _Crossed(math.sqrt(true), df, math.sqrt(tested / true))


def crossed_power(gain: float, parts: Split, draws: int, seeds: int, *, level: float = LEVEL) -> float:
    """Probability that `draws` crossed with `seeds` (two or more each) resolve `gain`.

    `parts` is the split variance of paired differences (`stats.variance_components.split`): that of the mean is
    draw / D + seed / S + interaction / DS. Raises OptionError where it has no components.
    """
    check_level(level)
    if not parts.components or not any(part.variance for part in parts.components):
        raise OptionError(f"the variance isn't split into draws and seeds: {parts.reason or 'it is 0'}")
    if min(draws, seeds) < 2:
        raise OptionError(f"draws, seeds: found {draws}, {seeds}, expected two or more of each")
    plan = _crossed(parts, draws, seeds)
    return t_power(gain / plan.error, plan.df, level, stretch=plan.stretch)


def seeds_needed(gain: float, parts: Split, draws: int, *, power: float = POWER, level: float = LEVEL) -> int | None:
    """Number of seeds, crossed with `draws` draws, that resolves `gain`; None: draws alone are too noisy."""
    check_request(gain, power, level)
    return _fewest(lambda seeds: crossed_power(gain, parts, draws, seeds, level=level) >= power)


def crossed_draws(gain: float, parts: Split, seeds: int, *, power: float = POWER, level: float = LEVEL) -> int | None:
    """Number of draws, crossed with `seeds` seeds, that resolves `gain`; None: seeds alone are too noisy."""
    check_request(gain, power, level)
    return _fewest(lambda draws: crossed_power(gain, parts, draws, seeds, level=level) >= power)


def resolve(baseline: Runs, arm: Runs, gain: float, *, power: float = POWER, level: float = LEVEL) -> list[Resolution]:
    """Estimate the draws that would resolve a true `gain` of `arm` over `baseline`, by shared rung in rising order.

    Paired draws count with the spread of their differences; unpaired arms as if they went on without shared draws.
    Crossed designs keep their seeds. Raises as labeleff.stats.differences.compare and check_request do.
    """
    check_request(gain, power, level)
    compared = compare(baseline, arm, level=level)
    pairing, differences = pairs(baseline, arm)
    if pairing == "run" and len(factors(differences)) == 2:
        return [_from_split(part, gain, power, level) for part in split(differences, level=level).rungs]
    noise = rung_estimates(baseline), rung_estimates(arm)
    several = sum(len(rung) > 1 for rung in differences.values())
    rows = []
    for row in compared.rungs:
        n = row.ns[0]
        if row.standard_error is None:
            rows.append(Resolution(n, gain, None, row.pairs, None, None, None, row.reason))
        elif row.pairing == "none":
            counts = len(baseline[n]), len(arm[n])
            sd = math.sqrt(sum(each[n].variance * count for each, count in zip(noise, counts, strict=True)))
            rows.append(_from_pairs(row, gain, sd, min(counts), 1, power, level))
        else:
            sd = row.standard_error * math.sqrt(row.pairs)
            rows.append(_from_pairs(row, gain, sd, row.pairs, several, power, level))
    return rows


def _from_pairs(
    row: Difference, gain: float, sd: float, count: int, rungs: int, power: float, level: float
) -> Resolution:
    df = row.df or 1.0
    high = sd * math.sqrt(df / (2 * float(special.gammaincinv(df / 2, 1 - level))))
    draws, cautious = (draws_needed(gain, s, power=power, level=level, rungs=rungs) for s in (sd, high))
    detectable = detectable_gain(sd, count, power=power, level=level, rungs=rungs) if count > 1 else None
    one_draw = None if detectable else "one draw: the others' spread is taken, and nothing is detectable yet"
    reason = row.reason or one_draw
    return Resolution(row.ns[0], gain, sd, row.pairs, draws, cautious, detectable, reason)


def _from_split(parts: Split, gain: float, power: float, level: float) -> Resolution:
    n = parts.ns[0]
    if not parts.components or not any(part.variance for part in parts.components):
        return Resolution(n, gain, None, parts.draws, None, None, None, parts.reason)
    draws = crossed_draws(gain, parts, parts.seeds, power=power, level=level)
    plan = _crossed(parts, parts.draws, parts.seeds)
    detectable = _least_shift(plan.df, power, level, plan.stretch) * plan.error
    reason = None if draws else f"{parts.seeds} seeds are too few, however many the draws"
    return Resolution(n, gain, None, parts.draws, draws, None, detectable, parts.reason or reason)
