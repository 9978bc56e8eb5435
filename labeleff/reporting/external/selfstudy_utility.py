"""Utility as the paper's reference code computes it, defects included.

It is for comparison with published figures. Differences from labeleff.curves.utility, all of them on purpose:
- only label counts that both arms have are used, and the baseline's means are joined by straight pieces in raw n;
- the first crossing is taken also where the baseline's means fall;
- an accuracy below the baseline's first mean counts as reached with 0 labels, so that U is exactly -1;
- an accuracy that no baseline mean is strictly over counts as reached with -1 labels, so that U = -1/n - 1: a run
  luckier than the baseline's best mean looks as bad as can be, and an arm measured against itself gives 0 at every
  label count and about -1 at the largest;
- the curve ends where the arm's mean exceeds the baseline's best mean, and its last point and the limit of what is
  measurable lack the -1 that every other point has.

Source: util/vis.py of princeton-vl/selfstudy (Newell and Deng, CVPR 2020), by description. Whether the figures of
the paper were made with it isn't known. Use labeleff.curves.utility for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.errors import CurveError
from labeleff.stats.resampling import Runs

BELOW = 0.0
"""Label count that the reference gives to accuracies below the baseline's first mean."""
UNREACHED = -1.0
"""Label count that the reference gives to accuracies that no baseline mean is strictly over."""


@dataclass(frozen=True)
class SelfstudyPoint:
    """One point of the reference's utility curve."""

    n: float
    """A label count of the ladder, or the n* > 0 between two of them at which the curve ends."""
    utility: float
    """Mean over runs of n1/n - 1; n_max/n*, without the -1, at the end of the curve; never below -2."""
    spread: float
    """Standard deviation over runs (divided by their number, not by one less); 0 at the end of the curve."""
    limit: float
    """Limit n_max/n, the dashed line over which the reference shades "not measurable"; also without the -1."""
    ends: bool
    """Whether the curve ends: the arm's mean exceeds the baseline's best from this point on."""


@dataclass(frozen=True)
class _Rung:
    """A label count that both arms have, with its runs in the order of (draw, seed)."""

    n: int
    baseline: float
    """Mean of the baseline's runs."""
    runs: tuple[float, ...]
    """The arm's runs."""

    @property
    def mean(self) -> float:
        return float(np.mean(self.runs))


def selfstudy_utility(baseline: Runs, arm: Runs) -> list[SelfstudyPoint]:
    """Utility of `arm` against `baseline` by the reference's rules, at label counts of both, in rising order.

    Both are mappings {label count: {(draw, seed): accuracy in 0..1}}. The list ends early at saturation and is empty
    where the two have no label count in common. Raises CurveError for rungs without runs, accuracies that aren't
    finite, and a baseline that is never correct.
    """
    rungs = [
        _Rung(n, float(np.mean(_values(baseline, n, "baseline"))), _values(arm, n, "arm"))
        for n in sorted(arm)
        if n in baseline
    ]
    if not rungs:
        return []
    best = max(rungs, key=lambda rung: rung.baseline)
    if best.baseline <= 0:
        raise CurveError(f"the baseline's best mean accuracy: found {best.baseline}, expected a number over 0")
    points: list[SelfstudyPoint] = []
    n_before, mean_before = 0.0, 0.0
    for rung in rungs:
        if rung.mean > best.baseline:
            n = _between(n_before, mean_before, rung.n, rung.mean, best.baseline)
            return [*points, SelfstudyPoint(n, best.n / n, 0.0, best.n / n, ends=True)]
        utilities = np.array([_first_crossing(rungs, value) for value in rung.runs]) / rung.n - 1
        points.append(
            SelfstudyPoint(rung.n, float(utilities.mean()), float(utilities.std()), best.n / rung.n, ends=False)
        )
        n_before, mean_before = rung.n, rung.mean
    return points


def _values(runs: Runs, n: int, name: str) -> tuple[float, ...]:
    values = tuple(runs[n][run] for run in sorted(runs[n]))
    if not values:
        raise CurveError(f"the {name}'s rung of {n} labels has no runs; leave it out")
    if not np.isfinite(values).all():
        raise CurveError(f"accuracies of the {name} at {n} labels: found {list(values)}, expected finite numbers")
    return values


def _first_crossing(rungs: Sequence[_Rung], target: float) -> float:
    """Label count at which the baseline's means first pass `target`, between the first rung over it and the one before.

    "Over" is strict.
    """
    for place, rung in enumerate(rungs):
        if rung.baseline > target:
            before = rungs[place - 1]
            return BELOW if place == 0 else _between(before.n, before.baseline, rung.n, rung.baseline, target)
    return UNREACHED


def _between(n0: float, value0: float, n1: float, value1: float, target: float) -> float:
    """Label count at which the line from (n0, value0) to (n1, value1) has `target`; value0 <= target < value1."""
    return n0 + (target - value0) / (value1 - value0) * (n1 - n0)
