"""One run of a study: prepared, measured into its folder, closed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from labeleff.catalogue import lookup
from labeleff.errors import InterruptedRunError, TerminatedRunError
from labeleff.execution.changed_study import announce_changes, announce_former
from labeleff.execution.engines.desk import Desk
from labeleff.execution.engines.engine_table import open_engine
from labeleff.execution.environment import check_conditions, environment, plugins_used, timestamp
from labeleff.execution.interrupts import Interrupts
from labeleff.execution.pending import Execution, cost, measured_again, pending_cells
from labeleff.execution.progress import PreparationBars
from labeleff.execution.run_facts import RunFacts, settings_of
from labeleff.execution.selection.recorded import check_recorded
from labeleff.files import check_writable
from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.records.jsonl import Records, RecordWriter, open_records
from labeleff.records.training_log import merge_curves
from labeleff.scheduling.job_seconds import learn_sizes
from labeleff.scheduling.jobs import Job
from labeleff.scheduling.ladder_progress import Ladders
from labeleff.scheduling.queue import TimeLimit, stop
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.shards import Shard, loads
from labeleff.scheduling.speeds import remember_speeds
from labeleff.study.cell import Cell
from labeleff.study.consistency import left_out
from labeleff.study.schema import Study


def _run_entry(execution: Execution) -> RunEntry:
    """Describe the run for its folder: study, conditions, tasks, environment and plug-ins."""
    desk = execution.desk
    used = plugins_used(desk.study)
    return RunEntry(
        run=desk.settings.run,
        started=timestamp(),
        command=desk.settings.options.command,
        study=desk.study.model_dump(mode="json"),
        conditions=desk.facts.conditions,
        tasks=dict(desk.facts.tasks),
        environment=environment(desk.facts.machine, execution.engine(math.inf).processes)
        | ({"plugins": {what: lookup.build(*which) for what, which in used.items()}} if used else {}),
        plugins={what: lookup.find(*which) for what, which in used.items()},
    )


def _share(cells: list[Cell], shard: Shard | None) -> list[Cell]:
    """Select the cells of one shard of the study, and print its share of the work."""
    if shard is None:
        return cells
    parts = loads(cells, shard.count)
    seconds, shard_cells = parts[shard.index - 1]
    whole = sum(part[0] for part in parts)
    share = f", about {seconds / whole:.0%} of the work" if whole else ""
    print(f"shard {shard}: {len(shard_cells)} of {len(cells)} cells{share}", flush=True)
    return shard_cells


@dataclass
class Run:
    """One run with its folder and its engine open: prepare, do what is chosen, close."""

    execution: Execution
    interrupts: Interrupts
    records: Records
    writer: RecordWriter
    bars: PreparationBars
    cells: list[Cell] = field(init=False)
    """Cells that may be measured; for a ladder that is chosen as it goes, every rung."""
    ladders: Ladders | None = field(init=False)
    measured: list[PretrainingRecord | Record] = field(default_factory=list)
    requested: int = 0
    """Number of cells to be measured, as far as they are chosen."""

    def __post_init__(self) -> None:
        self.study, self.desk, self.limit = self.execution.study, self.execution.desk, self.execution.limit
        self.run, self.options = self.desk.settings.run, self.desk.settings.options

    def prepare(self) -> None:
        """Choose all labels, and check everything before the first training step."""
        study = self.study
        self.desk.tell(precision=self.records.precision)
        with self.bars:
            facts = self.desk.facts
        for note in (*left_out(study), *facts.notes):
            print(f"note: {note}", flush=True)
        learn_sizes(facts.sizes)
        check_conditions(self.records.measured_runs, facts.conditions, self.options.folder)
        announce_changes(study, self.records.runs, self.options.folder)
        hashes = {(entry.task, entry.draw, entry.n): entry.indices_sha256 for entry in facts.labels}
        self.cells = _share(list(study.cells(hashes if study.draws_from else None)), self.options.shard)
        announce_former(self.cells, self.records.cells, self.options.folder)
        drawn = {(entry.task, entry.draw, entry.n): entry.indices for entry in facts.labels}
        check_recorded(
            self.cells, self.records.cells, lambda cell: np.array(drawn[cell.task.label, cell.draw, cell.n], np.int64)
        )
        self.ladders = Ladders.of(study, self.cells, lambda label: _metric(study, facts, label)) if study.auto else None
        self.writer.write(*(entry for entry in facts.labels if entry.indices_sha256 not in self.records.labels))

    def choose(self) -> list[Cell]:
        """Choose the cells to be measured next: all that are pending, or those that ladders choose by the records."""
        if self.ladders is None:
            return self._pending(self.cells)
        records = self.records.cells
        return self.ladders.whole(self.ladders.advance(records, self._again), records)

    def do(self) -> None:
        """Measure what is chosen until nothing is left, or time is up.

        Raises InterruptedRunError at Ctrl-C or SIGTERM, after what is finished has been recorded.
        """
        pending = self.choose()
        self.requested = len(pending)
        jobs = self.execution.jobs(self.cells, pending, self.records)
        self._announce(jobs)
        if not jobs:
            return
        try:
            with self.interrupts.within(self.limit.left if self.limit else None):
                while jobs:
                    jobs = self._measure(jobs)
        except KeyboardInterrupt as error:
            if not self.interrupts.out_of_time:
                raise self._interruption() from error
        finally:
            remember_speeds(self.options.cache, self.measured, self.desk.facts.machine.name)

    def close(self) -> list[Record]:
        """Record how much a time limit has left, and return the failed records of the study."""
        self.choose()  # what was measured last may have chosen more
        chosen = self.ladders.chosen if self.ladders else self.cells
        left = len(self._pending(chosen))
        if self.limit is not None and left:
            seconds, measured = self.limit.seconds, bool(self.measured)
            self.writer.write(stop(self.run, timestamp(), seconds, left, len(chosen), measured=measured))
        self.writer.check_place()
        records = [self.records.cells[cell.key] for cell in chosen if cell.key in self.records.cells]
        return [record for record in records if record.status == "failed"]

    def _again(self, record: Record) -> bool:
        return measured_again(record, self.run, retry_failed=self.options.retry_failed)

    def _pending(self, cells: Sequence[Cell]) -> list[Cell]:
        return pending_cells(cells, self.records, self._again)

    def _announce(self, jobs: Sequence[Job]) -> None:
        """Record the run and its estimate, unless no job is left and the folder has this study already."""
        runs = self.records.runs
        if jobs or not runs or runs[-1].study != self.study.model_dump(mode="json"):
            can_estimate = jobs and not self.ladders  # what a ladder will choose isn't known yet
            estimate = self.execution.estimate(jobs) if can_estimate else None
            self.writer.write(_run_entry(self.execution).model_copy(update={"estimate": estimate}))

    def _measure(self, jobs: Sequence[Job]) -> list[Job]:
        """Do these jobs, and return those that follow from their records."""
        before = len(self.measured)
        self.execution.execute(jobs, self._keep)
        pending = self.choose() if len(self.measured) > before else []
        if self.ladders:
            self.requested = max(self.requested, before + len(pending))
        return self.execution.jobs(self.cells, pending, self.records) if pending else []

    def _keep(self, new: Sequence[PretrainingRecord | Record]) -> None:
        """Write records; a signal waits until they are written whole."""
        with self.interrupts.put_off():
            for record in (_merged_record(record, self.records) for record in new):
                self.writer.write(record)
                self.records.add(record)
                self.measured.append(record)

    def _interruption(self) -> InterruptedRunError:
        done = sum(isinstance(record, Record) for record in self.measured)
        kind = TerminatedRunError if self.interrupts.terminated else InterruptedRunError
        return kind(
            f"interrupted; {done} of {self.requested} cells are recorded in {self.options.folder}, "
            "run the same command to go on"
        )


@contextlib.contextmanager
def _open_run(study: Study, options: RunOptions) -> Iterator[Run]:
    """Open a run: its folder is locked, signals are handled and its engine is ready until the block ends."""
    interrupts, seconds = Interrupts(), options.time_limit
    bars = PreparationBars(quiet=options.quiet)
    desk = Desk(study, settings_of(study, options), bars.advance)
    limit = None if seconds is None else TimeLimit(seconds, lambda job: cost(job, study, desk.speeds))
    with (
        interrupts.watch(),
        open_records(options.folder) as (records, writer),
        open_engine(desk) as engine,
    ):
        yield Run(Execution(desk, engine, limit), interrupts, records, writer, bars)


def measure(study: Study, options: RunOptions) -> list[Record]:
    """Measure every pending cell of a study into `options.folder`; returns the study's failed records.

    Raises LabeleffError for everything that is wrong before or around the cells; what goes wrong inside a cell is
    a failed record.
    """
    if study.pretrainings:
        check_writable(options.cache)
    with _open_run(study, options) as run:
        run.prepare()
        run.do()
        return run.close()


def _metric(study: Study, facts: RunFacts, label: str) -> str:
    """Name of the metric that a study's report gives for a task."""
    spec = next(task for task in study.tasks if task.label == label)
    return study.metrics.get(spec.name, str(facts.tasks[label]["metric"]))


def _merged_record(record: PretrainingRecord | Record, records: Records) -> PretrainingRecord | Record:
    """Merge a cached encoder's record into the folder's own: that keeps its timing and gains the curves of probes.

    A new one of other weights says how many of the folder's cells started from those before.
    """
    earlier = records.pretrainings.get(record.key) if isinstance(record, PretrainingRecord) else None
    if earlier is None or not isinstance(record, PretrainingRecord):
        return record
    if record.encoder_sha256 is None or earlier.encoder_sha256 is None:
        return record
    if record.encoder_sha256 != earlier.encoder_sha256:
        begun = [one for one in records.cells.values() if one.cell.pretraining.key == record.key]
        return record.model_copy(update={"former_cells": sum(one.status == "ok" for one in begun)})
    if not record.cached:
        return record.model_copy(update={"former_cells": earlier.former_cells})
    return earlier.model_copy(update={"probes": merge_curves(earlier.probes, record.probes)})
