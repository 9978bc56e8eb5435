"""Changes in the number of tasks of stories passed: task by task, by the runs that validation chose."""

from __future__ import annotations

from labeleff.reporting.answers import Answers, of_stories
from labeleff.reporting.measured import Place
from labeleff.reporting.results import Results
from labeleff.tracking.change import Change, Flips
from labeleff.tracking.matching import Match
from labeleff.tracking.quantities import ALL, Subject, quantity

PASSED = quantity("passed")
Where = tuple[str, int]
"""Task and label count."""


def passed_changes(found: Match) -> list[Change]:
    """One row an encoder and arm that answered two tasks or more on both sides."""
    old, new = _answers(found, found.base), _answers(found, found.new)
    rows = []
    for encoder, arm in [group for group in new if group in old]:
        before, after = old[encoder, arm], new[encoder, arm]
        shared = [where for where in after if where in before]
        if len(shared) > 1:
            subject = Subject("passed", None, arm, ALL, encoder)
            rows.append(_change(subject, [(before[where].passed, after[where].passed) for where in shared]))
    return rows


def _answers(found: Match, results: Results) -> dict[tuple[str, str], dict[Where, Answers]]:
    """By encoder and arm, what both sides may be compared in."""
    groups: dict[tuple[str, str], dict[Where, Answers]] = {}
    for item in of_stories(results):
        if (Place(item.task, item.encoder), item.arm) in found.pairs and item.accuracy is not None:
            groups.setdefault((item.encoder, item.arm), {})[item.task, item.n] = item
    return groups


def _change(subject: Subject, passed: list[tuple[bool, bool]]) -> Change:
    base, new = (sum(side) for side in zip(*passed, strict=True))
    lost = sum(before and not after for before, after in passed)
    gained = sum(after and not before for before, after in passed)
    notes = (f"{lost} lost, {gained} gained, of {len(passed)} tasks",)
    return Change(subject, PASSED, base, new, new - base, Flips(lost, gained), len(passed), "task", notes)
