"""Explanation of the numbers in a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labeleff.catalogue.metrics import Metric, Units
from labeleff.curves.methods import BAYES, FORMULAS
from labeleff.curves.posterior_grid import DRAWS
from labeleff.curves.solvers import BOOTSTRAPS
from labeleff.curves.utility import FAR
from labeleff.reporting.markdown import ENDLESS, OPEN, capital
from labeleff.reporting.measurements import Measurements, Setting, common
from labeleff.stats.moderation import PRIOR_DF, wilson
from labeleff.stats.resampling import REPLICATES

_INTERPOLATED = {
    "linear": "straight pieces in n through the mean {values} of the rungs",
    "log": "straight pieces in ln n through the mean {values} of the rungs",
    "pchip": "a monotone cubic (PCHIP) in ln n through the isotonic mean {values} of the rungs",
}
"""Descriptions of interpolating curves by method; `values` stands for the metric in the plural."""


_RESAMPLED: Mapping[tuple[str, ...], str] = {
    ("draw", "seed"): "whole draws and seeds are resampled, the same for both arms",
    ("draw",): "whole draws are resampled, the same for both arms",
    (): "runs are resampled, each arm on its own",
}


def explain(measured: Measurements) -> Iterator[str]:
    """The section "What the numbers mean" in paragraphs."""
    level = f"{100 * measured.level:g} %"
    yield "## What the numbers mean"
    points = (*_utility(measured, level), *_noise(measured, level))
    yield "\n".join(f"- {text}" for text in points)


def _utility(measured: Measurements, level: str) -> Iterator[str]:
    metric, units = measured.metric_entry, next(iter(measured.settings.values())).units
    yield (
        f"**Utility** U(n) = n1/n - 1, where n1 is the number of labels with which {measured.baseline} reaches the "
        f"{metric.words} that the arm reaches with n labels (Newell and Deng, CVPR 2020). 0: nothing saved; 1: "
        "the baseline needs twice the labels; -0.5: half of them. -1 is the least possible. n U(n) = n1 - n is the "
        "effective data transferred, U(n) + 1 = n1/n the effective data multiplier (Hernandez et al. 2021, Scaling "
        "Laws for Transfer)."
    )
    yield f"**Curve** ({measured.method}): {_curve(measured.method, metric, units)}"
    yield f"**Outside the ladder**: {_outside(measured)}"
    yield f"**Intervals** hold {level}. {_intervals(measured)}"
    yield (
        f"**Sentences**, above and on each arm: their intervals of U and of the mean label ratio hold {level} for all "
        "arms and rungs of a place together, since they tell what looks most certain among many. An arm is worth "
        "labels only where such an interval excludes that it saves none, and no assumption behind it fails."
    )
    yield (
        f"**Break-even** is the label count past which the arm is no longer {units.over} the baseline's curve, "
        "interpolated in ln n; `>` the last rung and `<` the first rung mean that there is no such point inside the "
        "ladder. Where the two curves cross several times, the tables give the one before which the arm gains most, "
        "and the sentences none."
    )


def _outside(measured: Measurements) -> str:
    """Explain what is shown where no rung of the baseline reaches an arm's mean, or its first rung is over it."""
    reached = f"no rung of the baseline reaches the arm's {measured.metric_entry.words}"
    under = "`<=`: its first rung is already better."
    if measured.method in _INTERPOLATED:
        return (
            f"`>=`: {reached}, so U is at least that of the last rung. "
            f"{under} In the figures these bounds are hollow, with an arrow, on the edge of the grey area where the "
            "ladder can't measure."
        )
    return (
        f"where {reached}, U is at least that of the last rung: that is what "
        "was measured. `(extrapolated x2.3)`: by the curve it takes 2.3 times the last rung. "
        f"`> 5.00 (extrapolated over x{FAR:g})` is the lower end of the interval alone, as the number itself can't be "
        f"trusted so far out, and so is `> 5.00 (never: 70 %)` where most of what is known of the curve, 70 %, never "
        f"gets there. `>=`: nothing is known but what was measured. {under} In the figures the area outside the "
        "ladder is grey; there markers are hollow, extrapolated intervals dashed, limits have arrows, and short bars "
        "show what was measured. `utility.csv` has all of it."
    )


def _intervals(measured: Measurements) -> str:
    """Explain where the intervals of U come from, and what they leave out."""
    whole = (
        f"in which {_RESAMPLED[measured.shared]}; variances are moderated (up to {PRIOR_DF:g} prior degrees of freedom)"
    )
    if measured.method == BAYES:
        return (
            f"Those of U come from {DRAWS:,} equally likely curves of the baseline, with the arm's noise given each of "
            f"them, {whole}. They hold the noise of the runs, scatter between rungs as far as the curve shows it, and "
            "the doubt about the curve's shape between the rungs and beyond. Where every rung has one run, their noise "
            "is learned from the scatter around the curve and from other curves. "
            f"`{OPEN}` is an end that the ladder can't measure; `{ENDLESS}`: the curve may never get there."
        )
    if measured.method in _INTERPOLATED:
        return (
            f"Those of U come from {REPLICATES:,} joint replicates of both curves, {whole}. `{OPEN}` is an end that "
            "the ladder can't measure. An interval tells what other draws and seeds would give; it takes the curve's "
            "shape between rungs as drawn."
        )
    return f"Those of U come from the formula fitted to {BOOTSTRAPS:,} joint replicates of both curves, {whole}."


def _curve(method: str, entry: Metric, units: Units) -> str:
    """Explain how the baseline's curve is computed, and how far it can be trusted."""
    if method in _INTERPOLATED:
        return (
            f"{_INTERPOLATED[method].format(values=entry.plural)}; where it is flat, n1 is the first label count that "
            f"reaches the {entry.words}. It is never drawn beyond the rungs."
        )
    if method == BAYES:
        return (
            f"equally likely curves that never {units.fall}, through the mean {entry.plural} within their noise: "
            "between the rungs and beyond they follow saturating families, weighted by how well they fit, with room "
            "for what none of them fits. Inside the ladder n1 is the geometric mean of their median and of a monotone "
            "cubic (PCHIP) in ln n. Beyond it n1 was off by a factor of 1.5 in the median on real curves, and past "
            f"{FAR:g} times the last rung by a factor of 2 to 3 in the mean."
        )
    names = FORMULAS[method].names
    formula = FORMULAS[method].template.format(**{name: name for name in names})
    return (
        f"one formula, {formula}, fitted to the mean {entry.plural} of the rungs by weighted least squares, between "
        "the rungs and beyond. Its intervals hold the noise of the runs and leave out the doubt whether the formula is "
        "right, which beyond the last rung is most of it."
    )


def _noise(measured: Measurements, level: str) -> Iterator[str]:
    settings = list(measured.settings.values())
    yield from _test_set([setting for setting in settings if setting.sampled], level, measured.level)
    yield from _pixels(settings)
    yield (
        "**±** is the standard deviation of single runs, not an interval. `summary.csv` has the Student-t interval of "
        "every mean and of every difference from the baseline, in pairs where draws are shared, with its p value."
    )


def _test_set(settings: Sequence[Setting], words: str, level: float) -> Iterator[str]:
    """Explain the sampling error of the test set, for metrics that are shares of its examples."""
    sizes = {setting.sampled: setting.unit for setting in settings if setting.sampled}
    if sizes:
        size, entry = min(sizes), common(settings)
        low, high = wilson(0.5, size, level=level)
        yield (
            f"**Test set**: {entry.plural} are of {size:,} test {sizes[size]}; by their sampling alone {entry.one} is "
            f"uncertain by up to {50 * (high - low):.1f} points ({words}, Wilson). All arms share these {sizes[size]}, "
            f"so intervals of {entry.words} and utility leave this error out; `summary.csv` gives it."
        )


def _pixels(settings: Sequence[Setting]) -> Iterator[str]:
    """Explain metrics that are no shares of test examples."""
    by_metric = {setting.metric: setting for setting in settings if setting.test_count and not setting.sampled}
    for setting in by_metric.values():
        entry = setting.metric_entry
        if not entry.of_pixels:
            meaning = f"**{capital(entry.words)}**: {entry.meaning}. " if entry.meaning else ""
            yield (
                f"{meaning}**Test set**: {entry.plural} are no shares of test {setting.unit}, so their number gives no "
                "sampling error of the test set."
            )
            continue
        yield (
            f"**{capital(entry.words)}**: {entry.meaning}, over all {setting.test_count:,} test "
            f"{setting.unit}. Pixels of one of them aren't independent, so no sampling error of the test set is given."
        )
