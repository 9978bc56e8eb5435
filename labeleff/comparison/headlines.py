"""Headline numbers of one folder: scores, utility, speeds, tasks passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labeleff.comparison.change import Student
from labeleff.comparison.history import STUDY, Circumstances, Entry, Value
from labeleff.comparison.matching import Cells, Key
from labeleff.comparison.paired_speeds import rate
from labeleff.comparison.score_changes import mean_of, metrics, runs_of
from labeleff.comparison.utility_changes import label_ratios
from labeleff.records.conditions import conditions_of, machine, named, origin
from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, load, place_of, places_of
from labeleff.reporting.story_results import groups, story_answers
from labeleff.stats.differences import ladder_estimate
from labeleff.stats.resampling import Run, Runs
from labeleff.study.cell import Cell, Pretraining, content_key
from labeleff.study.names import short_names
from labeleff.study.quantities import ALL, Subject

DIGITS = 12
"""Number of hash digits that are shown."""


@dataclass(frozen=True)
class _Folder:
    """Results of a folder, with hashes of its study's settings."""

    results: Results
    plan: dict[Key, dict[int, str]]
    """Hashes of the cells' settings without draw and seed, by arm and label count."""

    def cells(self, key: Key) -> Cells:
        """Finished cells of an arm, by rung; empty where a rung of the study has none."""
        by_rung: dict[int, dict[Run, Record]] = {}
        for record in self.results.at(*key):
            if self.results.value(record) is not None:
                by_rung.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = record
        return by_rung if by_rung.keys() == self.plan[key].keys() else {}


def entry(folder: Path) -> Entry:
    """Read a folder's headline numbers; arms that lack a rung of the study are left out."""
    return entry_of(load(folder), str(folder))


def entry_of(results: Results, name: str) -> Entry:
    """The headline numbers of results that are read already, under the name of their folder."""
    side = _Folder(results, _plan(results))
    values: dict[Subject, Value] = {}
    for key in results.groups:
        values |= dict(_scores(side, key))
    for items in (_utilities(side), _tasks_passed(side), _speeds(side)):
        values |= dict(items)
    missing = results.cell_count - sum(results.value(record) is not None for record in results.cells)
    return Entry(origin(results.run, name), values, results.run.study, missing)


def _plan(results: Results) -> dict[Key, dict[int, str]]:
    plan: dict[Key, dict[int, str]] = {}
    for cell in results.study.cells():
        if cell.draw == cell.seed == 0:
            measured = cell.former if results.former else cell
            settings = measured.model_dump(mode="json", exclude_none=True, exclude={"draw", "seed", "indices_sha256"})
            for place in places_of(results.study, cell):
                plan.setdefault((place, results.study.arm_of(cell)), {})[cell.n] = content_key(settings)
    return plan


def _circumstances(side: _Folder, *keys: Key) -> Circumstances:
    """Conditions of some arms' numbers, and a hash of their settings in the study."""
    conditions: dict[str, str] = {}
    for key in keys:
        records = side.results.at(*key)
        conditions |= _conditions(side.results, records, records[0].cell)
    return (*conditions.items(), (STUDY, content_key([side.plan[key] for key in keys])[:DIGITS]))


def _conditions(
    results: Results, items: Sequence[Record | PretrainingRecord], of: Cell | Pretraining
) -> dict[str, str]:
    texts: dict[str, str] = {}
    for run in _runs(results, items):
        conditions = conditions_of(run.conditions, of.task, of.encoder)
        data = {name: digest[:DIGITS] for name, digest in conditions.data.items()}
        texts |= named(conditions.model_copy(update={"data": data, "plugins": {}}))
    return texts


def _runs(results: Results, items: Sequence[Record | PretrainingRecord]) -> list[RunEntry]:
    run_ids = {item.run for item in items}
    return [run for run in results.runs if run.run in run_ids]


def _subject(metric: str, key: Key) -> Subject:
    place, arm = key
    return Subject(metric, None, arm, place.task or "", place.encoder or "")


def _scores(side: _Folder, key: Key) -> Iterator[tuple[Subject, Value]]:
    cells = side.cells(key)
    for metric in metrics(side.results, key, cells) if cells else []:
        runs = runs_of(cells, metric)
        if runs.keys() == cells.keys():
            low, high = _ends(runs, side.results.study.level)
            yield _subject(metric, key), Value(mean_of(runs), low, high, _circumstances(side, key))


def _ends(runs: Runs, level: float) -> tuple[float | None, float | None]:
    estimate = ladder_estimate(runs)
    if estimate is None:
        return None, None
    return Student(estimate.mean, estimate.variance**0.5, estimate.df).ends(level)


def _utilities(side: _Folder) -> Iterator[tuple[Subject, Value]]:
    """Mean label ratios over the ladder minus 1, with label counts clipped to the ladder."""
    results, study = side.results, side.results.study
    tails = [(1 - study.level) / 2, (1 + study.level) / 2]
    for place in results.places:
        base = (place, study.baseline)
        if base not in results.groups or len(side.cells(base)) < 2:
            continue
        for key in [(place, arm) for arm in results.arms if arm != study.baseline]:
            if key in results.groups and side.cells(key):
                ratios = label_ratios(results.arm_runs(*base), results.arm_runs(*key), "base", key[1], study.curve)
                value, samples = ratios.utility(None)
                low, high = (None, None) if samples is None else np.quantile(samples, tails).tolist()
                yield _subject("utility", key), Value(value, low, high, _circumstances(side, base, key))


def _tasks_passed(side: _Folder) -> Iterator[tuple[Subject, Value]]:
    for group in groups(side.results, story_answers(side.results)):
        keys = [(Place(item.task, item.encoder), item.arm) for item in group.items]
        if len(keys) > 1 and all(side.cells(key) for key in keys):
            value = float(sum(item.passed for item in group.items))
            encoders = " and ".join(group.labels)
            yield (
                Subject("passed", None, group.arm, ALL, encoders),
                Value(value, None, None, _circumstances(side, *keys)),
            )


def _speeds(side: _Folder) -> Iterator[tuple[Subject, Value]]:
    """Medians with quartiles of pretrainings' and cells' rates, and of cells' seconds, by both clocks."""
    results = side.results
    pretrainings: dict[Subject, list[PretrainingRecord]] = {}
    names = short_names(item.pretraining.pretext for item in results.pretrainings)
    for item in results.pretrainings:
        if not item.cached:
            key = (place_of(item.pretraining), names[item.pretraining.pretext.label])
            pretrainings.setdefault(_subject("throughput", key), []).append(item)
    for subject, items in pretrainings.items():
        of = items[0].pretraining
        settings = content_key(of.model_dump(mode="json", exclude={"seed"}))[:DIGITS]
        circumstances = (*_conditions(results, items, of).items(), (STUDY, settings))
        yield from _rates(results, subject, items, circumstances)
    for key in results.groups:
        records = [record for rung in side.cells(key).values() for record in rung.values()]
        if records:
            circumstances = _circumstances(side, key)
            yield from _rates(results, _subject("throughput", key), records, circumstances)
            yield from _speed(results, _subject("time", key), records, [r.seconds for r in records], circumstances)
            seconds = [record.processor_seconds for record in records]
            if _on_processors(results, records) and all(seconds):
                yield from _speed(results, _subject("processor_time", key), records, seconds, circumstances)


def _rates(
    results: Results,
    subject: Subject,
    items: Sequence[Record | PretrainingRecord],
    circumstances: Circumstances,
) -> Iterator[tuple[Subject, Value]]:
    """Throughput by the clock and, on CPUs where every window of every training has it, by processor time."""
    yield from _speed(results, subject, items, [rate(item.training) for item in items], circumstances)
    rates = [rate(item.training, processor=True) for item in items]
    if _on_processors(results, items) and all(rates):
        subject = replace(subject, metric="processor_throughput")
        yield from _speed(results, subject, items, rates, circumstances)


def _on_processors(results: Results, items: Sequence[Record | PretrainingRecord]) -> bool:
    return all(run.conditions.device == "cpu" for run in _runs(results, items))


def _speed(
    results: Results,
    subject: Subject,
    items: Sequence[Record | PretrainingRecord],
    values: list[float | None],
    circumstances: Circumstances,
) -> Iterator[tuple[Subject, Value]]:
    numbers = [value for value in values if value]
    if numbers:
        facts = {
            key: f"unknown in run {run.run}" if value == "unknown" else value  # it may be any other's
            for run in _runs(results, items)
            for key, value in machine(run).items()
        }
        threads = ", ".join(sorted({str(item.training.threads) for item in items if item.training is not None}))
        low, middle, high = np.percentile(numbers, [25, 50, 75]).tolist()
        slots = sorted({item.training.slots for item in items if item.training is not None})
        packs = (("models as one", ", ".join(map(str, slots))),) if slots not in ([], [1]) else ()
        everything = (*circumstances, *facts.items(), ("threads", threads), *packs)
        yield subject, Value(middle, low, high, tuple(dict(everything).items()))
