"""Results of a study: its folder's records by arm and rung."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeleff.catalogue import entry_points, lookup
from labeleff.catalogue.metrics import SHARES, Units, metric
from labeleff.records.entries import PretrainingRecord, Record, RunEntry, StopEntry
from labeleff.records.folders import FILE_NAME, no_run
from labeleff.records.jsonl import Records, read_records
from labeleff.reporting.external.direction import units_of
from labeleff.reporting.figures.look import Look
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.scheduling.ladder_progress import Ladders
from labeleff.stats.resampling import Run
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.loading import parse_study
from labeleff.study.names import short_names
from labeleff.study.schema import Study

if TYPE_CHECKING:
    import pandas as pd

ArmRuns = dict[int, dict[Run, float]]


def place_of(item: Cell | Pretraining) -> Place:
    """Place of a cell or a pretraining."""
    return Place(item.named_task.label, item.encoder.label)


@dataclass(frozen=True)
class Results:
    """Study of a folder's newest run, and those records that belong to it."""

    study: Study
    run: RunEntry
    runs: list[RunEntry]
    """Entries of the runs that gave records of the study, in the order they were written, the newest last."""
    groups: dict[tuple[Place, str], list[Record]]
    """Finished and failed cells of the study by place and arm, in the study's order.

    Those of an arm without a pretext belong to the places of all points of pretraining.
    """
    cell_count: int
    """Number of cells in the study."""
    foreign: int
    """Number of records of other studies in the same file."""
    pretrainings: list[PretrainingRecord]
    starts: dict[str, set[Place]]
    """Places whose cells start from a pretraining, by its key."""
    saved: list[PretrainingRecord]
    """Encoders saved before the end of these pretrainings."""
    stop: StopEntry | None
    """Entry of the newest run's end by its time limit; None where it had none or finished in time."""
    former: bool = False
    """Whether an earlier version measured the study's stories, with equal questions held out and trained on."""
    adaptive_ladders: Ladders | None = None
    """Adaptive ladders of a study with an `auto` table; only the cells that they chose are used."""

    def pretrainings_at(self, place: Place) -> list[PretrainingRecord]:
        """Pretrainings that cells of a place start from."""
        return [item for item in self.pretrainings if place in self.starts[item.key]]

    @functools.cached_property
    def encoders(self) -> dict[str, PretrainingRecord]:
        """Pretrainings and encoders saved before their end, by the keys that cells name."""
        return {item.key: item for item in (*self.pretrainings, *self.saved)}

    def summary(self) -> pd.DataFrame:
        """Accuracies with mean, s.d., interval: a row per task, encoder, arm and rung; columns as in `summary.csv`."""
        from labeleff.reporting import csv_tables

        return csv_tables.summary(self.measured).frame()

    def utility(self) -> pd.DataFrame:
        """Utilities with U(n), n1, intervals: a row per task, encoder, arm and rung; columns as in `utility.csv`."""
        from labeleff.reporting import csv_tables, findings

        measured = self.measured
        return csv_tables.utilities(findings.find(measured).comparisons, measured.cost_at).frame()

    @property
    def failed(self) -> list[Record]:
        """Records of the cells that failed, each with its reason."""
        return [record for record in self.cells if record.status == "failed"]

    @property
    def places(self) -> list[Place]:
        """Every task with every encoder, in the study's order."""
        return [Place(t.label, e.label) for t, e in itertools.product(self.study.named_tasks, self.study.encoders)]

    @property
    def ladders(self) -> list[Place]:
        """The places whose accuracy is measured at several label counts, or that nothing else reports on."""
        alone = len(self.study.rungs) == 1
        return [] if alone and all(self.about(place) == "stories" for place in self.places) else self.places

    @staticmethod
    def about(place: Place) -> str:
        """Kind of examples of the place's task: `images` or `stories`."""
        return lookup.find("task", _bare(place.task)).examples

    def title(self, place: Place) -> str:
        """Name of the place, with options only where names alone don't distinguish the study's places."""
        tasks, encoders = short_names(self.study.named_tasks), short_names(self.study.encoders)
        return f"{tasks.get(str(place.task), place.task)}, {encoders[str(place.encoder)]}"

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the study's order."""
        return self.study.arm_names

    def metric(self, task: str | None) -> str:
        """Name of the task's metric to report on, in its records."""
        return self.study.metrics.get(_bare(task), self._headline(task))

    def _headline(self, task: str | None) -> str:
        return str(self.fact(task, "metric") or "accuracy")

    def chance(self, task: str | None) -> float | None:
        """Chance level of the task's metric in its own unit; None where no run entry has it."""
        value = self.fact(task, "chance") if self.metric(task) == self._headline(task) else None
        return float(value) if isinstance(value, int | float) else None

    def fact(self, task: str | None, name: str) -> object:
        """Fact `name` about a task, from the newest run entry that has the task; None where none does."""
        task = self.data_of(task)
        return next((run.tasks[task].get(name) for run in reversed(self.runs) if task in run.tasks), None)

    def data_of(self, task: str | None) -> str | None:
        """Name of a place's task as its data have it, without a condition of its labels."""
        return self._data_names.get(str(task), task)

    @functools.cached_property
    def _data_names(self) -> dict[str, str]:
        study = self.study
        names = itertools.product(study.tasks, study.label_conditions, study.points)
        return {point.named(labels.named(t)).label: t.label for t, labels, point in names}

    @functools.cached_property
    def _noisy_names(self) -> set[str]:
        study = self.study
        noisy = [labels for labels in study.label_conditions if labels.noise is not None]
        names = itertools.product(study.tasks, noisy, study.points)
        return {point.named(labels.named(task)).label for task, labels, point in names}

    def units(self, task: str | None) -> Units:
        """Units of the task's metric, wide enough for all recorded values and for guessing."""
        entry = metric(self.metric(task))
        if entry.share:
            return SHARES
        values = [
            v
            for (place, _), group in self.groups.items()
            if place.task == task
            for record in group
            if (v := self.value(record)) is not None
        ]
        return units_of(entry, values or [entry.best], None, self.chance(task))[0]

    def value(self, record: Record) -> float | None:
        """The cell's value of its task's metric, in its own unit; None where it failed or has none."""
        return record.value(self.metric(record.cell.task.label)) if record.status == "ok" else None

    def at(self, place: Place, arm: str) -> list[Record]:
        """Finished and failed cells of one arm."""
        return self.groups.get((place, arm), [])

    @functools.cached_property
    def cells(self) -> list[Record]:
        """All finished and failed cells of the study, in its order."""
        return list({record.key: record for group in self.groups.values() for record in group}.values())

    def arm_runs(self, place: Place, arm: str) -> ArmRuns:
        """Score in 0..1 by label count and (draw, seed); rungs without a finished cell are left out."""
        runs: ArmRuns = {}
        units = self.units(place.task)
        for record in self.at(place, arm):
            value = self.value(record)
            if value is not None:
                runs.setdefault(record.cell.n, {})[record.cell.draw, record.cell.seed] = units.score(value)
        return runs

    @property
    def run_metrics(self) -> dict[tuple[Place, str, int, Run], Mapping[str, float | None]]:
        """All recorded metrics of every finished run."""
        return {
            (place, arm, record.cell.n, (record.cell.draw, record.cell.seed)): record.metrics
            for (place, arm), records in self.groups.items()
            for record in records
            if record.status == "ok"
        }

    @property
    def measured(self) -> Measurements:
        """The accuracies alone, for all code that needs nothing else."""
        study = self.study
        groups = {(place, arm): self.at(place, arm) for place in self.places for arm in self.arms}
        return Measurements(
            settings={place: self._setting(place) for place in self.places},
            arms=tuple(self.arms),
            baseline=study.baseline,
            runs={key: self.arm_runs(*key) for key in groups},
            level=study.level,
            method=study.curve,
            design=_design(study),
            planned_runs=len(study.runs) if study.auto is None else None,
            failed={
                key: Counter(item.cell.n for item in group if self.value(item) is None) for key, group in groups.items()
            },
            rehearsal=study.smoke,
            targets=tuple(study.targets),
            cost=study.cost,
            headline=study.headline,
            look=Look(names=study.names),
        )

    def _setting(self, place: Place) -> Setting:
        records = [record for arm in self.arms for record in self.at(place, arm)]
        units, chance = self.units(place.task), self.chance(place.task)
        rungs = {record.cell.n for record in records} if self.study.auto else set(self.study.rungs)
        return Setting(
            title=self.title(place),
            rungs=tuple(sorted(rungs)),
            metric=self.metric(place.task),
            chance=None if chance is None else units.score(chance),
            test_count=next((record.test_count for record in records if record.test_count), None),
            unit=self.about(place),
            split="test",
            units=units,
            noisy=place.task in self._noisy_names,
        )


def places_of(study: Study, cell: Cell) -> list[Place]:
    """Places where a cell of the study is reported: those of all points of pretraining where it starts from none."""
    return [Place(task.label, cell.encoder.label) for task in study.reported_tasks(cell)]


def _bare(task: str | None) -> str:
    """A task's name without its options."""
    return str(task).partition("(")[0]


def _design(study: Study) -> str:
    sizes = [(len(study.runs), "run"), (study.draws, "draw"), (study.seeds, "seed")]
    runs, draws, seeds = (f"{size} {what}{'s' if size != 1 else ''}" for size, what in sizes)
    return f"{runs} a rung: {draws} of labels, {seeds}, {study.pairing}"


def _without_list(cell: Cell) -> Cell:
    return Cell.model_validate({**cell.model_dump(), "indices_sha256": None})


def _study_cells(study: Study, records: Records) -> tuple[dict[str, Record], bool]:
    """The study's records by the keys of its cells, in its order, and whether an earlier version measured them.

    Where the labels come from a published list, the list's hashes stand in the records alone, so cells are
    matched without them. Records of an earlier version, whose cells meant something else, count where there are none of
    this one.
    """
    known = records.cells
    if study.draws_from is not None:
        known = {_without_list(record.cell).key: record for record in known.values()}
    cells = list(study.cells())
    changed = [cell for cell in cells if cell.held_out]
    former = bool(changed) and not any(cell.key in known for cell in changed)
    keys = {cell.key: cell.former.key if former else cell.key for cell in cells}
    found = {key: known[own] for key, own in keys.items() if own in known}
    return found, former and any(cell.key in found for cell in changed)


def _ladders(study: Study, run: RunEntry, by_key: Mapping[str, Record]) -> Ladders:
    """Adaptive ladders of a study, advanced as far as its records allow."""

    def metric(task: str) -> str:
        return study.metrics.get(_bare(task), str(run.tasks[task].get("metric") or "accuracy"))

    cells = {cell.key: by_key[cell.key].cell if cell.key in by_key else cell for cell in study.cells()}
    ladders = Ladders.of(study, list(cells.values()), metric)
    ladders.advance({record.key: record for record in by_key.values()})
    return ladders


def load(folder: Path, changes: Mapping[str, Any] | None = None, options_text: str = "") -> Results:
    """Read `folder/records.jsonl` and select the records of its newest study.

    `changes` replace keys of the study that only a report uses; errors name them as `options_text`. Raises
    RecordError where the folder has no run entry, StudyError where the study in it can't be read.
    """
    records = read_records(folder)
    if not records.runs:
        raise no_run(folder)
    newest = records.runs[-1]
    for run in records.runs:
        entry_points.recall(run.plugins)
    source = f"{folder / FILE_NAME}, study of run {newest.run}{f' with {options_text}' if options_text else ''}"
    study = parse_study(_with_changes(newest.study, changes or {}), source)
    by_key, former = _study_cells(study, records)
    all_cells = cells = [*by_key.values()]
    cell_count = sum(1 for _ in study.cells())
    ladders = None if study.auto is None else _ladders(parse_study(newest.study, source), newest, by_key)
    if ladders is not None:
        keys = {cell.key for cell in ladders.chosen}
        cells, cell_count = [item for item in all_cells if item.key in keys], len(keys)
    starts: dict[str, set[Place]] = {}
    for cell in study.pretrained_cells:
        starts.setdefault(cell.pretraining.key, set()).add(place_of(cell))
    encoders = [item for key, item in records.pretrainings.items() if key in starts]
    used = {newest.run, *(item.run for item in cells), *(item.run for item in encoders)}
    groups: dict[tuple[Place, str], list[Record]] = {}
    for item in cells:
        for place in places_of(study, item.cell):
            groups.setdefault((place, study.arm_of(item.cell)), []).append(item)
    return Results(
        study=study,
        run=newest,
        runs=[run for run in records.runs if run.run in used],
        groups=groups,
        cell_count=cell_count,
        foreign=len(records.cells) - len(all_cells),
        pretrainings=sorted((one for one in encoders if one.pretraining.share is None), key=_order),
        saved=sorted((one for one in encoders if one.pretraining.share is not None), key=_order),
        starts=starts,
        stop=records.stops.get(newest.run),
        former=former,
        adaptive_ladders=ladders,
    )


def _with_changes(study: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The study's table with some keys replaced; of inner tables single keys are replaced."""
    table = dict(study)
    for key, value in changes.items():
        inner = table.get(key)
        table[key] = {**inner, **value} if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return table


def _order(item: PretrainingRecord) -> tuple[str, str, int, float, int]:
    what = item.pretraining
    return str(place_of(what)), what.pretext.label, what.images or 0, what.share or 1.0, what.seed
