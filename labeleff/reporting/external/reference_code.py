"""Utility by the reference code's rules, as CSV and Markdown, clearly labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labeleff.errors import CurveError
from labeleff.reporting.csv_tables import Table, columns
from labeleff.reporting.external.selfstudy_utility import SelfstudyPoint, selfstudy_utility
from labeleff.reporting.markdown import count, ratio, table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section

FILE = "utility-selfstudy.csv"
COLUMNS = columns("task encoder arm baseline convention n utility spread limit ends")
"""`spread`: standard deviation over the arm's runs; `limit`: the largest measurable utility according to the
reference code; `ends`: the arm's mean is over the baseline's best from this rung on, and the curve ends."""

DEFECTS = (
    "the baseline's means are joined by straight pieces in n, and only label counts that both arms have are used",
    "an accuracy under the baseline's first mean counts as reached with 0 labels: U is exactly -1",
    "a run that no baseline mean is over counts as reached with -1 labels: a lucky run looks as bad as can be",
    "the point where a curve ends (†) and the limit of what is measurable lack the -1 of the definition",
    "± is the standard deviation of the arm's runs; the baseline's noise is ignored",
)


@dataclass(frozen=True)
class SelfstudyCurve:
    """An arm against the baseline at one place, by the reference code's rules."""

    place: Place
    arm: str
    baseline: str
    points: list[SelfstudyPoint]


def curves(measured: Measurements) -> list[SelfstudyCurve]:
    """Curves of all other arms, without points where an arm shares no label count with the baseline.

    Raises CurveError, naming the arm, where the reference code would divide by zero.
    """
    curves = []
    for place, arm in measured.runs:
        if arm == measured.baseline:
            continue
        try:
            points = selfstudy_utility(measured.at(place, measured.baseline), measured.at(place, arm))
        except CurveError as error:
            where = f"{measured.settings[place].title}, {arm}"
            raise CurveError(f"--convention selfstudy can't be had for {where}: {error}") from error
        curves.append(SelfstudyCurve(place, arm, measured.baseline, points))
    return curves


def selfstudy_table(items: Sequence[SelfstudyCurve]) -> Table:
    """Table of one row per point."""
    rows = [
        {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": item.arm,
            "baseline": item.baseline,
            "convention": "selfstudy",
            "n": point.n,
            "utility": point.utility,
            "spread": point.spread,
            "limit": point.limit,
            "ends": point.ends,
        }
        for item in items
        for point in item.points
    ]
    return Table(rows, COLUMNS)


def section(measured: Measurements) -> Section:
    """Section with a table per place, the known defects of its rules, and the same numbers as CSV."""
    items = curves(measured)
    return Section([*_paragraphs(measured, items)], files={FILE: selfstudy_table(items).csv()})


def _paragraphs(measured: Measurements, items: Sequence[SelfstudyCurve]) -> Iterator[str]:
    yield f"## Utility by the reference code's rules, against {measured.baseline}"
    yield (
        "**Not the definition's.** This is for comparison with published figures alone and repeats how the reference "
        "code (selfstudy) computes, with its known defects:"
    )
    yield "\n".join(f"- {text}" for text in DEFECTS)
    for place, setting in measured.settings.items():
        arms = [item for item in items if item.place == place]
        if len(measured.places) > 1:
            yield f"### {setting.title}, by the reference code's rules"
        yield table(
            ["arm (selfstudy convention)", *(f"n = {n:,}" for n in setting.rungs), "curve ends (†)"],
            [[item.arm, *_cells(item.points, setting.rungs)] for item in arms],
        )
    yield f"`{FILE}` has these numbers; `utility.csv` has the definition's."


def _cells(points: Sequence[SelfstudyPoint], rungs: Sequence[int]) -> list[str]:
    inside = {point.n: f"{ratio(point.utility)} ± {ratio(point.spread)}" for point in points if not point.ends}
    ends = next((f"U = {ratio(point.utility)} at n = {count(point.n)}" for point in points if point.ends), "–")
    return [*(inside.get(n, "–") for n in rungs), ends]
