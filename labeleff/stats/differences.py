"""Paired differences of two arms' accuracies, at every rung and over the ladder.

Draws depend on the task alone, so arms share their labels: the difference within a pair is free of the luck of
the draw. Where nothing is shared the arms are compared as independent samples, and the result says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy import special

from labeleff.errors import CurveError
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.intervals import Estimate, rung_estimates
from labeleff.stats.resampling import Run, Runs, level_means, means, paired_differences

Pairing = Literal["run", "draw", "none"]
"""What makes a pair: the same draw and seed, the same draw (means over its seeds), or nothing."""
FLAT = 1e-12
"""Accuracies closer than this are equal: the difference is rounding."""


@dataclass(frozen=True)
class Difference:
    """Mean accuracy of an arm minus the baseline's, in -1..1, at one rung or averaged over several.

    The interval is Student's t around `mean`, `p_value` is two-sided for a true difference of 0 and isn't adjusted
    for the number of rungs. All of them are None where no spread was measured, and `reason` says why.
    """

    ns: tuple[int, ...]
    """The label counts averaged over, with equal weights."""
    mean: float
    low: float | None
    high: float | None
    standard_error: float | None
    df: float | None
    p_value: float | None
    pairs: int
    """Number of distinct pairs over all of `ns`; 0 where the arms are compared unpaired."""
    pairing: Pairing
    reason: str | None
    """Why there is no interval, why it is unpaired, or that it rests on the floor of the variance; else None."""


@dataclass(frozen=True)
class Differences:
    """An arm against a baseline: one difference per shared rung, in rising order, and one over the ladder.

    `ladder` averages the rungs that have two pairs or more (`Difference.ns` lists them); None without a shared rung.
    """

    rungs: tuple[Difference, ...]
    ladder: Difference | None


def check_runs(name: str, runs: Runs) -> None:
    """Raise CurveError for a rung without runs and for accuracies that aren't finite."""
    for n in sorted(runs):
        if not runs[n]:
            raise CurveError(f"{name}: the rung of {n} labels has no runs; leave it out")
        for run, value in runs[n].items():
            if not math.isfinite(value):
                raise CurveError(f"{name} at {n} labels, (draw, seed) {run}: found {value}, expected a finite accuracy")


def pairs(baseline: Runs, arm: Runs) -> tuple[Pairing, Runs]:
    """How the arms are paired, and arm minus baseline by pair; a draw's mean over its seeds has seed 0.

    Runs are paired unless that loses draws that both arms have; then draws are.
    """
    by_run, by_draw = paired_differences(baseline, arm), paired_differences(_by_draw(baseline), _by_draw(arm))
    shared_draws = sum(len({draw for draw, _ in rung}) for rung in by_run.values())
    if not by_draw:
        return "none", {}
    return ("run", by_run) if shared_draws == sum(map(len, by_draw.values())) else ("draw", by_draw)


def _by_draw(runs: Runs) -> Runs:
    return {n: {(draw, 0): value for draw, value in _draw_means(rung).items()} for n, rung in runs.items()}


def _draw_means(rung: Mapping[Run, float]) -> dict[int, float]:
    """Mean accuracy of every draw over its seeds; unchanged where every draw has one run."""
    single = {draw: rung[draw, seed] for draw, seed in sorted(rung)}
    return single if len(single) == len(rung) else level_means(rung, 0)


def ladder_values(runs: Runs) -> dict[Run, float]:
    """One value per run, with the mean of the rung means as mean and the noise that runs add to it as spread.

    With all runs at all rungs that is the run's average over the ladder, so that the noise which nested draws
    share between rungs is counted whole. A run that is missing at a rung adds nothing there, and the other runs of
    the rung count L / (L - 1) for it: the cluster-robust residuals of Bell and McCaffrey (2002, Survey Methodology
    28) in closed form. Every rung needs two runs.
    """
    every = sorted({run for rung in runs.values() for run in rung})
    centre = float(means(runs).mean())
    gathered = dict.fromkeys(every, centre)
    for rung in runs.values():
        count, mean = len(rung), math.fsum(rung.values()) / len(rung)
        lost = math.sqrt(count / (count - 1) * (len(every) - 1) / len(every))
        for run in sorted(rung):
            gathered[run] += len(every) / (len(runs) * count) * lost * (rung[run] - mean)
    return gathered


def ladder_estimate(runs: Runs) -> Estimate | None:
    """Mean of the rung means with its variance; None unless every rung has two runs.

    Nothing is moderated: there is one ladder, and no other to borrow from. Degrees of freedom are those of the runs,
    fewer where some are missing and others weigh more for it.
    """
    if not runs or min(map(len, runs.values())) < 2:
        return None
    values = ladder_values(runs)
    estimate = rung_estimates({1: values})[1]
    if any(len(rung) < len(values) for rung in runs.values()):
        return Estimate(estimate.mean, estimate.variance, estimate.df * _residual_df(runs) / (len(values) - 1))
    return estimate


def _residual_df(runs: Runs) -> float:
    """Degrees of freedom of the variance of `ladder_values`, by Satterthwaite.

    tr(M)^2 / tr(M^2) for the matrix M of what two runs' parts have in common if all residuals have one variance (Bell
    and McCaffrey 2002); without missing runs that is their number minus 1. M is the sum over the rungs of centring
    matrices of their L runs, divided by L (L - 1).
    """
    rungs = [(frozenset(rung), float(len(rung))) for rung in runs.values()]
    square = 0.0
    for first, a in rungs:
        for second, b in rungs:
            both = len(first & second)
            square += both * (1 - 1 / a - 1 / b + both / (a * b)) / (a * (a - 1) * b * (b - 1))
    return math.fsum(1 / count for _, count in rungs) ** 2 / square


def compare(baseline: Runs, arm: Runs, *, level: float = LEVEL) -> Differences:
    """Compare `arm` with `baseline` at the rungs that both have, with intervals of probability `level`.

    Both are mappings {label count: {(draw, seed): accuracy}}. Variances of rungs are moderated over the ladder; in a
    crossed design the interaction counts twice, so intervals are somewhat wide, never narrow. Unpaired
    differences have Welch's variance and degrees of freedom. Raises CurveError for rungs without runs and numbers
    that aren't finite, OptionError for a bad level.
    """
    check_level(level)
    check_runs("the baseline", baseline)
    check_runs("the arm", arm)
    shared = [n for n in sorted(arm) if n in baseline]
    pairing = _Pairs(*pairs(baseline, arm))
    paired = rung_estimates(pairing.differences)
    noise = rung_estimates(baseline), rung_estimates(arm)
    rows = []
    for n in shared:
        if n in paired:
            rows.append(pairing.difference((n,), paired[n], level))
        else:
            gap = float(means({n: arm[n]})[0] - means({n: baseline[n]})[0])
            estimate = _welch(noise[0].get(n), noise[1].get(n))
            rows.append(_unpaired((n,), gap, estimate, n in pairing.differences, level))
    return Differences(tuple(rows), _ladder(baseline, arm, shared, pairing, level) if shared else None)


def gaps(
    baseline: Runs, arm: Runs, noise: tuple[Mapping[int, Estimate], Mapping[int, Estimate]]
) -> dict[int, Estimate]:
    """The differences of `compare` at the shared rungs that have a spread, from the arms' own `rung_estimates`."""
    paired = rung_estimates(pairs(baseline, arm)[1])
    estimates = {n: paired.get(n) or _welch(noise[0].get(n), noise[1].get(n)) for n in sorted(arm) if n in baseline}
    return {n: estimate for n, estimate in estimates.items() if estimate is not None}


@dataclass(frozen=True)
class _Pairs:
    """How the arms are paired, with the differences by pair."""

    pairing: Pairing
    differences: Runs

    def difference(self, ns: tuple[int, ...], estimate: Estimate, level: float) -> Difference:
        rungs = self.differences.values()
        flat = all(max(rung.values()) - min(rung.values()) < FLAT for rung in rungs)
        reason = "all pairs differ alike: the interval rests on the smallest variance believed" if flat else None
        count = len({run for n in ns for run in self.differences[n]})
        return _difference(ns, estimate.mean, estimate, count, self.pairing, reason, level)


def _ladder(baseline: Runs, arm: Runs, shared: list[int], pairing: _Pairs, level: float) -> Difference:
    several = {n: rung for n, rung in pairing.differences.items() if len(rung) > 1}
    estimate = ladder_estimate(several)
    if estimate is not None:
        return pairing.difference(tuple(several), estimate, level)
    ns = [n for n in shared if min(len(baseline[n]), len(arm[n])) > 1] or shared
    base, other = ({n: runs[n] for n in ns} for runs in (baseline, arm))
    gap = float(means(other).mean() - means(base).mean())
    estimate = _welch(ladder_estimate(base), ladder_estimate(other))
    return _unpaired(tuple(ns), gap, estimate, bool(pairing.differences), level)


def _welch(baseline: Estimate | None, arm: Estimate | None) -> Estimate | None:
    """Difference of two independent means (Welch 1947, Biometrika 34); None where an arm shows no noise."""
    if baseline is None or arm is None:
        return None
    variance = baseline.variance + arm.variance
    df = variance**2 / (baseline.variance**2 / baseline.df + arm.variance**2 / arm.df)
    return Estimate(arm.mean - baseline.mean, variance, df)


def _unpaired(ns: tuple[int, ...], gap: float, estimate: Estimate | None, single: bool, level: float) -> Difference:
    why = "too few shared draws to pair the arms" if single else "no shared draws"
    reason = f"unpaired: {why}" if estimate else f"no interval: {why}, and an arm with one run a rung"
    return _difference(ns, gap, estimate, 0, "none", reason, level)


def _difference(
    ns: tuple[int, ...],
    gap: float,
    estimate: Estimate | None,
    count: int,
    pairing: Pairing,
    reason: str | None,
    level: float,
) -> Difference:
    if estimate is None:
        return Difference(ns, gap, None, None, None, None, None, count, pairing, reason)
    error = math.sqrt(estimate.variance)
    width = float(special.stdtrit(estimate.df, 0.5 + level / 2)) * error
    p_value = 2 * float(special.stdtr(estimate.df, -abs(gap) / error))
    return Difference(ns, gap, gap - width, gap + width, error, estimate.df, p_value, count, pairing, reason)
