"""What is weak about a study's evidence, in sentences: the report criticises itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from labeleff.markdown import percent
from labeleff.results import Comparison, Place, Results
from labeleff.stats import mean_intervals

NEAR_CHANCE = 0.02
"""Accuracies less than this over chance are flagged."""
FEW_RUNS = 3


def flags(results: Results, comparisons: Sequence[Comparison]) -> list[str]:
    """One sentence a weakness, the gravest first; empty where none was found."""
    found: list[str] = [*_unfinished(results), *_design(results)]
    for place in results.places:
        found += [
            f"{text} ({results.title(place)})" if len(results.places) > 1 else text for text in _curve(results, place)
        ]
        here = [item for item in comparisons if item.place == place]
        found += [
            f"{text} ({results.title(place)})" if len(results.places) > 1 else text
            for text in _utilities(results, here)
        ]
    return [*found, *_conditions(results)]


def _unfinished(results: Results) -> Iterator[str]:
    failed = sum(results.value(record) is None for record in results.cells)
    finished = len(results.cells) - failed
    if finished < results.expected:
        yield (
            f"**Incomplete**: {finished} of {results.expected} cells have finished, {failed} failed, "
            f"{results.expected - finished - failed} are still to be run."
        )
    broken = [item for item in results.pretrainings if item.status == "failed"]
    for item in broken:
        what = item.pretraining
        yield f"**Failed pretraining**: {what.pretext.label}, seed {what.seed}: {item.reason or 'no reason given'}."


def _design(results: Results) -> Iterator[str]:
    study = results.study
    if len(study.runs) == 1:
        yield "**One run a rung**: there is no spread to measure, so no number here has an interval."
    elif len(study.runs) < FEW_RUNS:
        yield f"**Few runs**: {len(study.runs)} a rung; intervals rest on what the rungs have in common."
    if study.seeds == 1 and any(arm.pretext.name != "scratch" for arm in study.arms):
        yield (
            "**One pretraining seed**: every run of an arm starts from the same pretrained encoder, so intervals "
            "leave out the luck of pretraining and of the initialisation."
        )
    if study.draws == 1 and study.seeds > 1:
        yield "**One draw of labels**: intervals leave out the luck of which images were labelled."
    budgets = {budget.model_dump_json() for arm in study.arms if (budget := study.budget_of(arm)) is not None}
    if len(budgets) > 1:
        yield (
            "**Unequal budgets**: trained arms don't share one protocol budget (see Conditions), so a difference "
            "may come from the optimisation instead of the pretraining."
        )
    missing = {(r.cell.task.name, r.cell.n): r.missing_classes for r in results.cells if r.missing_classes}
    for (task, n), classes in missing.items():
        yield f"**Missing classes**: some draws of {n} labels of {task} have no example of {', '.join(classes)}."


def _curve(results: Results, place: Place) -> Iterator[str]:
    """Weaknesses of accuracies: falls of the baseline, and rungs near chance."""
    base = results.arm_runs(place, results.study.baseline)
    if len(base) < 2:
        yield (
            f"**No utility**: the baseline {results.study.baseline} has finished cells at {len(base)} rungs, "
            "and its curve needs two."
        )
        return
    intervals = mean_intervals(base, level=results.study.level)
    for first, second in itertools.pairwise(intervals):
        error = np.hypot(first.standard_error or 0.0, second.standard_error or 0.0)
        if error > 0 and first.mean - second.mean > 2 * error:
            yield (
                f"**Non-monotone baseline**: it falls from {percent(first.mean)} % at {first.n:,} labels to "
                f"{percent(second.mean)} % at {second.n:,}, more than 2 standard errors; label counts between "
                "these rungs are ill-defined."
            )
    chance = results.chance(place.task)
    near = [item.n for item in intervals if chance is not None and item.mean - chance < NEAR_CHANCE]
    if near:
        yield (
            f"**Near chance**: the baseline is less than {100 * NEAR_CHANCE:.0f} points over chance at "
            f"{_counts(near)} labels; utility there compares noise."
        )
    for arm in results.arms:
        short = [n for n, rung in results.arm_runs(place, arm).items() if len(rung) < len(results.study.runs)]
        if short:
            yield f"**Runs missing**: {arm} has fewer than {len(results.study.runs)} runs at {_counts(short)} labels."


def _utilities(results: Results, comparisons: Sequence[Comparison]) -> Iterator[str]:
    for item in comparisons:
        wide = [point.n for point in item.points if "wide" in point.flags]
        if wide:
            yield (
                f"**Wide intervals**: {item.arm} at {_counts(wide)} labels; the ends are open or more than a "
                "factor of 4 apart in equivalent labels."
            )
        above = [point.n for point in item.points if point.kind == "above" and point.n < results.study.rungs[-1]]
        if above:
            yield (
                f"**Beyond the ladder**: {item.arm} at {_counts(above)} labels is better than {item.baseline} at "
                "any rung; only lower bounds are known there. A larger last rung would measure them."
            )
        below = [point.n for point in item.points if point.kind == "below"]
        if below:
            yield (
                f"**Under the ladder**: {item.arm} at {_counts(below)} labels is worse than {item.baseline} at "
                "its first rung; only upper bounds are known there."
            )
        if item.crossing is not None and item.crossing.changes > 1:
            yield (
                f"**Several crossings**: {item.arm} and {item.baseline} cross {item.crossing.changes} times; the "
                "break-even point given is the last one."
            )


def _conditions(results: Results) -> Iterator[str]:
    distinct = {run.conditions.model_dump_json() for run in results.runs}
    if len(distinct) > 1:
        yield "**Mixed conditions**: the runs differ in device, precision, torch or data (see Conditions)."
    if results.foreign:
        yield f"{results.foreign} records in this folder belong to other studies and were left out."


def _counts(ns: Iterable[int]) -> str:
    *most, last = [f"{n:,}" for n in sorted(ns)]
    return f"{', '.join(most)} and {last}" if most else last
