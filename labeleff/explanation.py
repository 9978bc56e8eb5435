"""What each number of a report means, and how it was got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labeleff.markdown import OPEN
from labeleff.measured import Measured
from labeleff.stats import PRIOR_DF, REPLICATES, wilson

_METHODS = {
    "linear": "straight pieces in n through the mean accuracies of the rungs",
    "log": "straight pieces in ln n through the mean accuracies of the rungs",
    "pchip": "a monotone cubic (PCHIP) in ln n through the isotonic mean accuracies of the rungs",
}


_RESAMPLED: Mapping[tuple[str, ...], str] = {
    ("draw", "seed"): "whole draws and seeds are resampled, the same for both arms",
    ("draw",): "whole draws are resampled, the same for both arms",
    (): "runs are resampled, each arm on its own",
}


def explain(measured: Measured) -> Iterator[str]:
    """The section "What the numbers mean" in paragraphs."""
    level = f"{100 * measured.level:g} %"
    yield "## What the numbers mean"
    points = (*_utility(measured, level), *_noise(measured, level))
    yield "\n".join(f"- {text}" for text in points)


def _utility(measured: Measured, level: str) -> Iterator[str]:
    yield (
        f"**Utility** U(n) = n1/n - 1, where n1 is the number of labels with which {measured.baseline} reaches the "
        "accuracy that the arm reaches with n labels (Newell and Deng, CVPR 2020). 0: nothing saved; 1: the baseline "
        "needs twice the labels; -0.5: half of them. -1 is the least possible."
    )
    yield (
        f"**Curve**: {_METHODS[measured.method]}; where it is flat, n1 is the first label count that reaches the "
        "accuracy. It is never drawn beyond the rungs."
    )
    yield (
        "**Bounds**: `>=` means that no rung of the baseline reaches the arm's accuracy, so U is at least that of "
        "the last rung; `<=` that its first rung is already better. In the figures they are hollow, with an arrow, "
        "on the edge of the grey area where the ladder can't measure."
    )
    yield (
        f"**Intervals** hold {level}. Those of U come from {REPLICATES:,} joint replicates of both curves, in which "
        f"{_RESAMPLED[measured.shared]}; variances are moderated across rungs "
        f"({PRIOR_DF:g} prior degrees of freedom). `{OPEN}` is an end that the ladder can't measure. An interval "
        "tells what other draws and seeds would give; it takes the curve's shape between rungs as drawn."
    )
    yield (
        "**Break-even** is the label count past which the arm is no longer over the baseline's curve, interpolated "
        "in ln n; `>` the last rung and `<` the first rung mean that there is no such point inside the ladder."
    )


def _noise(measured: Measured, level: str) -> Iterator[str]:
    sizes = {setting.test_count: setting.unit for setting in measured.settings.values() if setting.test_count}
    if sizes:
        size = min(sizes)
        low, high = wilson(0.5, size, level=measured.level)
        yield (
            f"**Test set**: accuracies are of {size:,} test {sizes[size]}; by their sampling alone an accuracy is "
            f"uncertain by up to {50 * (high - low):.1f} points ({level}, Wilson). All arms share these {sizes[size]}, "
            "so intervals of accuracy and utility leave this error out; `summary.csv` gives it."
        )
    difference = " and the paired difference from the baseline" if measured.shared else ""
    yield (
        "**±** is the standard deviation of single runs, not an interval. `summary.csv` has the Student-t interval "
        f"of every mean{difference}."
    )
