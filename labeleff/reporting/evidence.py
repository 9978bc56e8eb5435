"""What is weak about measured accuracies, in sentences: the report criticises itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from labeleff.curves.method_table import needed
from labeleff.curves.utilities import FAR, UtilityPoint
from labeleff.reporting import curve_evidence
from labeleff.reporting.comparison import Comparison
from labeleff.reporting.findings import Findings
from labeleff.reporting.markdown import at_labels, counts, listed
from labeleff.reporting.measured import Measured, Place

NEAR_CHANCE = 0.02
"""Accuracies less than this over chance are flagged."""
FEW_RUNS = 3


def few_runs(measured: Measured) -> Iterator[str]:
    """Whether runs are enough for intervals."""
    if measured.size == 1:
        yield "**One run a rung**: there is no spread to measure, so no number here has an interval."
    elif measured.size < FEW_RUNS:
        yield f"**Few runs**: {measured.size} a rung; intervals rest on what the rungs have in common."


def flags(findings: Findings) -> Iterator[str]:
    """One sentence a weakness of curves and utilities, place by place."""
    measured = findings.measured
    for place in measured.places:
        here = findings.at(place)
        where = f" ({measured.settings[place].title})" if len(measured.places) > 1 else ""
        for text in (*_accuracies(measured, place), *_curves(measured, place, here), *_utilities(measured, here)):
            yield f"{text}{where}"


def _curves(measured: Measured, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    if len(measured.at(place, measured.baseline)) > 1:
        yield from curve_evidence.flags(measured, place, comparisons)


def _accuracies(measured: Measured, place: Place) -> Iterator[str]:
    """Weaknesses of accuracies: too few for a curve, near chance, of few runs."""
    base = measured.at(place, measured.baseline)
    least = needed(measured.method)
    if len(base) < least:
        yield (
            f"**No utility**: the baseline {measured.baseline} has finished cells at {len(base)} rungs, and its curve "
            f"({measured.method}) needs {least}."
        )
    if len(base) < 2:
        return
    intervals = measured.intervals[place, measured.baseline]
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
    short = {arm: [n for n, rung in measured.at(place, arm).items() if len(rung) < least] for arm in measured.arms}
    found = [(arm, ns) for arm, ns in short.items() if ns]
    if found:
        yield f"**{kind}**: fewer than {least} runs: {at_labels(found)}."


def _utilities(measured: Measured, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Weaknesses of utilities, one sentence a kind: all arms that have it."""
    if not comparisons:
        return
    baseline, last = comparisons[0].baseline, measured.settings[comparisons[0].place].rungs[-1]
    sentences: Sequence[tuple[str, str, Callable[[UtilityPoint], bool]]] = (
        (
            "Wide intervals",
            "the ends are open or more than a factor of 4 apart in equivalent labels",
            lambda point: "wide" in point.flags and "far" not in point.flags,
        ),
        (
            "Extrapolated",
            f"better than {baseline} at any rung, so the numbers there rest on how its curve is continued; measured "
            "is a lower bound",
            lambda point: "extrapolated" in point.flags and "far" not in point.flags,
        ),
        (
            "Far beyond the ladder",
            f"by the curve of {baseline} worth over {FAR:g} times its last rung, where no curve can be trusted: a "
            "lower limit is given in place of the number. Larger rungs would measure them",
            lambda point: "far" in point.flags,
        ),
        (
            "Beyond the ladder",
            f"better than {baseline} at any rung; only lower bounds are known there. A larger last rung would "
            "measure them",
            lambda point: point.kind == "above" and point.n < last,
        ),
        (
            "Under the ladder",
            f"worse than {baseline} at its first rung; only upper bounds are known there",
            lambda point: point.kind == "below",
        ),
    )
    for kind, what, holds in sentences:
        found = [(item.arm, ns) for item in comparisons if (ns := [p.n for p in item.points if holds(p)])]
        if found:
            yield f"**{kind}**: {at_labels(found)}: {what}."
    several = [item for item in comparisons if item.crossing is not None and item.crossing.changes > 1]
    if several:
        names = listed(f"{item.arm} ({item.crossing.changes} times)" for item in several if item.crossing)
        yield f"**Several crossings** with {baseline}: {names}; the break-even point given is the last one."
