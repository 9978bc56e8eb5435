"""Report on a comparison: summary, Markdown, CSV, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from labeleff.comparison.amounts import between, difference, limit, p_text, value
from labeleff.comparison.gate_verdicts import Ruling
from labeleff.comparison.judgement import JudgedChange, Verdict
from labeleff.comparison.matching import Absence, Match, Refusal, cells_text, refusal_text, study_changes
from labeleff.comparison.regression import Outcome
from labeleff.comparison.utility_changes import FELL, ROSE
from labeleff.records.conditions import Origin
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.markdown import join_texts, table

SCHEMA = 1
COLUMNS = columns(
    "quantity n arm task encoder base new difference low high relative margin p_value verdict better_when pairs "
    "pairing judged bounded notes"
)
"""`difference`, `low`, `high`, `margin`: NEW - BASE, as shares of BASE where `relative`; `p_value`: one-sided and
adjusted; `judged`: false for speed of another machine; `bounded`: the true difference is at least as large."""


def facts(row: JudgedChange) -> dict[str, Any]:
    """Fields of one number's change, by the names of `COLUMNS`."""
    change, subject = row.change, row.change.subject
    return {
        "quantity": subject.metric,
        "n": subject.n,
        "arm": subject.arm,
        "task": subject.task,
        "encoder": subject.encoder,
        "base": change.base,
        "new": change.new,
        "difference": change.difference,
        "low": row.low,
        "high": row.high,
        "relative": change.quantity.relative,
        "margin": row.margin,
        "p_value": row.p_value,
        "verdict": row.verdict,
        "better_when": "higher" if change.quantity.higher else "lower",
        "pairs": change.pairs,
        "pairing": change.pairing,
        "judged": change.judged,
        "bounded": change.bounded,
        "notes": "; ".join(change.notes),
    }


def as_csv(outcome: Outcome) -> bytes:
    """CSV of one row per number, in the order of the report."""
    return to_csv(frame([facts(row) for row in outcome.rows], COLUMNS))


def as_json(outcome: Outcome, base: Origin, new: Origin) -> bytes:
    """JSON of the whole comparison; missing values are null."""
    match = outcome.match
    document = {
        "schema_version": SCHEMA,
        "overall": outcome.overall,
        "status": outcome.status,
        "level": outcome.level,
        "base": base.facts,
        "new": new.facts,
        "rules": [_ruling(item) for item in outcome.rulings],
        "rows": [facts(row) for row in outcome.rows],
        "refused": [_refusal(item) for item in match.refusals],
        "absent": [_absence(item) for item in match.absences],
        "study_changes": study_changes(match.base, match.new),
    }
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _ruling(item: Ruling) -> dict[str, Any]:
    names = [row.change.subject.name for row in item.violations]
    return {"rule": item.rule.text, "state": item.state, "broken_by": names, "reasons": list(item.reasons)}


def _refusal(item: Refusal) -> dict[str, Any]:
    what, old, new = item.unlike
    return {"place": str(item.key[0]), "arm": item.key[1], "cells": item.cells, "what": what, "base": old, "new": new}


def _absence(item: Absence) -> dict[str, Any]:
    place, arm = item.key
    return {"place": str(place), "arm": arm, "n": item.n, "kind": item.kind, "cells": item.cells, "reason": item.reason}


VERDICTS: tuple[Verdict, ...] = ("worse", "better", "same", "can't tell")
SHOWN = 12
"""Largest number of rows per verdict that the summary lists."""


def headline(outcome: Outcome) -> str:
    """The overall verdict in one line."""
    counts = Counter(row.verdict for row in outcome.rows)
    words = ", ".join(f"{counts[verdict]} {_verdict_text(verdict)}" for verdict in VERDICTS if counts[verdict])
    return f"{outcome.overall}: of {len(outcome.rows)} numbers {words}" if words else f"{outcome.overall}: no number"


def _verdict_text(verdict: Verdict) -> str:
    return "can't be told" if verdict == "can't tell" else verdict


def summary(outcome: Outcome, base: Origin, new: Origin) -> str:
    """Summary for a terminal: sides, verdict, worse and better numbers, rules, and what could not be compared."""
    match = outcome.match
    lines = [
        f"BASE {base.name}: commit {base.short}, {base.date}, {base.machine}",
        f"NEW  {new.name}: commit {new.short}, {new.date}, {new.machine}",
        headline(outcome),
    ]
    for verdict in ("worse", "better"):
        rows = [row for row in outcome.rows if row.verdict == verdict]
        lines += [f"  {verdict}: {_line(row, _several(outcome))}" for row in rows[:SHOWN]]
        lines += [f"  {verdict}: and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    lines += [f"rule {item.rule.text!r} {_state(item)}" for item in outcome.rulings]
    lines += [f"not compared: {text}" for text in absent(match)]
    lines += [f"not judged: {text}" for text in (*_unjudged(outcome), *_cached(match))]
    changed = [*study_changes(match.base, match.new), *_other_gate(match)]
    lines += [f"the studies differ: {'; '.join(changed)}"] if changed else []
    lines += [f"rehearsal: the numbers of study {match.new.study.name} mean nothing"] if match.new.study.smoke else []
    return "\n".join(lines)


def _several(outcome: Outcome) -> bool:
    """Whether rows must name their place."""
    return len({row.change.subject.place for row in outcome.rows}) > 1


def _line(row: JudgedChange, several: bool) -> str:
    change = row.change
    what, place = change.quantity, f" ({change.subject.place})" if several else ""
    sides = f"{value(what, change.base)} -> {value(what, change.new)}"
    amount = f"{difference(what, change.difference)} {between(what, row.low, row.high)}"
    moved = "".join(f" ({note})" for note in change.notes if note.startswith((FELL, ROSE)))
    return f"{change.subject.name}{place} {sides}, {amount}, p {p_text(row.p_value)}{moved}"


def _state(item: Ruling) -> str:
    if item.state == "fails":
        return f"fails: {join_texts(row.change.subject.name for row in item.violations)}"
    return f"{item.state}{': ' if item.reasons else ''}{join_texts(item.reasons)}"


def absent(match: Match) -> list[str]:
    """Sentences on what could not be compared, arm by arm; rungs with the same reason together."""
    texts = [
        f"{_where(item.key)}: {cells_text(item.cells)} refused: {refusal_text(item.unlike)}" for item in match.refusals
    ]
    groups: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for item in match.absences:
        reason = f", {item.reason}" if item.reason else ""
        words = {"missing": "missing in NEW", "new": "new, not in BASE", "failed": "failed in NEW"}[item.kind]
        groups.setdefault((_where(item.key), words, reason), []).append((item.n, item.cells))
    for (where, words, reason), rungs in groups.items():
        at = ", ".join(f"{n:,}" for n, _ in rungs)
        texts.append(f"{where} at {at} labels: {cells_text(sum(cells for _, cells in rungs))} {words}{reason}")
    return texts


def _where(key: tuple[object, str]) -> str:
    return f"{key[1]} ({key[0]})"


def _unjudged(outcome: Outcome) -> list[str]:
    """Reasons why speeds aren't judged, each with their number."""
    notes = Counter(row.change.notes[0] for row in outcome.rows if not row.change.judged)
    return [f"{count} speeds: {note.removeprefix('not judged: ')}" for note, count in notes.items()]


def _cached(match: Match) -> list[str]:
    """Sentence on encoders that NEW took from the cache, as they may be the same as those of BASE."""
    count = sum(item.cached for item in match.new.pretrainings)
    encoders = f"{count} pretrained encoder{'s' if count != 1 else ''}"
    return [f"{encoders} of NEW came from the cache: what changed in pretraining doesn't show"] if count else []


def _other_gate(match: Match) -> list[str]:
    return [] if match.base.study.gate == match.new.study.gate else ["gate (NEW's counts)"]


def document(outcome: Outcome, base: Origin, new: Origin) -> str:
    """Report in Markdown."""
    return "\n\n".join(_paragraphs(outcome, base, new)) + "\n"


def _paragraphs(outcome: Outcome, base: Origin, new: Origin) -> Iterator[str]:
    match = outcome.match
    yield f"# {match.new.study.title or match.new.study.name}: NEW against BASE"
    yield f"**{headline(outcome)}.**"
    rows = [[side, item.name, item.short, item.date, item.machine] for side, item in (("BASE", base), ("NEW", new))]
    yield table(["", "folder", "commit", "started", "machine"], rows, left=5)
    yield "## Rules"
    yield table(["rule", "result"], [[f"`{item.rule.text}`", _state(item)] for item in outcome.rulings], left=2)
    changed = [*study_changes(match.base, match.new), *_other_gate(match)]
    gaps = [*absent(match), *_unjudged(outcome), *_cached(match)]
    if changed:
        yield "## What differs between the studies"
        yield "\n".join(f"- `{text}`" for text in changed)
    if gaps:
        yield "## What could not be compared"
        yield "\n".join(f"- {text}" for text in gaps)
    for place in dict.fromkeys(row.change.subject.place for row in outcome.rows):
        rows_at_place = [row for row in outcome.rows if row.change.subject.place == place]
        yield f"## {place}"
        yield from _tables(rows_at_place, outcome.level)
    yield "## How to read it"
    yield "\n".join(f"- {text}" for text in _explanation(outcome))


def _tables(rows: Sequence[JudgedChange], level: float) -> Iterator[str]:
    ladder = [row for row in rows if row.change.subject.n is None]
    rungs = [row for row in rows if row.change.subject.n is not None]
    for heading, part in (("Over the ladder, and speeds", ladder), ("At every rung", rungs)):
        if part:
            yield f"### {heading}"
            header = ["number", "BASE", "NEW", f"NEW - BASE [{100 * level:g} %]", "margin", "p", "verdict", "notes"]
            yield table(header, [_cells(row) for row in part])


def _cells(row: JudgedChange) -> list[str]:
    change, what = row.change, row.change.quantity
    amount = f"{difference(what, change.difference)} {between(what, row.low, row.high)}".strip()
    verdict = f"**{row.verdict}**" if row.verdict in ("worse", "better") else row.verdict
    values = [value(what, number) for number in (change.base, change.new)]
    notes = "; ".join(change.notes)
    return [f"`{change.subject.name}`", *values, amount, limit(what, row.margin), p_text(row.p_value), verdict, notes]


def _explanation(outcome: Outcome) -> Iterator[str]:
    tail = (1 - outcome.level) / 2
    yield (
        "Shares are in percent and their differences in points, other scores in their own units; utility is "
        "U = n1/n - 1, without a rung the mean label ratio over the ladder minus 1; throughput (medians, images or "
        "stories a second), time (seconds a cell) and memory (MiB at the peak of a cell) are compared as ratios, with "
        "differences in percent of BASE."
    )
    yield (
        f"**same**: the {100 * outcome.level:g} % interval lies within the margin. **worse**, **better**: a one-sided "
        f"test at {100 * tail:g} %, adjusted by Holm's procedure over all scores of the ladder, all at rungs, and all "
        "speeds, each at its share of that: without any change, at most one comparison of "
        f"{1 / tail:.0f} has a number told worse. **can't tell**: everything else; more draws would tell."
    )
    yield (
        "Scores are paired by draw and seed where both sides have them. Speeds are compared cell by cell; their "
        "intervals carry the noise from one start of the same code to the next, which `labeleff noise` measures."
    )
    if any("by processor time" in note for row in outcome.rows for note in row.change.notes):
        yield (
            "Speeds are by processor time, which both sides have: where a machine was busy with other processes, runs "
            "take longer by the clock on the wall (in the notes), and use little more of the processor's time, for "
            "which a crowded machine's intervals are wider. What code waits for (disks, locks) doesn't show in it."
        )
