"""Regression check: verdicts on all numbers, on the gate's rules, overall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labeleff.comparison.gate_verdicts import Ruling, rule_on
from labeleff.comparison.judgement import JudgedChange, judge
from labeleff.comparison.matching import Match, match
from labeleff.comparison.score_changes import passed_changes, score_changes
from labeleff.comparison.speed_changes import speed_changes
from labeleff.comparison.utility_changes import utility_changes
from labeleff.reporting.results import Results
from labeleff.study.gate import Criteria

Overall = Literal["regression", "can't be evaluated", "same", "better", "no regression found"]
STATUS = {"regression": 3, "can't be evaluated": 1}
"""Exit statuses by overall verdict; 0 for every other."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a comparison of two folders."""

    match: Match
    criteria: Criteria
    level: float
    rows: list[JudgedChange]
    rulings: list[Ruling]
    overall: Overall

    @property
    def status(self) -> int:
        """Exit status of the command."""
        return STATUS.get(self.overall, 0)


def compare(base: Results, new: Results, criteria: Criteria, level: float) -> Outcome:
    """Compare two folders' results with intervals of probability `level`.

    Raises OptionError for a rule that names what neither folder has.
    """
    sides = match(base, new)
    changes = [
        *score_changes(sides, level),
        *utility_changes(sides),
        *passed_changes(sides),
        *speed_changes(sides, criteria),
    ]
    rows = judge(changes, criteria, level)
    rulings = [rule_on(rule, rows, sides, level) for rule in criteria.rules]
    return Outcome(sides, criteria, level, rows, rulings, _overall(rows, rulings))


def _overall(rows: Sequence[JudgedChange], rulings: Sequence[Ruling]) -> Overall:
    states = {ruling.state for ruling in rulings}
    if "fails" in states:
        return "regression"
    if "can't be evaluated" in states or states == {"not judged"}:
        return "can't be evaluated"
    verdicts = {row.verdict for row in rows if row.change.judged}
    if verdicts == {"same"}:
        return "same"
    return "better" if "better" in verdicts and "worse" not in verdicts else "no regression found"
