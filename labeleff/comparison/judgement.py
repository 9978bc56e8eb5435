"""Verdicts on compared numbers: better, same, worse, or can't tell.

`worse` and `better` are one-sided tests at (1 - level) / 2 with p values adjusted by Holm's procedure within three
families: scores over the ladder, scores at rungs, speeds. Each family has an equal share of that probability, so that
the many rungs don't hide the few headline figures. `same` means that the interval of probability `level` lies within
the margin, which amounts to two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15); it is no alarm, so
it isn't adjusted.
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
    """Change of one number, with its verdict."""

    change: Change
    margin: float
    low: float | None
    high: float | None
    p_value: float | None
    """The smaller adjusted p value of both one-sided tests; None where nothing was tested."""
    verdict: Verdict


def judge(changes: Sequence[Change], criteria: Criteria, level: float) -> list[JudgedChange]:
    """Judge changes: one row per change, in their order."""
    p_values = _adjusted_p_values(changes)
    return [
        _row(change, p_values.get(index), criteria.margin(change.subject), level)
        for index, change in enumerate(changes)
    ]


def _adjusted_p_values(changes: Sequence[Change]) -> dict[int, tuple[float, float]]:
    """Adjusted p values of worse and of better, by index in `changes`."""
    families: dict[str, list[int]] = {}
    for index, change in enumerate(changes):
        if change.judged and not isinstance(change.uncertainty, Exact | None):
            families.setdefault(_family(change), []).append(index)
    p_values: dict[int, tuple[float, float]] = {}
    for family in families.values():
        worse = holm([changes[index].p_worse() or 0.0 for index in family])
        better = holm([changes[index].p_better() or 0.0 for index in family])
        for index, p_worse, p_better in zip(family, worse, better, strict=True):
            p_values[index] = (min(1.0, len(families) * p_worse), min(1.0, len(families) * p_better))
    return p_values


def _family(change: Change) -> str:
    """Name of the family of numbers that are adjusted together."""
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
