"""Utility U(n) = n1/n - 1: how many more labels the baseline needs for what an arm reaches with n.

0: nothing is saved; 1: the baseline needs twice the labels; -0.5: it needs half of them (Newell and Deng,
CVPR 2020, section 3). -1 is the least that the definition allows. Outside the baseline's ladder U is a bound, with an
extrapolation beside it where the method models the curve.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from labeleff.curves.interpolation import DEFAULT_METHOD
from labeleff.curves.inversion import FittedCurve, Kind, Solution, Targets, known_end
from labeleff.curves.methods import BAYES, check_method, needs_fractions
from labeleff.curves.model_average import AverageCurve
from labeleff.curves.posterior_grid import DRAWS
from labeleff.curves.rung_means import (
    BASELINE,
    SharedNoise,
    accuracies_of,
    check_fraction,
    label_count,
    means_of_runs,
    named_runs,
    shared_noise,
    shown_values,
)
from labeleff.curves.solvers import InterpolatedCurve, fit_curve, interpolate
from labeleff.errors import CurveError
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Run, Runs, fingerprint, means, resample
from labeleff.stats.stand_ins import Mean, StandIns, stand_ins

WIDE = 4.0
"""Factor between the ends of n1's interval above which it is flagged as wide."""
FAR = 4.0
"""Multiple of the last rung beyond which an extrapolated point is too uncertain to be shown.

On real curves the point is then off by a factor of two to three in the mean: the interval's lower end counts.
"""
ROUNDING = 1e-12
"""Relative difference of label counts that inversion can't tell from none."""
FEW_RUNS = 3
"""Number of runs of a rung under which its spread is hardly known."""
ARM = "arm"
"""Name of the streams of noise that an arm shares with no baseline."""
Accuracies = (
    Mapping[int, Mapping[Run, float]]
    | Mapping[int, Sequence[float] | Array | Mean]
    | Mapping[int, Sequence[float]]
    | Mapping[int, Array]
    | Mapping[int, Mean]
)
"""Accuracies by label count: by (draw, seed), which arms may share, as independent runs, or as their mean."""


@dataclass(frozen=True)
class UtilityPoint:
    """Utility of an arm at one rung, with its interval.

    kind "inside": `n1` and `utility` are measured. "extrapolated": no rung of the baseline reaches the arm's accuracy;
    `n1 >= n1_bound` and `utility >= bound` are measured, `n1` and `utility` are a model's. "above": only those bounds
    are known; where the method models the curve, most of its curves never reach that accuracy. "below": the baseline's
    first rung is already better; `n1 <= n1_bound` and `utility <= bound`. `low` None means that no lower end was
    measured (the definition's floor of -1 remains), `high` None that no upper end was. An end that rests on
    replicates outside the range of the method lies at that range's limit, and `low_bound` or `high_bound` says so.
    """

    n: int
    accuracy: float
    baseline_accuracy: float | None
    """Mean of the baseline's runs at this rung; None without runs."""
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
    """Whether the lower end is only known to be at least `low`."""
    high_bound: bool
    """Whether the upper end is only known to be at most `high`: the replicate behind it lies below the ladder."""
    p_above: float | None
    p_below: float | None
    """Shares of replicates outside the baseline's ladder; None where there is no interval."""
    p_never: float | None
    """Share of the posterior's curves that never reach the accuracy; None without a model or an interval."""
    runs: int
    flags: tuple[str, ...] = field(default=())
    """Weak evidence of this rung: `no interval`, `learned noise` (one run per rung), `few runs` (of the arm here, or of
    the baseline at the rungs next to n1), `bound`, `extrapolated`, `far`, `wide`."""

    @property
    def sign(self) -> int:
        """Sign of the utility where its interval excludes 0, else 0."""
        if self.low is not None and self.low > 0:
            return 1
        return -1 if self.high is not None and self.high < 0 else 0

    @property
    def factor(self) -> float | None:
        """Ratio of an extrapolated `n1` to the baseline's last rung; None for other kinds."""
        return self.n1 / self.n1_bound if self.kind == "extrapolated" and self.n1 and self.n1_bound else None


@dataclass(frozen=True)
class ArmUtility:
    """An arm's utility over its rungs, in rising order, with the replicates behind it."""

    points: list[UtilityPoint]
    solution: Solution


def same(baseline: Runs, arm: Runs) -> bool:
    """Whether both are the same measurements, so that n labels equal exactly n labels."""
    return {n: dict(rung) for n, rung in baseline.items()} == {n: dict(rung) for n, rung in arm.items()}


def _alike(baseline: Runs, arm: Runs) -> bool:
    """Whether both have the same accuracies, under the same or other names."""
    return {n: sorted(rung.values()) for n, rung in baseline.items()} == {
        n: sorted(rung.values()) for n, rung in arm.items()
    }


def check_runs(baseline: Runs, arms: Iterable[Runs], method: str) -> None:
    """Raise CurveError for runs that the method can't compare, UnknownNameError for an unknown method."""
    check_method(method)
    for name, runs in (("baseline", baseline), *(("arm", arm) for arm in arms)):
        check_curve_runs(runs, name, method)
    if len(baseline) < 2:
        raise CurveError(f"the baseline's curve needs at least two rungs with runs, found {len(baseline)}")


def check_curve_runs(runs: Runs, name: str, method: str) -> None:
    """Raise CurveError for label counts or accuracies that the method can't take; errors call the runs `name`."""
    for n, rung in runs.items():
        if not n > 0:
            raise CurveError(f"label counts of the {name}: found {n}, expected numbers over 0")
        if not rung:
            raise CurveError(f"the {name}'s rung of {n} labels has no runs; leave it out")
        for value in shown_values(rung):
            if not math.isfinite(value):
                raise CurveError(f"accuracies of the {name} at {n} labels: found {value}, expected finite numbers")
            if needs_fractions(method):
                check_fraction(value, f"accuracies of the {name} at {n} labels")


@dataclass(frozen=True)
class BaselineCurve:
    """The baseline's curve at one place, fitted once for utility, break-even and targets."""

    runs: Runs
    method: str
    fitted: FittedCurve
    _drawn: dict[tuple[float, ...], Array] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def fit(cls, runs: Runs, method: str) -> BaselineCurve:
        """Fit the baseline's runs, which `check_runs` has passed."""
        return cls(runs, method, fit_curve(means_of_runs(runs, BASELINE), method))

    @functools.cached_property
    def noise(self) -> SharedNoise | None:
        """Draws of the baseline's errors, for all arms; None where it shows no noise and the method learns none."""
        if isinstance(self.fitted, AverageCurve):
            average = self.fitted.average
            return shared_noise(self.runs, average.scatter, average.level)
        return None if self.fitted.measured.borrowed else shared_noise(self.runs, np.zeros(DRAWS), None)

    def drawn_at(self, ns: tuple[float, ...]) -> Array:
        """Accuracies (S, K) of the average's equally likely curves at `ns`; arms with the same rungs share them."""
        assert isinstance(self.fitted, AverageCurve)
        if ns not in self._drawn:
            self._drawn[ns] = self.fitted.curves.at(np.array(ns))
        return self._drawn[ns]

    @functools.cached_property
    def ladder(self) -> InterpolatedCurve:
        """The curve inside the ladder: isotonic PCHIP where the method isn't one of curves.interpolation."""
        if isinstance(self.fitted, InterpolatedCurve):
            return self.fitted
        return interpolate(self.fitted.measured, DEFAULT_METHOD)


def as_runs(accuracies: Accuracies, first_draw: int = 0, *, name: str = "curve") -> Runs:
    """Runs by (draw, seed); accuracies without them get new draws from `first_draw` on, and means get stand-ins.

    New draws differ from all that are named. Raises CurveError for what is no mapping from label counts to accuracies,
    calling it `name`.
    """
    if not isinstance(accuracies, Mapping):
        hint = "a table with a column per label count is one by .to_dict('list')"
        expected = f"a mapping from label counts to accuracies, as in {{50: [0.31, 0.33]}}; {hint}"
        raise CurveError(f"the {name}: found {type(accuracies).__name__}, expected {expected}")
    means_given = [rung for rung in accuracies.values() if isinstance(rung, Mean)]
    from_means = iter(stand_ins(means_given, first_draw))
    runs: dict[int, Mapping[Run, float]] = {}
    unnamed: dict[int, list[float]] = {}
    for given, rung in accuracies.items():
        n = label_count(given, f"label counts of the {name}")
        what = f"accuracies of the {name} at {n} labels"
        if n in runs:
            raise CurveError(f"{what}: found them twice, as text and as number, expected each label count once")
        if isinstance(rung, Mean):
            runs[n] = next(from_means)
        elif isinstance(rung, Mapping):
            runs[n] = named_runs(rung, what)
        else:
            runs[n], unnamed[n] = {}, accuracies_of(rung, what)
    first = max(first_draw, _after({n: rung for n, rung in runs.items() if not isinstance(rung, StandIns)}))
    return runs | {n: {(first + k, 0): value for k, value in enumerate(rung)} for n, rung in unnamed.items()}


def _after(runs: Runs) -> int:
    """The first draw after those of `runs`."""
    return 1 + max((draw for rung in runs.values() for draw, _ in rung), default=-1)


def utility(baseline: Accuracies, arm: Accuracies, *, level: float = LEVEL, method: str = BAYES) -> list[UtilityPoint]:
    """Utility of `arm` against `baseline` at each of the arm's rungs, in rising order.

    Both are mappings from label count to accuracies: {n: {(draw, seed): accuracy}}, where arms are compared in pairs
    as far as they share draws and seeds, {n: [accuracy, ...]}, which are independent runs, or
    {n: labeleff.Mean(mean, sd, runs)}, whose runs are taken as independent. The baseline's curve is
    fitted by `method` (see `curves.solvers.invert`) and inverted at the arm's means. The interval of probability
    `level` carries the noise of both; with one run per rung in either arm only "bayes" has one, from noise that is
    learned (flag `learned noise`). A label count may be the text of a whole number. Raises CurveError for a baseline of
    fewer than two rungs, for what is no list of numbers by label count, numbers that aren't finite and, with "bayes"
    and formulas, accuracies that aren't in 0..1.
    """
    base = as_runs(baseline, name="baseline")
    own = as_runs(arm, _after(base), name=ARM)
    if any(isinstance(rung, Mapping) for rung in arm.values()):
        base = as_runs(baseline, _after(own))  # what is listed is paired with no run that is named
    return [point for each in utilities(base, {ARM: own}, level=level, method=method).values() for point in each.points]


def utilities(
    baseline: Runs, arms: Mapping[str, Runs], *, level: float = LEVEL, method: str = BAYES
) -> dict[str, ArmUtility]:
    """Utility of several arms, by name, against one baseline, which is fitted once; arms without runs are left out.

    Replicates of all arms are drawn together: row s of every solution's samples has the same noise of the baseline and
    of the draws that arms share.
    """
    check_level(level)
    if not any(arms.values()):
        return {}
    check_runs(baseline, arms.values(), method)
    return arm_utilities(BaselineCurve.fit(baseline, method), arms, level=level)


def arm_utilities(curve: BaselineCurve, arms: Mapping[str, Runs], *, level: float = LEVEL) -> dict[str, ArmUtility]:
    """Utility of several arms, by name, against a fitted baseline; `check_runs` has passed the arms."""
    return {name: _against(curve, arm, level) for name, arm in arms.items() if arm}


def _against(curve: BaselineCurve, arm: Runs, level: float) -> ArmUtility:
    baseline, ns, centres = curve.runs, sorted(arm), means(arm)
    own = fingerprint(arm)
    errors = None if curve.noise is None else curve.noise.conditional(arm, own)
    targets = Targets(centres) if errors is None else Targets(centres, _replicates(curve, arm, own), errors)
    solution = curve.fitted.solve(targets, level)
    if errors is None:
        solution = replace(solution, rows=[replace(row, p_above=None) for row in solution.rows], samples=None)
    if _alike(baseline, arm):
        solution = solution.nothing_saved(ns, certain=same(baseline, arm))
    points = [
        _point(n, solution, column, float(centre), baseline, arm)
        for column, (n, centre) in enumerate(zip(ns, centres, strict=True))
    ]
    return ArmUtility(points, solution)


def _replicates(curve: BaselineCurve, arm: Runs, own: str) -> Array | None:
    """Replicates (B, K) of the arm's means; None for the average, whose curves take the errors of `Targets`."""
    return None if isinstance(curve.fitted, AverageCurve) else resample(arm, own)


def snapped(n1: float | None, n: float) -> float | None:
    """The label count n1, or n itself where they differ by rounding alone, so that U is 0."""
    return float(n) if n1 is not None and math.isclose(n1, n, rel_tol=ROUNDING) else n1


def _outside(solution: Solution, column: int, first: float) -> tuple[float | None, float | None]:
    """Shares of one rung's replicates over and under the baseline's ladder; None where there is no interval."""
    if solution.rows[column].p_above is None or solution.samples is None:
        return None, None
    sample = solution.samples[:, column]
    return float((sample > solution.last).mean()), float((sample < first).mean())


def _around(baseline: Runs, n1: float) -> list[Mapping[Run, float]]:
    """The rungs of the baseline next to `n1` labels, which U rests on: two inside the ladder, one outside."""
    rungs = sorted(baseline)
    place = bisect.bisect_left(rungs, n1)
    at = range(place, place + 1) if place < len(rungs) and rungs[place] == n1 else range(place - 1, place + 1)
    return [baseline[rungs[k]] for k in at if 0 <= k < len(rungs)]


def _point(n: int, solution: Solution, column: int, accuracy: float, baseline: Runs, arm: Runs) -> UtilityPoint:
    row, first, last = solution.rows[column], float(min(baseline)), float(max(baseline))
    low, end = row.ends
    n1, bound, low, high = (
        snapped(count, n) for count in (row.value, row.bound(first, last), low, known_end(n, end, last))
    )
    noisy = row.p_above is not None
    above, below = _outside(solution, column, first)
    flags = [
        ("no interval", not noisy),
        ("learned noise", noisy and any(all(len(rung) == 1 for rung in each.values()) for each in (arm, baseline))),
        ("few runs", min(len(rung) for rung in (arm[n], *_around(baseline, row.n))) < FEW_RUNS),
        ("bound", n1 is None),
        ("extrapolated", row.kind == "extrapolated"),
        ("far", row.kind == "extrapolated" and row.n > FAR * last),
        ("wide", n1 is not None and noisy and (low is None or high is None or high > WIDE * low)),
    ]
    return UtilityPoint(
        n=n,
        accuracy=accuracy,
        baseline_accuracy=float(means({n: baseline[n]})[0]) if n in baseline else None,
        kind=row.kind,
        n1=n1,
        n1_bound=bound,
        n1_low=low,
        n1_high=high,
        utility=None if n1 is None else n1 / n - 1,
        bound=None if bound is None else bound / n - 1,
        low=None if low is None else low / n - 1,
        high=None if high is None else high / n - 1,
        low_bound=low is not None and low >= solution.ceiling,
        high_bound=high is not None and high <= first and row.kind == "below",
        p_above=above,
        p_below=below,
        p_never=row.p_above if solution.models else None,
        runs=len(arm[n]),
        flags=tuple(text for text, holds in flags if holds),
    )
