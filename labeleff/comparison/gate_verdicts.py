"""Verdicts on a gate's rules.

Each rule holds, fails, can't be evaluated, or isn't judged (speed of another machine).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from labeleff.comparison.change import Change
from labeleff.comparison.judgement import JudgedChange
from labeleff.comparison.matching import Key, Match
from labeleff.errors import LabeleffError, OptionError, UnknownNameError
from labeleff.stats.multiple_comparisons import holm
from labeleff.study.gate_rules import Pattern, Rule
from labeleff.study.quantities import KNOWN, Subject

State = Literal["holds", "fails", "can't be evaluated", "not judged"]


@dataclass(frozen=True)
class Ruling:
    """Verdict on one rule."""

    rule: Rule
    state: State
    violations: tuple[JudgedChange, ...] = ()
    """Rows that break the rule."""
    reasons: tuple[str, ...] = ()
    """Reasons why it can't be evaluated, or isn't judged."""


def rule_on(rule: Rule, rows: Sequence[JudgedChange], match: Match, level: float) -> Ruling:
    """Apply one rule. Raises OptionError where neither folder has what it names."""
    covered = [row for row in rows if rule.covers(row.change.subject)]
    if rule.pattern is not None and not covered:
        _check(rule, rule.pattern, rows, match)
    judged = [row for row in covered if row.change.judged]
    violations = _violations(rule, judged, level)
    if violations:
        return Ruling(rule, "fails", tuple(violations))
    gaps = [*_missing_cells(rule, match), *_missing_intervals(rule, judged)]
    if gaps:
        return Ruling(rule, "can't be evaluated", reasons=tuple(gaps))
    if not judged:
        notes = dict.fromkeys(note for row in covered for note in row.change.notes)
        state: State = "not judged" if covered else "can't be evaluated"
        return Ruling(rule, state, reasons=tuple(notes) or ("no such number was measured on both sides",))
    return Ruling(rule, "holds")


def _violations(rule: Rule, judged: Sequence[JudgedChange], level: float) -> list[JudgedChange]:
    """Rows beyond the rule's bound: by their points, or by p values adjusted over the rows that it covers."""
    if rule.bound is None:
        return [row for row in judged if row.verdict == "worse"]
    if rule.point:
        return [row for row in judged if _beyond(row.change, rule.bound)]
    testable = [row for row in judged if row.change.uncertainty is not None]
    adjusted = holm([row.change.p_worse(rule.bound) or 0.0 for row in testable])
    return [
        row
        for row, p in zip(testable, adjusted, strict=True)
        if p <= (1 - level) / 2 and _beyond(row.change, rule.bound)
    ]


def _beyond(change: Change, bound: float) -> bool:
    return change.quantity.sign * (change.difference - bound) < 0


def _missing_intervals(rule: Rule, judged: Sequence[JudgedChange]) -> list[str]:
    """Rows without an interval where the rule needs one; `worse` needs one of every arm's score, over any rungs."""
    if rule.point:
        return []
    without = [row for row in judged if row.change.uncertainty is None]
    if rule.bound is None and len(without) < len(judged):
        told = {replace(row.change.subject, n=None) for row in judged if row.change.uncertainty is not None}
        scores = {replace(row.change.subject, n=None): row for row in without if not row.change.quantity.speed}
        without = [row for subject, row in scores.items() if subject not in told]
    return [f"{row.change.subject.name}: {'; '.join(row.change.notes) or 'no interval'}" for row in without]


def _missing_cells(rule: Rule, match: Match) -> list[str]:
    """Cells that the rule needs and NEW lacks, arm by arm."""
    reasons: dict[str, None] = {}
    for key, n in _pattern_arms(rule.pattern, match):
        why = match.lacking(key, n)
        if why is not None:
            rung = "" if n is None else f" at {n:,} labels"
            reasons[f"{key[1]}{rung} ({key[0]}): {why}"] = None
    return list(reasons)


def _pattern_arms(pattern: Pattern | None, match: Match) -> Iterator[tuple[Key, int | None]]:
    """Arms at places whose cells a pattern's numbers are computed from, each with the rung (None: all rungs)."""
    for key in dict.fromkeys((*match.base.groups, *match.new.groups)):
        if pattern is None:
            yield key, None
            continue
        for n in {item.cell.n for item in match.base.at(*key)} if pattern.n is not None else [None]:
            if pattern.matches(_subject(key, pattern.metric, n)):
                yield key, n
                if pattern.metric == "utility":
                    yield (key[0], match.base.study.baseline), None


def _subject(key: Key, metric: str, n: int | None) -> Subject:
    return Subject(metric, n, key[1], key[0].task or "", key[0].encoder or "")


def _check(rule: Rule, pattern: Pattern, rows: Sequence[JudgedChange], match: Match) -> None:
    """Raise OptionError for a name or a label count that neither side has."""
    keys = list(dict.fromkeys((*match.base.groups, *match.new.groups)))
    names = {*KNOWN, *(row.change.subject.metric for row in rows), *(match.new.metric(place.task) for place, _ in keys)}
    if pattern.metric not in names:
        raise _in(rule, UnknownNameError("quantity", pattern.metric, names))
    subjects = [row.change.subject for row in rows] + [_subject(key, "", None) for key in keys]
    for kind, of in (("arm", pattern.arm), ("task", pattern.task), ("encoder", pattern.encoder)):
        alone = Pattern("", None, **{kind: of})
        names_of_kind = {str(getattr(subject, kind)).partition("(")[0] for subject in subjects}
        if not any(alone.matches(Subject("", None, s.arm, s.task, s.encoder)) for s in subjects):
            raise _in(rule, UnknownNameError(kind, of, names_of_kind))
    rungs = sorted({item.cell.n for side in (match.base, match.new) for item in side.cells})
    if isinstance(pattern.n, int) and pattern.n not in rungs:
        raise OptionError(f"rule {rule.text!r}: found the label count {pattern.n}, expected one of {rungs}")


def _in(rule: Rule, error: LabeleffError) -> OptionError:
    return OptionError(f"rule {rule.text!r}: {error}")
