"""What becomes of a gate's rules: each holds, fails, can't be evaluated, or isn't judged (speed of another machine)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """What became of one rule."""

    rule: Rule
    state: State
    broken: tuple[JudgedChange, ...] = ()
    """Rows that break it."""
    reasons: tuple[str, ...] = ()
    """Why it can't be evaluated, or isn't judged."""


def rule_on(rule: Rule, rows: Sequence[JudgedChange], found: Match, level: float) -> Ruling:
    """Apply one rule. Raises OptionError or UnknownNameError where neither folder has what it names."""
    covered = [row for row in rows if rule.covers(row.change.subject)]
    if rule.pattern is not None and not covered:
        _check(rule, rule.pattern, rows, found)
    judged = [row for row in covered if row.change.judged]
    broken = _broken(rule, judged, level)
    if broken:
        return Ruling(rule, "fails", tuple(broken))
    lacking = [*_lacking(rule, found), *_untold(rule, judged)]
    if lacking:
        return Ruling(rule, "can't be evaluated", reasons=tuple(lacking))
    if not judged:
        notes = dict.fromkeys(note for row in covered for note in row.change.notes)
        state: State = "not judged" if covered else "can't be evaluated"
        return Ruling(rule, state, reasons=tuple(notes) or ("no such number was measured on both sides",))
    return Ruling(rule, "holds")


def _broken(rule: Rule, judged: Sequence[JudgedChange], level: float) -> list[JudgedChange]:
    """Rows beyond the rule's bound: by their points, or by p values adjusted over the rows that it covers."""
    if rule.bound is None:
        return [row for row in judged if row.verdict == "worse"]
    if rule.point:
        return [row for row in judged if _beyond(row.change, rule.bound)]
    told = [row for row in judged if row.change.doubt is not None]
    adjusted = holm([row.change.p_worse(rule.bound) or 0.0 for row in told])
    return [
        row for row, p in zip(told, adjusted, strict=True) if p <= (1 - level) / 2 and _beyond(row.change, rule.bound)
    ]


def _beyond(change: Change, bound: float) -> bool:
    return change.quantity.sign * (change.difference - bound) < 0


def _untold(rule: Rule, judged: Sequence[JudgedChange]) -> list[str]:
    """Rows without an interval where the rule needs one; `worse` needs but one row that has."""
    if rule.point:
        return []
    untold = [row for row in judged if row.change.doubt is None]
    if rule.bound is None and len(untold) < len(judged):
        return []
    return [f"{row.change.subject.name}: {'; '.join(row.change.notes) or 'no interval'}" for row in untold]


def _lacking(rule: Rule, found: Match) -> list[str]:
    """Cells that the rule needs and NEW lacks, arm by arm."""
    reasons: dict[str, None] = {}
    for key, n in _needed(rule.pattern, found):
        why = found.lacking(key, n)
        if why is not None:
            rung = "" if n is None else f" at {n:,} labels"
            reasons[f"{key[1]}{rung} ({key[0]}): {why}"] = None
    return list(reasons)


def _needed(pattern: Pattern | None, found: Match) -> Iterator[tuple[Key, int | None]]:
    """Arms at places, with the rung (None: all rungs), that what a pattern means is made of."""
    for key in dict.fromkeys((*found.base.groups, *found.new.groups)):
        if pattern is None:
            yield key, None
            continue
        for n in {item.cell.n for item in found.base.at(*key)} if pattern.n is not None else [None]:
            if pattern.matches(_subject(key, pattern.metric, n)):
                yield key, n
                if pattern.metric == "utility":
                    yield (key[0], found.base.study.baseline), None


def _subject(key: Key, metric: str, n: int | None) -> Subject:
    return Subject(metric, n, key[1], key[0].task or "", key[0].encoder or "")


def _check(rule: Rule, pattern: Pattern, rows: Sequence[JudgedChange], found: Match) -> None:
    """Complain of a name or a label count that neither side has."""
    keys = list(dict.fromkeys((*found.base.groups, *found.new.groups)))
    names = {*KNOWN, *(row.change.subject.metric for row in rows), *(found.new.metric(place.task) for place, _ in keys)}
    if pattern.metric not in names:
        raise _in(rule, UnknownNameError("quantity", pattern.metric, names))
    subjects = [row.change.subject for row in rows] + [_subject(key, "", None) for key in keys]
    for kind, of in (("arm", pattern.arm), ("task", pattern.task), ("encoder", pattern.encoder)):
        alone = Pattern("", None, **{kind: of})
        known = {str(getattr(subject, kind)).partition("(")[0] for subject in subjects}
        if not any(alone.matches(Subject("", None, s.arm, s.task, s.encoder)) for s in subjects):
            raise _in(rule, UnknownNameError(kind, of, known))
    rungs = sorted({item.cell.n for side in (found.base, found.new) for item in side.cells})
    if isinstance(pattern.n, int) and pattern.n not in rungs:
        raise OptionError(f"rule {rule.text!r}: found the label count {pattern.n}, expected one of {rungs}")


def _in(rule: Rule, error: LabeleffError) -> OptionError:
    return OptionError(f"rule {rule.text!r}: {error}")
