"""Forecast from a pilot: the accuracy at more labels, the labels for a target, and the next rung to measure.

Everything is read from the curves of `labeleff.curves.posterior_curves`, equally likely accuracies of the method as
functions of the label count, up to 1000 times the last rung. How well such forecasts hold on real learning curves is in
reports/forecast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from labeleff.curves.diagnostics import Fall
from labeleff.curves.interpolation import Curves
from labeleff.curves.inversion import Inversion, Kind, Targets, plain_count, quantiles
from labeleff.curves.methods import BAYES
from labeleff.curves.model_average import AverageCurve
from labeleff.curves.next_rung import Learning, Quantities, learning, run_sd
from labeleff.curves.posterior_grid import REACH
from labeleff.curves.rung_means import BASELINE, NoisyMeans, check_fraction, means_of_runs
from labeleff.curves.solvers import fit_curve
from labeleff.curves.utility import Accuracies, as_runs, check_curve_runs
from labeleff.errors import CurveError
from labeleff.stats.interval_level import LEVEL, check_level
from labeleff.stats.moderation import Array
from labeleff.stats.resampling import Runs

LADDER = tuple(2**power for power in range(7))
"""Label counts of a forecast where none are given, as multiples of the last rung."""
DRAWN = 81
"""Number of label counts at which the curve is given for a figure."""
NODES = 9
"""Number of quantiles of a run's noise by which every curve becomes runs."""
FLAT = 0.03
"""Rise of accuracy over the ladder under which curves are worst at predicting label counts."""


@dataclass(frozen=True)
class Range:
    """A number with its interval; inf stands for an open end, and for label counts that are never enough."""

    value: float
    """The median."""
    low: float
    high: float

    def mapped(self, change: Callable[[float], float]) -> Range:
        """The range of `change` of this number, a function that rises."""
        return Range(change(self.value), change(self.low), change(self.high))

    def around(self, other: Range) -> Range:
        """The range with the interval of `other` within its own."""
        return Range(self.value, min(self.low, other.low), max(self.high, other.high))

    def cost(self, per_label: float) -> Range:
        """The price of these labels at `per_label` each."""
        return self.mapped(lambda n: n * per_label)


@dataclass(frozen=True)
class Rung:
    """One measured rung of the pilot."""

    n: float
    mean: float
    """Mean accuracy in 0..1."""
    runs: int


@dataclass(frozen=True)
class AccuracyForecast:
    """The accuracy expected at a label count."""

    n: float
    factor: float
    """The label count over the last rung's: over 1 it is extrapolated."""
    accuracy: Range
    """The true accuracy in 0..1, which the mean of many runs comes close to."""
    run: Range
    """One future run's accuracy, which has the noise of a run too."""
    reached: tuple[float, ...]
    """Probability that the true accuracy is at least the target, per target."""


@dataclass(frozen=True)
class LabelForecast:
    """The labels needed for a target accuracy."""

    target: float
    kind: Kind
    """Position of the target, as in `Inversion`; "below": the first rung is already over it."""
    labels: Range
    """Labels needed in all; the value is inf where most curves never reach the target."""
    additional: Range
    """Labels needed beyond those that are labelled already."""
    p_enough: float
    """Probability that the labels that are there already are enough."""
    p_never: float
    """Share of curves that don't reach the target by 1000 times the last rung."""
    factor: float
    """The median over the last rung's label count; inf for never."""


@dataclass(frozen=True)
class Forecast:
    """All that a pilot says of one arm."""

    rungs: tuple[Rung, ...]
    labelled: float
    """Number of labels that are there already, and aren't paid again."""
    level: float
    """Probability of all intervals."""
    accuracies: tuple[AccuracyForecast, ...]
    """One per requested label count, in rising order."""
    labels: tuple[LabelForecast, ...]
    """One per target, in the order given."""
    learning: tuple[Learning, ...]
    """What a next rung teaches: about every target's label count or, without targets, the last requested accuracy.

    Quantities without any spread are left out.
    """
    curve: tuple[AccuracyForecast, ...]
    """The forecast at DRAWN label counts from the first rung on, for a figure."""
    fall: Fall | None
    """The largest fall of the mean accuracies with more labels; None where they never fall."""

    @property
    def last(self) -> Rung:
        """The rung with the largest label count."""
        return self.rungs[-1]

    @property
    def rise(self) -> float:
        """The last rung's mean accuracy less the first one's."""
        return self.rungs[-1].mean - self.rungs[0].mean

    @property
    def flags(self) -> tuple[str, ...]:
        """Weak evidence: `two rungs`, `one run per rung`, `few runs` (under 3 somewhere), `flat`, `falls`."""
        runs = [rung.runs for rung in self.rungs]
        checks = {
            "two rungs": len(runs) == 2,
            "one run per rung": max(runs) == 1,
            "few runs": min(runs) < 3 and max(runs) > 1,
            "flat": self.rise < FLAT,
            "falls": self.fall is not None and self.fall.clear,
        }
        return tuple(text for text, holds in checks.items() if holds)


def forecast(
    runs: Accuracies,
    *,
    targets: Sequence[float] = (),
    at: Sequence[float] | None = None,
    labelled: float | None = None,
    level: float = LEVEL,
) -> Forecast:
    """Forecast one arm's accuracy at more labels from its runs, and the labels that target accuracies need.

    Args:
        runs: accuracies in 0..1 by label count, as `labeleff.utility` takes them: {n: [accuracy, ...]}, or
            {n: {(draw, seed): accuracy}}; two rungs or more.
        targets: accuracies in 0..1.
        at: label counts from the first rung to 1000 times the last one; by default 1, 2, 4, ... 64 times the last.
        labelled: labels that are there already; by default the last rung's, whose set contains the smaller ones.
        level: probability of intervals.

    Label counts for targets are inversions by the default method, as `labeleff utility --target` gives them. Raises
    CurveError for runs, targets or label counts that can't be used, OptionError for the level.
    """
    check_level(level)
    own = as_runs(runs, name="pilot")
    _check(own, targets)
    measured = means_of_runs(own, BASELINE)
    places, paid = _places(measured, at), _labelled(measured, labelled)
    fitted = fit_curve(measured, BAYES)
    assert isinstance(fitted, AverageCurve)
    given = np.array(targets, dtype=float)
    goals = np.minimum(given, fitted.near_one)  # as in the inversion, where no curve would ever reach 1
    samples = fitted.curves.invert(np.tile(goals, (len(fitted.curves.values), 1)))
    rows = fitted.solve(Targets(given), level).rows if targets else []
    dense = np.geomspace(measured.first, max(places[-1], 2 * measured.last), DRAWN)
    return Forecast(
        rungs=_rungs(measured),
        labelled=paid,
        level=level,
        accuracies=_accuracies(fitted, places, goals, level),
        labels=tuple(
            _labels(target, row, sample, measured.last, paid)
            for target, row, sample in zip(targets, rows, samples.T, strict=True)
        ),
        learning=learning(measured, fitted.curves, _quantities(fitted.curves, targets, samples, places[-1]), paid),
        curve=_accuracies(fitted, dense, goals, level),
        fall=fitted.fall,
    )


def _rungs(measured: NoisyMeans) -> tuple[Rung, ...]:
    columns = measured.ns.tolist(), measured.means.tolist(), measured.counts.astype(int).tolist()
    return tuple(Rung(*each) for each in zip(*columns, strict=True))


def _check(runs: Runs, targets: Sequence[float]) -> None:
    check_curve_runs(runs, "pilot", BAYES)
    if len(runs) < 2:
        raise CurveError(f"a forecast needs at least two rungs with runs, found {len(runs)}")
    for target in targets:
        check_fraction(target, "targets")


def _places(measured: NoisyMeans, at: Sequence[float] | None) -> Array:
    """Label counts of the forecast, rising. Raises CurveError for counts that the curves don't reach."""
    places = sorted({measured.last * factor for factor in LADDER} if at is None else {float(n) for n in at})
    most = measured.last * REACH[1]
    for n in places:
        if not measured.first <= n <= most:
            raise CurveError(
                f"label counts of the forecast: found {n:,.10g}, expected from {measured.first:,.10g} (the first rung) "
                f"to {most:,.10g} ({REACH[1]:,.0f} times the last one)"
            )
    if not places:
        raise CurveError("label counts of the forecast: found none, expected at least one")
    return np.array(places)


def _labelled(measured: NoisyMeans, labelled: float | None) -> float:
    if labelled is None:
        return measured.last
    if not measured.last <= labelled < math.inf:
        raise CurveError(
            f"labels that are there already: found {labelled:,.10g}, expected at least the {measured.last:,.10g} of "
            "the last rung"
        )
    return float(labelled)


def _accuracies(fitted: AverageCurve, ns: Array, targets: Array, level: float) -> tuple[AccuracyForecast, ...]:
    """Forecasts at `ns` (K,), with the probabilities of reaching `targets`."""
    values = fitted.curves.at(ns)
    noise = run_sd(fitted.measured, ns) * special.ndtri((np.arange(NODES) + 0.5) / NODES)[:, None, None]
    single = np.clip(values + noise, 0.0, 1.0).reshape(-1, len(ns))
    means, runs = _ranges(values, level), _ranges(single, level)
    reached = (values[:, :, None] >= targets).mean(axis=0)
    return tuple(
        AccuracyForecast(float(n), float(n) / fitted.measured.last, mean, run.around(mean), tuple(shares))
        for n, mean, run, shares in zip(ns, means, runs, reached.tolist(), strict=True)
    )


def _ranges(values: Array, level: float) -> list[Range]:
    """Medians and intervals of the columns of `values` (S, K)."""
    middle, low, high = (quantiles(values, p).tolist() for p in (0.5, (1 - level) / 2, (1 + level) / 2))
    return [Range(*each) for each in zip(middle, low, high, strict=True)]


def _labels(target: float, row: Inversion, sample: Array, last: float, labelled: float) -> LabelForecast:
    """Labels for a target, from its inversion, and what the curves' label counts (S,) say of it."""
    assert row.low is not None
    assert row.high is not None
    labels = Range(row.n, row.low, row.high)
    additional = labels.mapped(lambda n: max(n - labelled, 0.0))
    assert row.p_above is not None
    enough = float((sample <= labelled).mean())
    return LabelForecast(target, row.kind, labels, additional, enough, row.p_above, row.n / last)


def _quantities(curves: Curves, targets: Sequence[float], samples: Array, n: float) -> Quantities:
    """Every target's ln n, where never counts as the curves' end; without targets the accuracy at `n`."""
    values = np.log(np.clip(samples, curves.ns[0], curves.ns[-1])) if targets else curves.at(np.array([n]))
    return Quantities(values, tuple(targets), plain_count(n))
