"""A comparison for programs: one row a number as CSV, and everything as JSON."""

from __future__ import annotations

import json
from typing import Any

from labeleff.origin import Origin
from labeleff.reporting.tables import columns, frame, to_csv
from labeleff.tracking.matching import Absence, Refusal, study_changes
from labeleff.tracking.regression import Outcome
from labeleff.tracking.rulings import Ruling
from labeleff.tracking.verdicts import JudgedChange

SCHEMA = 1
COLUMNS = columns(
    "quantity n arm task encoder base new difference low high relative margin p_value verdict better_when pairs "
    "pairing judged bounded notes"
)
"""`difference`, `low`, `high`, `margin`: of NEW - BASE, where `relative` as shares of BASE; `p_value`: one-sided and
adjusted; `judged`: false for speed of another machine; `bounded`: the true difference is at least as large."""


def facts(row: JudgedChange) -> dict[str, Any]:
    """One number's change by the names of `COLUMNS`."""
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
    """One row a number, in the order of the report."""
    return to_csv(frame([facts(row) for row in outcome.rows], COLUMNS))


def as_json(outcome: Outcome, base: Origin, new: Origin) -> bytes:
    """The whole comparison; a missing value is null."""
    found = outcome.match
    document = {
        "schema_version": SCHEMA,
        "overall": outcome.overall,
        "status": outcome.status,
        "level": outcome.level,
        "base": base.facts,
        "new": new.facts,
        "rules": [_ruling(item) for item in outcome.rulings],
        "rows": [facts(row) for row in outcome.rows],
        "refused": [_refusal(item) for item in found.refusals],
        "absent": [_absence(item) for item in found.absences],
        "study_changes": study_changes(found.base, found.new),
    }
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _ruling(item: Ruling) -> dict[str, Any]:
    broken = [row.change.subject.name for row in item.broken]
    return {"rule": item.rule.text, "state": item.state, "broken_by": broken, "reasons": list(item.reasons)}


def _refusal(item: Refusal) -> dict[str, Any]:
    what, old, new = item.unlike
    return {"place": str(item.key[0]), "arm": item.key[1], "cells": item.cells, "what": what, "base": old, "new": new}


def _absence(item: Absence) -> dict[str, Any]:
    place, arm = item.key
    return {"place": str(place), "arm": arm, "n": item.n, "kind": item.kind, "cells": item.cells, "reason": item.reason}
