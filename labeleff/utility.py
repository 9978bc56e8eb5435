"""Utility U(n) = n1/n - 1: how many more labels the baseline needs for what an arm reaches with n.

0: nothing is saved; 1: the baseline needs twice the labels; -0.5: it needs half of them (Newell and Deng,
CVPR 2020, section 3). -1 is the least that the definition allows. Numbers outside the baseline's ladder are
never made up: they are bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from labeleff.curve import Kind, quantile
from labeleff.errors import CurveError
from labeleff.interpolation import DEFAULT_METHOD, fit
from labeleff.stats import REPLICATES, Array, Runs, check_level, means, resample

WIDE = 4.0
"""Intervals of n1 whose ends differ by more than this factor are flagged as wide."""


@dataclass(frozen=True)
class UtilityPoint:
    """Utility of an arm at one rung, with its interval.

    kind "inside": `n1` and `utility` are measured. "above": the baseline's last rung doesn't reach the arm's
    accuracy; only `n1 >= n1_bound` and `utility >= bound` are known. "below": the baseline's first rung is
    already better; `n1 <= n1_bound` and `utility <= bound`. `low` None means that no lower end was measured
    (the definition's floor of -1 remains), `high` None that no upper end was. An end that rests on replicates
    outside the ladder stands at the bound there, and `low_bound` or `high_bound` says so.
    """

    n: int
    accuracy: float
    baseline_accuracy: float | None
    """Mean of the baseline's runs at this rung; None where it has none."""
    kind: Kind
    n1: float | None
    n1_bound: float | None
    n1_low: float | None
    n1_high: float | None
    utility: float | None
    bound: float | None
    low: float | None
    high: float | None
    low_bound: bool
    """`low` is only known to be at least this: the replicate behind it lies above the ladder."""
    high_bound: bool
    """`high` is only known to be at most this: the replicate behind it lies below the ladder."""
    p_above: float | None
    p_below: float | None
    """Shares of replicates outside the baseline's ladder; None where there is no interval."""
    runs: int
    flags: tuple[str, ...] = field(default=())
    """Weak evidence: `no interval`, `few runs`, `bound`, `wide`."""

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes 0 on that side, else 0."""
        if self.low is not None and self.low > 0:
            return 1
        return -1 if self.high is not None and self.high < 0 else 0


@dataclass(frozen=True)
class _Ends:
    """Ends of an interval of n1 with what is behind them."""

    low: float | None
    high: float | None
    low_bound: bool
    high_bound: bool
    p_above: float
    p_below: float


def _ends(found: Array, first: float, last: float, level: float) -> _Ends:
    """Quantiles of replicated label counts, where 0 stands below and inf above the ladder."""
    low, high = quantile(found, (1 - level) / 2), quantile(found, (1 + level) / 2)
    return _Ends(
        low=None if low == 0 else float(min(low, last)),
        high=None if high == math.inf else float(max(high, first)),
        low_bound=low == math.inf,
        high_bound=high == 0,
        p_above=float(np.isinf(found).mean()),
        p_below=float((found == 0).mean()),
    )


def _same(baseline: Runs, arm: Runs) -> bool:
    """Whether both are the same measurements: then n labels do the work of exactly n labels."""
    return {n: dict(rung) for n, rung in baseline.items()} == {n: dict(rung) for n, rung in arm.items()}


def _replicates(baseline: Runs, arm: Runs, count: int) -> tuple[Array, Array] | None:
    """Joint replicates of the means of both arms; None where either has only one run a rung."""
    first, second = resample(baseline, "baseline", count=count), resample(arm, "arm", count=count)
    return None if first is None or second is None else (first, second)


def _checked(baseline: Runs, arm: Runs) -> None:
    for name, runs in (("baseline", baseline), ("arm", arm)):
        for n, rung in runs.items():
            if not rung:
                raise CurveError(f"the {name}'s rung of {n} labels has no runs; leave it out")
    if len(baseline) < 2:
        raise CurveError(f"the baseline's curve needs at least two rungs with runs, found {len(baseline)}")


def utility(
    baseline: Runs,
    arm: Runs,
    *,
    level: float = 0.90,
    method: str = DEFAULT_METHOD,
    replicates: int = REPLICATES,
) -> list[UtilityPoint]:
    """Utility of `arm` against `baseline` at each of the arm's rungs, in rising order.

    Both are mappings {label count: {(draw, seed): accuracy}}. The baseline's means are inverted by `method`
    (labeleff.interpolation.METHODS) at the arm's means. The interval of probability `level` comes from resampling
    draws and seeds of both arms jointly (labeleff.stats.resample); with one run a rung in either arm it is
    left out. Raises CurveError for a baseline of fewer than two rungs and numbers that aren't finite.
    """
    check_level(level)
    _checked(baseline, arm)
    if not arm:
        return []
    ns, rungs = sorted(baseline), sorted(arm)
    counts = [len(baseline[n]) for n in ns]
    targets = means(arm)
    if not np.isfinite(targets).all():
        raise CurveError(f"accuracies of the arm: found {targets.tolist()}, expected finite numbers")
    points = fit(ns, means(baseline)[None], counts, method).invert(targets[None])[0]
    drawn = _replicates(baseline, arm, replicates)
    found = None if drawn is None else fit(ns, drawn[0], counts, method).invert(drawn[1])
    if _same(baseline, arm):
        points = np.array(rungs, dtype=float)
        found = None if found is None else np.tile(points, (replicates, 1))
    rows = []
    for k, n in enumerate(rungs):
        ends = None if found is None else _ends(found[:, k], ns[0], ns[-1], level)
        rows.append(_point(n, float(points[k]), float(targets[k]), baseline, len(arm[n]), ends))
    return rows


def _point(n: int, n1: float, accuracy: float, baseline: Runs, runs: int, ends: _Ends | None) -> UtilityPoint:
    first, last = min(baseline), max(baseline)
    kind: Kind = "above" if n1 == math.inf else "below" if n1 == 0 else "inside"
    bound = {"above": float(last), "below": float(first)}.get(kind)
    low, high = (None, None) if ends is None else (ends.low, ends.high)
    flags = [
        ("no interval", ends is None),
        ("few runs", min(runs, *(len(rung) for rung in baseline.values())) < 3),
        ("bound", kind in ("above", "below")),
        ("wide", kind == "inside" and ends is not None and (low is None or high is None or high > WIDE * low)),
    ]
    return UtilityPoint(
        n=n,
        accuracy=accuracy,
        baseline_accuracy=float(means({n: baseline[n]})[0]) if n in baseline else None,
        kind=kind,
        n1=n1 if kind == "inside" else None,
        n1_bound=bound,
        n1_low=low,
        n1_high=high,
        utility=n1 / n - 1 if kind == "inside" else None,
        bound=None if bound is None else bound / n - 1,
        low=None if low is None else low / n - 1,
        high=None if high is None else high / n - 1,
        low_bound=ends is not None and ends.low_bound,
        high_bound=ends is not None and ends.high_bound,
        p_above=None if ends is None else ends.p_above,
        p_below=None if ends is None else ends.p_below,
        runs=runs,
        flags=tuple(text for text, holds in flags if holds),
    )


@dataclass(frozen=True)
class Crossing:
    """The label count past which an arm is no longer over the baseline (break-even, U = 0).

    kind "inside": `n` labels. "above": it still is over the baseline at the last shared rung, `bound`.
    "below": it is at no rung; `bound` is the first. `low` None: no lower end was measured; `high` None: no
    upper end. `changes` counts the sign changes of the measured difference: over 1 the crossing is one of
    several, and the last one is given.
    """

    kind: Kind
    n: float | None
    bound: int | None
    low: float | None
    high: float | None
    changes: int


def _last_fall(ns: Array, difference: Array) -> Array:
    """Where rows of `difference` (B, R) last fall to 0; 0: nowhere over it, inf: over it at the end."""
    over = difference > 0
    count = len(ns)
    last = count - 1 - over[:, ::-1].argmax(axis=1)
    following = np.minimum(last + 1, count - 1)
    row = np.arange(len(difference))
    d0, d1 = difference[row, last], difference[row, following]
    x = np.log(ns)
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.exp(x[last] + d0 / (d0 - d1) * (x[following] - x[last]))
    inside = np.where(over[:, -1], np.inf, place)
    return np.asarray(np.where(over.any(axis=1), inside, 0.0))


def crossing(
    baseline: Runs,
    arm: Runs,
    *,
    level: float = 0.90,
    method: str = DEFAULT_METHOD,
    replicates: int = REPLICATES,
) -> Crossing | None:
    """Where the arm stops being better than the baseline; None for fewer than two shared rungs.

    The difference between the arm's means and the baseline's curve is joined by straight pieces in ln n over
    the shared rungs. The interval comes from the same replicates as utility's.
    """
    check_level(level)
    _checked(baseline, arm)
    shared = np.array([n for n in sorted(arm) if n in baseline], dtype=float)
    if len(shared) < 2 or _same(baseline, arm):
        return None
    ns, counts = sorted(baseline), [len(baseline[n]) for n in sorted(baseline)]
    columns = np.isin(np.array(sorted(arm)), shared)
    rows = np.isin(np.array(ns), shared)

    def falls(base: Array, other: Array) -> tuple[Array, Array]:
        difference = other[:, columns] - fit(ns, base, counts, method).values[:, rows]
        return _last_fall(shared, difference), difference

    point, difference = falls(means(baseline)[None], means(arm)[None])
    drawn = _replicates(baseline, arm, replicates)
    low = high = None
    if drawn is not None:
        ends = _ends(falls(*drawn)[0], shared[0], shared[-1], level)
        low, high = ends.low, ends.high
    n = float(point[0])
    kind: Kind = "above" if n == math.inf else "below" if n == 0 else "inside"
    bound = {"above": int(shared[-1]), "below": int(shared[0])}.get(kind)
    changes = int((np.diff(difference[0] > 0)).sum())
    return Crossing(kind, n if kind == "inside" else None, bound, low, high, changes)
