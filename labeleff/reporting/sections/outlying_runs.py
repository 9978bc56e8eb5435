"""Sentences on runs that lie far from the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labeleff.curves.bounds import worth
from labeleff.reporting.markdown import amount, join_texts, joint_ratio, ratio
from labeleff.reporting.measurements import Measurements
from labeleff.reporting.outlying_runs import Answer, OutlyingRun
from labeleff.stats.resampling import Run

MOST = 6
"""Largest number of runs of a place that are named one by one."""


def decisive(measured: Measurements, items: Sequence[OutlyingRun]) -> Iterator[str]:
    """Sentences for the top of the report: single runs without which something else would be claimed."""
    for item in items:
        if item.changes:
            arms = join_texts(item.changes, ", ")
            yield f"**One run decides** what is claimed of {arms}: {_described(measured, item)}{_answers(item)}"


def in_short(items: Sequence[OutlyingRun]) -> Iterator[str]:
    """One line for the head on all such runs; nothing where there is none."""
    if decide := [item for item in items if item.changes]:
        arms = join_texts(dict.fromkeys(arm for item in decide for arm in item.changes), ", ")
        which = join_texts(f"{item.arm} at {item.outlier.n:,} labels" for item in decide)
        yield f"**One run decides** what is claimed of {arms}: of {which}; below are the numbers without it."


def weak(measured: Measurements, items: Sequence[OutlyingRun]) -> Iterator[str]:
    """Flags on all other outlying runs."""
    others = [item for item in items if not item.changes]
    for item in others[:MOST]:
        yield f"**Outlying run**: {_described(measured, item)}{_answers(item)}"
    if len(others) > MOST:
        yield f"**Outlying runs**: {len(others) - MOST:,} more lie as far from the others of their rung."


def _described(measured: Measurements, item: OutlyingRun) -> str:
    one, setting = item.outlier, measured.settings[item.place]
    units, words = setting.units, setting.metric_entry.words
    side = "under" if (one.distance < 0) != units.lower else "over"
    return (
        f"{item.arm} at {one.n:,} labels, {_name(measured, item, one.run)}, has {words} "
        f"{units.text(one.value)}{units.mark}, {abs(one.distance):,.0f} standard deviations of the other runs "
        f"{side} their mean of {units.text(one.centre)}{units.mark}."
    )


def _name(measured: Measurements, item: OutlyingRun, run: Run) -> str:
    numbers = measured.run_numbers.get((item.place, item.arm), {})
    number = numbers.get((item.outlier.n, run))
    shared = {"draw": run[0], "seed": run[1]}
    names = [f"{kind} {shared[kind]}" for kind in measured.shared]
    if number is not None:
        names.insert(0, f"run {number}")
    return ", ".join(names or [f"run {run[0]}"])


def _answers(item: OutlyingRun) -> str:
    """Sentence on the numbers with and without the run; empty where they weren't computed."""
    if item.compared is None:
        return " It counts like any other."
    at = f"at {item.outlier.n:,} labels"
    pairs = [
        f"U of {item.compared} {at} is {_utility(item.counted)} with it and {_utility(item.without)} without it"
        if item.counted.point and item.without.point
        else "",
        f"the mean label ratio {_ratio(item.counted)} and {_ratio(item.without)}"
        if item.counted.mean and item.without.mean
        else "",
    ]
    numbers = ", ".join(text for text in pairs if text)
    return f" {numbers[0].upper()}{numbers[1:]}. It counts like any other." if numbers else ""


def _utility(answer: Answer) -> str:
    return "" if answer.point is None else amount(worth(answer.point), ratio)


def _ratio(answer: Answer) -> str:
    return "" if answer.mean is None else joint_ratio(answer.mean)
