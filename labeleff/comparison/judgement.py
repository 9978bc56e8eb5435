"""A verdict on every number that both sides have: better, same, worse, or can't tell.

`worse` and `better` are one-sided tests at (1 - level) / 2, adjusted over all numbers (holm): scores over the
ladder, scores at rungs, and speeds apart, each at its share of that, so that many rungs don't drown the few headline
figures. `same`: the interval of probability `level` lies within the margin, which is two one-sided tests (Schuirmann
1987, J. Pharmacokinet. Biopharm. 15); it is no alarm, so it isn't adjusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labeleff.comparison.change import Change, Exact
from labeleff.stats.multiple_comparisons import holm
from labeleff.study.gate import Criteria

Verdict = Literal["better", "same", "worse", "can't tell"]


@dataclass(frozen=True)
class JudgedChange:
    """One number's change and its verdict."""

    change: Change
    margin: float
    low: float | None
    high: float | None
    p_value: float | None
    """Of the smaller of both one-sided tests, adjusted; None where nothing was tested."""
    verdict: Verdict


def judged(changes: Sequence[Change], criteria: Criteria, level: float) -> list[JudgedChange]:
    """One row a change, in their order."""
    adjusted = _adjusted(changes)
    return [
        _row(change, adjusted.get(place), criteria.margin(change.subject), level)
        for place, change in enumerate(changes)
    ]


def _adjusted(changes: Sequence[Change]) -> dict[int, tuple[float, float]]:
    """By place in `changes`, p values of worse and of better, adjusted."""
    noisy = {place: change for place, change in enumerate(changes) if change.judged}
    tested = [place for place, change in noisy.items() if not isinstance(change.doubt, Exact | None)]
    families: dict[str, list[int]] = {}
    for place in tested:
        families.setdefault(_family(changes[place]), []).append(place)
    found: dict[int, tuple[float, float]] = {}
    for family in families.values():
        worse = holm([changes[place].p_worse() or 0.0 for place in family])
        better = holm([changes[place].p_better() or 0.0 for place in family])
        for place, *two in zip(family, worse, better, strict=True):
            found[place] = (min(1.0, len(families) * two[0]), min(1.0, len(families) * two[1]))
    return found


def _family(change: Change) -> str:
    """Which numbers are adjusted together."""
    if change.quantity.speed:
        return "speeds"
    return "ladder" if change.subject.n is None else "rungs"


def _row(change: Change, adjusted: tuple[float, float] | None, margin: float, level: float) -> JudgedChange:
    low, high = change.interval(level) or (None, None)
    verdict: Verdict = "can't tell"
    within = low is not None and high is not None and -margin <= low and high <= margin
    if change.judged and within and not change.bounded:
        verdict = "same"
    elif adjusted is not None and min(adjusted) <= (1 - level) / 2:
        verdict = "worse" if adjusted[0] < adjusted[1] else "better"
    return JudgedChange(change, margin, low, high, None if adjusted is None else min(adjusted), verdict)
