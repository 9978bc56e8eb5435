"""What is weak about the curves themselves, in sentences: falls, formulas that disagree, small test sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from labeleff.curves.diagnostics import Fall, disagreement, fall
from labeleff.curves.noise import ASSUMED_SD
from labeleff.curves.utilities import UtilityPoint
from labeleff.reporting.comparison import Comparison
from labeleff.reporting.markdown import counts, listed, percent
from labeleff.reporting.measured import Measured, Place

SIGNIFICANT = 0.05
"""p value under which a fall is flagged."""
APART = 2.0
"""Formulas that differ from the label count given by more than this factor are flagged."""


def flags(measured: Measured, place: Place, comparisons: Sequence[Comparison]) -> Iterator[str]:
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
