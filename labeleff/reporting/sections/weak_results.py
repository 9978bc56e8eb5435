"""What is weak about measured accuracies, in sentences: the report criticises itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from labeleff.curves.diagnostics import Fall, disagreement, fall
from labeleff.curves.method_table import rungs_needed
from labeleff.curves.rung_means import ASSUMED_SD
from labeleff.curves.utility import FAR, UtilityPoint
from labeleff.reporting.findings import Comparison, Findings
from labeleff.reporting.markdown import at_labels, counts, listed, percent
from labeleff.reporting.measurements import Measured, Place

SIGNIFICANT = 0.05
"""p value under which a fall is flagged."""
APART = 2.0
"""Formulas that differ from the label count given by more than this factor are flagged."""


def curve_flags(measured: Measured, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """One sentence a weakness of the curves at one place, whose baseline has two rungs."""
    yield from _falls(measured, place)
    yield from _disagreement(measured, place, comparisons)
    yield from _test_set(measured, place)


def _falls(measured: Measured, place: Place) -> Iterator[str]:
    found: dict[str, Fall] = {}
    for arm in measured.arms:
        worst = fall(measured.noisy(place, arm)) if len(measured.at(place, arm)) > 1 else None
        if worst is not None and _shown(worst):
            found[arm] = worst
    base = found.pop(measured.baseline, None)
    if base is not None:
        yield (
            f"**Non-monotone baseline**: it falls {_fall(measured, place, measured.baseline, base)}; label counts "
            f"between these {measured.settings[place].told.plural} are ill-defined."
        )
    if found:
        texts = listed(f"{arm} falls {_fall(measured, place, arm, item)}" for arm, item in found.items())
        yield f"**Non-monotone arms**: {texts} (each tested alone)."


def _shown(item: Fall) -> bool:
    """Without noise to test by, only what would be much for a single run."""
    return item.size > 2 * ASSUMED_SD if item.p_value is None else item.p_value < SIGNIFICANT


def _fall(measured: Measured, place: Place, arm: str, item: Fall) -> str:
    means = {row.n: row.mean for row in measured.intervals[place, arm]}
    first, after = int(item.n), int(item.after)
    chance = "one run a rung: not tested"
    if item.p_value is not None:
        chance = "p < 0.001" if item.p_value < 0.001 else f"p = {item.p_value:.2g}"
    return (
        f"from {percent(means[first])} % at {first:,} labels to {percent(means[after])} % at {after:,} "
        f"(by {100 * item.size:.1f} points, {chance})"
    )


def _disagreement(measured: Measured, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Label counts of which a formula that the rungs don't reject says something quite different."""
    points = [(item.arm, point) for item in comparisons for point in item.points if _given(point)]
    if not points:
        return
    answers = disagreement(measured.noisy(place, measured.baseline), [point.accuracy for _, point in points])
    apart: dict[str, list[tuple[int, float, float]]] = {}
    for (arm, point), answer in zip(points, answers or [], strict=bool(answers)):
        assert point.n1 is not None
        low, high = answer.low / point.n1, answer.high / point.n1
        if low < 1 / APART or high > APART:
            apart.setdefault(arm, []).append((point.n, low, high))
    if apart:
        texts = listed(
            f"{arm} at {counts(n for n, _, _ in rows)} labels ({_span(rows)})" for arm, rows in apart.items()
        )
        yield (
            f"**Formulas disagree** with n1 by more than a factor of {APART:g}: {texts}. They are single formulas that "
            "the rungs don't reject (`curves.csv`): what counts there is the shape of the curve, which few rungs tell."
        )


def _given(point: UtilityPoint) -> bool:
    """Its label count is a number, not a limit or a bound."""
    return point.n1 is not None and "far" not in point.flags


def _span(rows: Sequence[tuple[int, float, float]]) -> str:
    """The least and the largest answer of all formulas, as multiples of n1."""
    low, high = (
        "never" if factor == math.inf else f"x{factor:.2g}"
        for factor in (min(row[1] for row in rows), max(row[2] for row in rows))
    )
    return low if low == high else f"{low} to {high}"


def _test_set(measured: Measured, place: Place) -> Iterator[str]:
    """Rungs where the sampling of the test set counts for more than runs do."""
    setting = measured.settings[place]
    if setting.sampled is None:
        return
    rows = [
        (math.sqrt(item.mean * (1 - item.mean) / setting.sampled), item.standard_error, arm, item.n)
        for arm in measured.arms
        for item in measured.intervals.get((place, arm), [])
        if item.standard_error and 0 < item.mean < 1
    ]
    over = [row for row in rows if row[0] > row[1]]
    if over:
        sampling, runs, arm, n = max(over, key=lambda row: row[0] / row[1])
        yield (
            f"**Test set**: at {len(over)} of {len(rows)} means the sampling of {setting.sampled:,} test "
            f"{setting.unit} has a larger standard error than the runs, most for {arm} at {n:,} labels "
            f"({100 * sampling:.2f} points against {100 * runs:.2f}). All arms share it: it bears on "
            f"{setting.told.plural}, less on differences, and no number of runs reduces it."
        )


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
        yield from curve_flags(measured, place, comparisons)


def _accuracies(measured: Measured, place: Place) -> Iterator[str]:
    """Weaknesses of accuracies: too few for a curve, near chance, of few runs."""
    base = measured.at(place, measured.baseline)
    least = rungs_needed(measured.method)
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
