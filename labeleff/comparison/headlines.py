"""The headline numbers of one folder: every arm over its ladder, its utility, speeds, and tasks passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeleff.comparison.change import Student
from labeleff.comparison.history import STUDY, Circumstances, Entry, Value
from labeleff.comparison.matching import Cells, Key
from labeleff.comparison.paired_speeds import rate
from labeleff.comparison.score_changes import mean_of, metrics, runs_of
from labeleff.comparison.utility_changes import worth
from labeleff.records.conditions import conditions_of, machine, origin
from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, load, place_of
from labeleff.reporting.story_results import of_stories
from labeleff.stats.differences import ladder_estimate
from labeleff.stats.resampling import Run, Runs
from labeleff.study.cell import Cell, Pretraining, content_key
from labeleff.study.quantities import ALL, Subject

DIGITS = 12
"""Of a hash that is shown."""


@dataclass(frozen=True)
class _Folder:
    """A folder's results with what its study fixes."""

    results: Results
    plan: dict[Key, dict[int, str]]
    """By arm and label count, a hash of what the study fixes of the cells, whatever their draw and seed."""

    def cells(self, key: Key) -> Cells:
        """Finished cells of an arm, by rung; empty where a rung of the study has none."""
        found: dict[int, dict[Run, Record]] = {}
        for record in self.results.at(*key):
            if self.results.value(record) is not None:
                found.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = record
        return found if found.keys() == self.plan[key].keys() else {}


def entry(folder: Path) -> Entry:
    """A folder's headline numbers; what isn't measured at every rung that the study asks for is left out."""
    results = load(folder)
    here = _Folder(results, _plan(results))
    values: dict[Subject, Value] = {}
    for key in results.groups:
        values |= dict(_scores(here, key))
    for found in (_utilities(here), _passed(here), _speeds(here)):
        values |= dict(found)
    return Entry(origin(results.run, str(folder)), values, results.run.study)


def _plan(results: Results) -> dict[Key, dict[int, str]]:
    found: dict[Key, dict[int, str]] = {}
    for cell in results.study.cells():
        if cell.draw == cell.seed == 0:
            fixed = cell.model_dump(mode="json", exclude_none=True, exclude={"draw", "seed", "indices_sha256"})
            found.setdefault((Place(cell.task.label, cell.encoder.label), cell.arm), {})[cell.n] = content_key(fixed)
    return found


def _circumstances(here: _Folder, *keys: Key) -> Circumstances:
    """Conditions of some arms' numbers, and what the study fixes of them."""
    found: dict[str, str] = {}
    for key in keys:
        records = here.results.at(*key)
        found |= _conditions(here.results, records, records[0].cell)
    return (*found.items(), (STUDY, content_key([here.plan[key] for key in keys])[:DIGITS]))


def _conditions(
    results: Results, items: Sequence[Record | PretrainingRecord], of: Cell | Pretraining
) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in _runs(results, items):
        own = conditions_of(run.conditions, of.task, of.encoder)
        found |= {"device": own.device, "torch": own.torch}
        found |= {f"precision of {name}": kind for name, kind in own.precision.items()}
        found |= {f"data of {name}": digest[:DIGITS] for name, digest in own.data.items()}
    return found


def _runs(results: Results, items: Sequence[Record | PretrainingRecord]) -> list[RunEntry]:
    used = {item.run for item in items}
    return [run for run in results.runs if run.run in used]


def _subject(metric: str, key: Key) -> Subject:
    place, arm = key
    return Subject(metric, None, arm, place.task or "", place.encoder or "")


def _scores(here: _Folder, key: Key) -> Iterator[tuple[Subject, Value]]:
    cells = here.cells(key)
    for metric in metrics(here.results, key, cells) if cells else []:
        runs = runs_of(cells, metric)
        if runs.keys() == cells.keys():
            low, high = _ends(runs, here.results.study.level)
            yield _subject(metric, key), Value(mean_of(runs), low, high, _circumstances(here, key))


def _ends(runs: Runs, level: float) -> tuple[float | None, float | None]:
    found = ladder_estimate(runs)
    return (None, None) if found is None else Student(found.mean, found.variance**0.5, found.df).ends(level)


def _utilities(here: _Folder) -> Iterator[tuple[Subject, Value]]:
    """Mean label ratio over the ladder minus 1, label counts brought into the ladder."""
    results, study = here.results, here.results.study
    tails = [(1 - study.level) / 2, (1 + study.level) / 2]
    for place in results.places:
        base = (place, study.baseline)
        if base not in results.groups or len(here.cells(base)) < 2:
            continue
        for key in [(place, arm) for arm in results.arms if arm != study.baseline]:
            if key in results.groups and here.cells(key):
                found = worth(results.arm_runs(*base), results.arm_runs(*key), "base", key[1], study.curve)
                value, samples = found.utility(None)
                low, high = (None, None) if samples is None else np.quantile(samples, tails).tolist()
                yield _subject("utility", key), Value(value, low, high, _circumstances(here, base, key))


def _passed(here: _Folder) -> Iterator[tuple[Subject, Value]]:
    groups: dict[tuple[str, str], list[tuple[Key, bool]]] = {}
    for item in of_stories(here.results):
        key = (Place(item.task, item.encoder), item.arm)
        groups.setdefault((item.encoder, item.arm), []).append((key, item.passed))
    for (encoder, arm), answers in groups.items():
        if len(answers) > 1 and all(here.cells(key) for key, _ in answers):
            value = float(sum(passed for _, passed in answers))
            circumstances = _circumstances(here, *(key for key, _ in answers))
            yield Subject("passed", None, arm, ALL, encoder), Value(value, None, None, circumstances)


def _speeds(here: _Folder) -> Iterator[tuple[Subject, Value]]:
    """Medians with quartiles: of pretrainings' and cells' rates, and of cells' seconds."""
    results = here.results
    timed: dict[Subject, list[PretrainingRecord]] = {}
    for item in results.pretrainings:
        if not item.cached:
            key = (place_of(item.pretraining), item.pretraining.pretext.name)
            timed.setdefault(_subject("throughput", key), []).append(item)
    for subject, items in timed.items():
        of = items[0].pretraining
        fixed = content_key(of.model_dump(mode="json", exclude={"seed"}))[:DIGITS]
        own = (*_conditions(results, items, of).items(), (STUDY, fixed))
        yield from _speed(results, subject, items, [rate(item.training) for item in items], own)
    for key in results.groups:
        records = [record for rung in here.cells(key).values() for record in rung.values()]
        if records:
            own, rates = _circumstances(here, key), [rate(record.training) for record in records]
            yield from _speed(results, _subject("throughput", key), records, rates, own)
            yield from _speed(results, _subject("time", key), records, [r.seconds for r in records], own)


def _speed(
    results: Results,
    subject: Subject,
    items: Sequence[Record | PretrainingRecord],
    values: list[float | None],
    circumstances: Circumstances,
) -> Iterator[tuple[Subject, Value]]:
    found = [value for value in values if value]
    if found:
        facts = {key: value for run in _runs(results, items) for key, value in machine(run).items()}
        threads = ", ".join(sorted({str(item.training.threads) for item in items if item.training is not None}))
        low, middle, high = np.percentile(found, [25, 50, 75]).tolist()
        slots = sorted({item.training.slots for item in items if item.training is not None})
        packs = (("models as one", ", ".join(map(str, slots))),) if slots not in ([], [1]) else ()
        own = (*circumstances, *facts.items(), ("threads", threads), *packs)
        yield subject, Value(middle, low, high, tuple(dict(own).items()))
