"""Finding: utility falls towards zero as labels grow, and curves merge before accuracy saturates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from labeleff.curves.reading import worth
from labeleff.curves.utilities import UtilityPoint
from labeleff.reporting.comparison import Comparison
from labeleff.reproduce.evidence2020 import Folder, Outcome, counted, order
from labeleff.statistics.differences import compare

Trend = Literal["falls", "rises", "unclear"]

TRENDS: dict[int, Trend] = {-1: "falls", 1: "rises", 0: "unclear"}


def trend(points: Sequence[UtilityPoint]) -> Trend | None:
    """Trend from the first rung where utility excludes 0 to the last; None without such a rung before the last.

    It falls where all of the first interval lies over all of the last.
    """
    known = [point for point in points if point.low is not None or point.high is not None]
    paying = [point for point in known if point.sign > 0]
    if not paying or paying[0].n == known[-1].n:
        return None
    first, last = worth(paying[0]), worth(known[-1])
    return TRENDS[order((first.low, first.high), (last.low, last.high))]


def falls_with_labels(folders: Sequence[Folder]) -> Outcome:
    """Counts arms that are finetuned, at every place."""
    trends: Counter[Trend] = Counter()
    merged = saturated = 0
    for folder in folders:
        for item in folder.finetuned():
            found = trend(item.points)
            if found is None:
                continue
            trends[found] += 1
            apart, still_rising = _at_the_end(folder, item)
            merged += not apart and still_rising
            saturated += not still_rising
    judgement = counted(trends["falls"], trends["rises"], trends["unclear"])
    total = sum(trends.values())
    evidence = "No finetuned arm has a utility that excludes 0 before the last rung."
    if total:
        evidence = (
            f"Of {total} finetuned arms (arm, task, encoder) whose utility excludes 0 at some rung before the last, it "
            f"falls for {trends['falls']} beyond doubt from there to the last rung, rises for {trends['rises']}, and "
            f"can't be told for {trends['unclear']}. {merged} can't be told from scratch at the last rung while the "
            f"accuracy from scratch still rises; for {saturated} it has stopped rising there."
        )
    return Outcome(judgement, evidence)


def _at_the_end(folder: Folder, item: Comparison) -> tuple[bool, bool]:
    """At the last rung: whether arm and baseline differ, and whether the baseline rose to it, beyond doubt."""
    measured = folder.findings.measured
    base, arm = measured.at(item.place, item.baseline), measured.at(item.place, item.arm)
    last = compare(base, arm, level=measured.level).rungs[-1]
    apart = last.low is not None and last.high is not None and not last.low <= 0 <= last.high
    *_, before, end = sorted(base)
    [rise] = compare({1: base[before]}, {1: base[end]}, level=measured.level).rungs
    return apart, rise.low is not None and rise.low > 0
