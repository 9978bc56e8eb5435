"""Changes of accuracies and other metrics, paired by (draw, seed)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from labeleff.comparison.change import Change, Exact, Flips, Student, Uncertainty
from labeleff.comparison.matching import Cells, Key, Match, Pair
from labeleff.records.entries import Record
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results
from labeleff.reporting.story_results import Answers, story_answers
from labeleff.stats import differences
from labeleff.stats.differences import Difference
from labeleff.stats.resampling import Runs
from labeleff.study.quantities import ALL, Quantity, Subject, quantity

PASSED = quantity("passed")
Where = tuple[str, int]
"""Task and label count."""


def passed_changes(match: Match) -> list[Change]:
    """Changes of the number of tasks passed: one row per encoder and arm with two tasks or more on both sides."""
    old, new = _answers(match, match.base), _answers(match, match.new)
    rows = []
    for encoder, arm in [group for group in new if group in old]:
        before, after = old[encoder, arm], new[encoder, arm]
        shared = [where for where in after if where in before]
        if len(shared) > 1:
            subject = Subject("passed", None, arm, ALL, encoder)
            rows.append(_passed_change(subject, [(before[where].passed, after[where].passed) for where in shared]))
    return rows


def _answers(match: Match, results: Results) -> dict[tuple[str, str], dict[Where, Answers]]:
    """Comparable answers of one side, by encoder and arm."""
    groups: dict[tuple[str, str], dict[Where, Answers]] = {}
    for item in story_answers(results):
        if (Place(item.task, item.encoder), item.arm) in match.pairs and item.accuracy is not None:
            groups.setdefault((item.encoder, item.arm), {})[item.task, item.n] = item
    return groups


def _passed_change(subject: Subject, passed: list[tuple[bool, bool]]) -> Change:
    base, new = (sum(side) for side in zip(*passed, strict=True))
    lost = sum(before and not after for before, after in passed)
    gained = sum(after and not before for before, after in passed)
    notes = (f"{lost} lost, {gained} gained, of {len(passed)} tasks",)
    return Change(subject, PASSED, base, new, new - base, Flips(lost, gained), len(passed), "task", notes)


PRIOR_DF = 2.0
"""Degrees of freedom that the arms' common variance over the ladder counts for in each arm's variance: few, since arms
with pretrained encoders vary more (with 4, small p values came 1.5 times too often on simulated studies of 3 draws)."""
APART = 1_000_000
"""Offset added to the numbers of draws that aren't shared."""
STORIES = "error"
"""Name of the quantity that stands for accuracy in tasks of stories."""


def metrics(results: Results, key: Key, cells: Cells) -> list[str]:
    """Names of metrics of an arm's cells: the task's metric first, for stories `error` in its place."""
    place, _ = key
    primary = results.metric(place.task)
    names = dict.fromkeys(
        name for rung in cells.values() for record in rung.values() for name in sorted(record.metrics)
    )
    stories = results.about(place) == "stories" and primary == "accuracy"
    others = [name for name in names if name != primary and not (stories and name == STORIES)]
    return [STORIES if stories else primary, *others]


def value_of(record: Record, metric: str) -> float | None:
    """Value of one metric in a finished cell; the error of a task of stories is 1 - accuracy."""
    if metric == STORIES and metric not in record.metrics:
        accuracy = record.metrics.get("accuracy")
        return None if accuracy is None else 1 - accuracy
    return record.value(metric)


def runs_of(cells: Cells, metric: str) -> Runs:
    """Values by label count and (draw, seed); rungs without any are left out."""
    by_rung = {
        n: {run: value for run, record in rung.items() if (value := value_of(record, metric)) is not None}
        for n, rung in cells.items()
    }
    return {n: rung for n, rung in by_rung.items() if rung}


def match_runs(pair: Pair, metric: str) -> tuple[Runs, Runs]:
    """Values (BASE, NEW) at shared rungs: only shared runs where these are two or more or the only ones, else all."""
    base, new = runs_of(pair.base, metric), runs_of(pair.new, metric)
    if not pair.same_labels:
        new = {n: {(draw + APART, seed): value for (draw, seed), value in rung.items()} for n, rung in new.items()}
    old, fresh = {}, {}
    for n in [n for n in sorted(new) if n in base]:
        shared = [run for run in sorted(new[n]) if run in base[n]]
        only_shared = len(shared) > 1 or len(shared) == len(base[n]) == len(new[n])
        old[n] = {run: base[n][run] for run in shared} if only_shared else base[n]
        fresh[n] = {run: new[n][run] for run in shared} if only_shared else new[n]
    return old, fresh


def mean_of(runs: Runs) -> float:
    """Mean of the rungs' means."""
    return math.fsum(math.fsum(rung.values()) / len(rung) for rung in runs.values()) / len(runs)


def score_changes(match: Match, level: float) -> list[Change]:
    """Changes of every arm's metrics; variances over the ladder are moderated over the arms."""
    rows = [
        change
        for key, pair in match.pairs.items()
        for metric in metrics(match.new, key, pair.new)
        for change in _changes(key, pair, metric, level)
    ]
    return _moderate_ladders(rows)


def _changes(key: Key, pair: Pair, metric: str, level: float) -> Iterator[Change]:
    base, new = match_runs(pair, metric)
    what = quantity(metric)
    if what.relative:
        base, new = _logs(base), _logs(new)
        shared = [n for n in base if n in new]
        base, new = ({n: runs[n] for n in shared} for runs in (base, new))
    if not base:
        return
    result = differences.compare(base, new, level=level)
    ladder = result.ladder if len(result.rungs) > 1 else None
    for row in (*result.rungs, *([] if ladder is None else [ladder])):
        sides = [{n: runs[n] for n in row.ns} for runs in (base, new)]
        subject = _subject(key, metric, None if row is ladder else row.ns[0])
        yield _change(subject, what, sides[0], sides[1], row, same_labels=pair.same_labels)


def _subject(key: Key, metric: str, n: int | None) -> Subject:
    place, arm = key
    return Subject(metric, n, arm, place.task or "", place.encoder or "")


def _logs(runs: Runs) -> Runs:
    """Natural logarithms; rungs with a value that has none are left out."""
    return {
        n: {run: math.log(value) for run, value in rung.items()}
        for n, rung in runs.items()
        if all(value > 0 for value in rung.values())
    }


def _change(subject: Subject, what: Quantity, base: Runs, new: Runs, row: Difference, *, same_labels: bool) -> Change:
    old, fresh = mean_of(base), mean_of(new)
    uncertainty: Uncertainty | None = None
    notes = [] if row.reason is None else [row.reason]
    if same_labels and all(dict(base[n]) == dict(new[n]) for n in base):
        uncertainty, notes = Exact(), ["the same to the last digit"]
    elif row.standard_error is not None and row.df is not None:
        uncertainty = Student(row.mean, row.standard_error, row.df)
    if not same_labels:
        notes.append("draws of the same number have other labels in NEW")
    return Change(
        subject=subject,
        quantity=what,
        base=math.exp(old) if what.relative else old,
        new=math.exp(fresh) if what.relative else fresh,
        difference=math.expm1(row.mean) if what.relative else row.mean,
        uncertainty=uncertainty,
        pairs=row.pairs,
        pairing=row.pairing,
        notes=tuple(notes),
    )


def _moderate_ladders(rows: Sequence[Change]) -> list[Change]:
    """Moderate the variances over the ladder over the arms (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3, article 3).

    Three draws estimate an arm's variance with two degrees of freedom; all arms of one quantity together have more. A
    variance is never lowered: where arms truly differ, the noisy ones would give false alarms.
    """
    groups: dict[str, list[Student]] = {}
    for row in rows:
        if row.subject.n is None and isinstance(row.uncertainty, Student):
            groups.setdefault(row.quantity.name, []).append(row.uncertainty)
    return [_moderate(row, groups) for row in rows]


def _moderate(row: Change, groups: Mapping[str, Sequence[Student]]) -> Change:
    arm = row.uncertainty
    if row.subject.n is not None or not isinstance(arm, Student):
        return row
    group = groups[row.quantity.name]
    total = math.fsum(each.df for each in group)
    common = math.fsum(each.df * each.error**2 for each in group) / total
    variance = max((PRIOR_DF * common + arm.df * arm.error**2) / (PRIOR_DF + arm.df), arm.error**2)
    return replace(row, uncertainty=Student(arm.mean, math.sqrt(variance), min(arm.df + PRIOR_DF, total)))
