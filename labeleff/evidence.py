"""What is weak about measured accuracies, in sentences: the report criticises itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from labeleff.comparison import Comparison
from labeleff.markdown import percent
from labeleff.measured import Measured, Place
from labeleff.stats import mean_intervals

NEAR_CHANCE = 0.02
"""Accuracies less than this over chance are flagged."""
FEW_RUNS = 3


def few_runs(measured: Measured) -> Iterator[str]:
    """Whether runs are enough for intervals."""
    if measured.size == 1:
        yield "**One run a rung**: there is no spread to measure, so no number here has an interval."
    elif measured.size < FEW_RUNS:
        yield f"**Few runs**: {measured.size} a rung; intervals rest on what the rungs have in common."


def flags(measured: Measured, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """One sentence a weakness of curves and utilities, place by place."""
    for place in measured.places:
        here = [item for item in comparisons if item.place == place]
        where = f" ({measured.settings[place].title})" if len(measured.places) > 1 else ""
        for text in (*_curve(measured, place), *_utilities(measured, here)):
            yield f"{text}{where}"


def _curve(measured: Measured, place: Place) -> Iterator[str]:
    """Weaknesses of accuracies: falls of the baseline, and rungs near chance."""
    base = measured.at(place, measured.baseline)
    if len(base) < 2:
        yield (
            f"**No utility**: the baseline {measured.baseline} has finished cells at {len(base)} rungs, "
            "and its curve needs two."
        )
        return
    intervals = mean_intervals(base, level=measured.level)
    for first, second in itertools.pairwise(intervals):
        error = np.hypot(first.standard_error or 0.0, second.standard_error or 0.0)
        if error > 0 and first.mean - second.mean > 2 * error:
            yield (
                f"**Non-monotone baseline**: it falls from {percent(first.mean)} % at {first.n:,} labels to "
                f"{percent(second.mean)} % at {second.n:,}, more than 2 standard errors; label counts between "
                "these rungs are ill-defined."
            )
    chance = measured.settings[place].chance
    near = [item.n for item in intervals if chance is not None and item.mean - chance < NEAR_CHANCE]
    if near:
        yield (
            f"**Near chance**: the baseline is less than {100 * NEAR_CHANCE:.0f} points over chance at "
            f"{counts(near)} labels; utility there compares noise."
        )
    yield from _short(measured, place)


def _short(measured: Measured, place: Place) -> Iterator[str]:
    """Arms with rungs of fewer runs than were wanted; where nobody wanted any, of too few to tell their spread."""
    kind, least = "Few runs", min(FEW_RUNS, measured.size)
    if measured.wanted is not None:
        kind, least = "Runs missing", measured.wanted
    for arm in measured.arms:
        short = [n for n, rung in measured.at(place, arm).items() if len(rung) < least]
        if short:
            yield f"**{kind}**: {arm} has fewer than {least} runs at {counts(short)} labels."


def _utilities(measured: Measured, comparisons: Sequence[Comparison]) -> Iterator[str]:
    for item in comparisons:
        wide = [point.n for point in item.points if "wide" in point.flags]
        if wide:
            yield (
                f"**Wide intervals**: {item.arm} at {counts(wide)} labels; the ends are open or more than a "
                "factor of 4 apart in equivalent labels."
            )
        last = measured.settings[item.place].rungs[-1]
        above = [point.n for point in item.points if point.kind == "above" and point.n < last]
        if above:
            yield (
                f"**Beyond the ladder**: {item.arm} at {counts(above)} labels is better than {item.baseline} at "
                "any rung; only lower bounds are known there. A larger last rung would measure them."
            )
        below = [point.n for point in item.points if point.kind == "below"]
        if below:
            yield (
                f"**Under the ladder**: {item.arm} at {counts(below)} labels is worse than {item.baseline} at "
                "its first rung; only upper bounds are known there."
            )
        if item.crossing is not None and item.crossing.changes > 1:
            yield (
                f"**Several crossings**: {item.arm} and {item.baseline} cross {item.crossing.changes} times; the "
                "break-even point given is the last one."
            )


def counts(ns: Iterable[int]) -> str:
    """Label counts as people list them: `20, 50 and 100`."""
    *most, last = [f"{n:,}" for n in sorted(ns)]
    return f"{', '.join(most)} and {last}" if most else last
