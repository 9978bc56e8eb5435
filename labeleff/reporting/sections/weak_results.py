"""Weak points of measured accuracies, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from labeleff.curves.methods import BAYES, rungs_needed
from labeleff.curves.utility import FAR, FEW_RUNS, UtilityPoint
from labeleff.reporting.assumptions import NEAR_CHANCE
from labeleff.reporting.findings import Comparison, Findings
from labeleff.reporting.markdown import at_labels, counts, join_texts
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.sections import outlying_runs

APART = 2.0
"""Formulas that differ from the reported label count by more than this factor are flagged."""


def curve_flags(measured: Measurements, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """One sentence per weakness of the curves at one place, whose baseline has two rungs."""
    yield from _disagreement(comparisons)
    yield from _test_set(measured, place)


def _disagreement(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Flag label counts that a formula which the rungs don't reject puts elsewhere by more than APART."""
    apart: dict[str, list[tuple[int, float, float]]] = {}
    for item in comparisons:
        for point, answer in zip(item.points, item.answers, strict=bool(item.answers)):
            if point.n1 is not None and "far" not in point.flags:
                low, high = answer.low / point.n1, answer.high / point.n1
                if low < 1 / APART or high > APART:
                    apart.setdefault(item.arm, []).append((point.n, low, high))
    if apart:
        texts = join_texts(
            f"{arm} at {counts(n for n, _, _ in rows)} labels ({_span(rows)})" for arm, rows in apart.items()
        )
        yield (
            f"**Formulas disagree** with n1 by more than a factor of {APART:g}: {texts}. They are single formulas that "
            "the rungs don't reject (`curves.csv`): what counts there is the shape of the curve, which few rungs tell."
        )


def _span(rows: Sequence[tuple[int, float, float]]) -> str:
    """Range of the answers of all formulas, as multiples of n1."""
    low, high = (
        "never" if factor == math.inf else f"x{factor:.2g}"
        for factor in (min(row[1] for row in rows), max(row[2] for row in rows))
    )
    return low if low == high else f"{low} to {high}"


def _test_set(measured: Measurements, place: Place) -> Iterator[str]:
    """Flag rungs where the sampling of the test set has a larger standard error than the runs."""
    setting = measured.settings[place]
    units = setting.units
    if setting.sampled is None:
        return
    rows = [
        (math.sqrt(share * (1 - share) / setting.sampled) / abs(units.change(1.0)), item.standard_error, arm, item.n)
        for arm in measured.arms
        for item in measured.intervals.get((place, arm), [])
        if item.standard_error and 0 < (share := units.value(item.mean)) < 1
    ]
    dominated = [row for row in rows if row[0] > row[1]]
    if dominated:
        sampling, runs, arm, n = max(dominated, key=lambda row: row[0] / row[1])
        yield (
            f"**Test set**: for {len(dominated)} of {len(rows)} means, sampling {setting.sampled:,} test "
            f"{setting.unit} has a larger standard error than the runs have, most for {arm} at {n:,} labels "
            f"({units.points(sampling, 1)} against {units.spread(runs, units.digits + 1)}). All arms share it: it "
            f"bears on {setting.metric_entry.plural}, less on differences, and no number of runs reduces it."
        )


def few_runs(measured: Measurements) -> Iterator[str]:
    """Flag too few runs for intervals."""
    if measured.size == 1 and measured.method == BAYES:
        yield (
            "**One run a rung**: their spread isn't measured. Intervals of U rest on noise that is learned from the "
            "scatter around the curve and from other curves; means and differences have none."
        )
    elif measured.size == 1:
        yield "**One run a rung**: there is no spread to measure, so no number here has an interval."
    elif measured.size < FEW_RUNS:
        yield f"**Few runs**: {measured.size} a rung; intervals rest on what the rungs have in common."


def flags(findings: Findings) -> Iterator[str]:
    """One sentence per weakness of accuracies, curves and utilities, place by place."""
    measured = findings.measured
    for place in measured.places:
        comparisons = findings.at(place)
        where = f" ({measured.settings[place].title})" if len(measured.places) > 1 else ""
        for text in (
            *_accuracies(measured, place),
            *_curves(measured, place, comparisons),
            *_utilities(measured, comparisons),
            *outlying_runs.weak(measured, [item for item in findings.outlying if item.place == place]),
        ):
            yield f"{text}{where}"


def _curves(measured: Measurements, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
    if len(measured.at(place, measured.baseline)) > 1:
        yield from curve_flags(measured, place, comparisons)


def _accuracies(measured: Measurements, place: Place) -> Iterator[str]:
    """Flag accuracies that are too few for a curve, near chance, or of few runs."""
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
        units = measured.settings[place].units
        yield (
            f"**Near chance**: the baseline is less than {units.near(NEAR_CHANCE)} {units.over} chance at "
            f"{counts(near)} labels; utility there compares noise."
        )
    yield from _short(measured, place)


def _short(measured: Measurements, place: Place) -> Iterator[str]:
    """Flag arms with rungs of fewer runs than planned or, without a plan, of too few to estimate their spread."""
    kind, least = "Few runs", min(FEW_RUNS, measured.size)
    if measured.planned_runs is not None:
        kind, least = "Runs missing", measured.planned_runs
    short = {arm: [n for n, rung in measured.at(place, arm).items() if len(rung) < least] for arm in measured.arms}
    arms = [(arm, ns) for arm, ns in short.items() if ns]
    if arms:
        yield f"**{kind}**: fewer than {least} runs: {at_labels(arms)}."


def _utilities(measured: Measurements, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Flag weak utilities: one sentence per kind, with all arms that have it."""
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
        arms = [(item.arm, ns) for item in comparisons if (ns := [p.n for p in item.points if holds(p)])]
        if arms:
            yield f"**{kind}**: {at_labels(arms)}: {what}."
    several = [item for item in comparisons if item.crossing is not None and item.crossing.changes > 1]
    if several:
        names = join_texts(f"{item.arm} ({item.crossing.changes} times)" for item in several if item.crossing)
        yield f"**Several crossings** with {baseline}: {names}; the tables give the one up to which the arm gains most."
