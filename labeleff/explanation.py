"""What each number of a report means, how it was got, and what was kept fair."""

from __future__ import annotations

from collections.abc import Iterator

from labeleff.markdown import OPEN
from labeleff.results import Results
from labeleff.stats import PRIOR_DF, REPLICATES, wilson

_METHODS = {
    "linear": "straight pieces in n through the mean accuracies of the rungs",
    "log": "straight pieces in ln n through the mean accuracies of the rungs",
    "pchip": "a monotone cubic (PCHIP) in ln n through the isotonic mean accuracies of the rungs",
}


def explain(results: Results) -> Iterator[str]:
    """The section "What the numbers mean" in paragraphs."""
    study = results.study
    level = f"{100 * study.level:g} %"
    yield "## What the numbers mean"
    yield "\n".join(f"- {text}" for text in (*_utility(study.baseline, study.curve, level), *_noise(results, level)))
    yield "### What was kept fair"
    yield "\n".join(f"- {text}" for text in _fairness(results))


def _utility(baseline: str, curve: str, level: str) -> Iterator[str]:
    yield (
        f"**Utility** U(n) = n1/n - 1, where n1 is the number of labels with which {baseline} reaches the accuracy "
        "that the arm reaches with n labels (Newell and Deng, CVPR 2020). 0: nothing saved; 1: the baseline needs "
        "twice the labels; -0.5: half of them. -1 is the least possible."
    )
    yield (
        f"**Curve**: {_METHODS[curve]}; where it is flat, n1 is the first label count that reaches the "
        "accuracy. It is never drawn beyond the rungs."
    )
    yield (
        "**Bounds**: `>=` means that no rung of the baseline reaches the arm's accuracy, so U is at least that of "
        "the last rung; `<=` that its first rung is already better. In the figures they are hollow, with an arrow, "
        "on the edge of the grey area where the ladder can't measure."
    )
    yield (
        f"**Intervals** hold {level}. Those of U come from {REPLICATES:,} joint replicates of both curves, in which "
        "whole draws and seeds are resampled, the same for both arms; variances are moderated across rungs "
        f"({PRIOR_DF:g} prior degrees of freedom). `{OPEN}` is an end that the ladder can't measure. An interval "
        "tells what other draws and seeds would give; it takes the curve's shape between rungs as drawn."
    )
    yield (
        "**Break-even** is the label count past which the arm is no longer over the baseline's curve, interpolated "
        "in ln n; `>` the last rung and `<` the first rung mean that there is no such point inside the ladder."
    )


def _noise(results: Results, level: str) -> Iterator[str]:
    sizes = {record.test_count for record in results.cells if record.test_count}
    if sizes:
        low, high = wilson(0.5, min(sizes), level=results.study.level)
        yield (
            f"**Test set**: accuracies are of {min(sizes):,} test images; by their sampling alone an accuracy is "
            f"uncertain by up to {50 * (high - low):.1f} points ({level}, Wilson). All arms share these images, so "
            "intervals of accuracy and utility leave this error out; `summary.csv` gives it."
        )
    yield (
        "**±** is the standard deviation of single runs, not an interval. `summary.csv` has the Student-t interval "
        "of every mean and the paired difference from the baseline."
    )


def _fairness(results: Results) -> Iterator[str]:
    study = results.study
    yield "A pretext sees images without labels, and no test image. A protocol sees exactly n labels."
    yield "The test split is scored once a cell, at the end of training; nothing is chosen by it."
    subset = {"stratified": "balanced over the classes", "random": "at random", "prefix": "the first n images"}
    yield (
        f"Labels are drawn {subset[study.subset]} and nested: the same draw gives every arm the same labels, and a "
        "larger rung contains the smaller ones."
        if study.subset != "prefix"
        else "Labels are the first n images, the same in every run: draws bring no spread."
    )
    yield "One budget table holds for all arms; it is listed under Conditions."
