"""One run of a study: prepared, measured into its folder, closed."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import InterruptedRunError, TerminatedRunError
from labeleff.execution import draws
from labeleff.execution.changed_study import announce_changes
from labeleff.execution.draws import LabelRule, choose_labels
from labeleff.execution.engines.engine_table import open_engine
from labeleff.execution.environment import check_conditions, conditions, environment, plugins_used
from labeleff.execution.image_checks import image_facts
from labeleff.execution.interrupts import Interrupts
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.pending import Execution, cost, measured_again, pending_cells
from labeleff.execution.preflight import check_installed, check_ready
from labeleff.execution.progress import PreparationBars
from labeleff.execution.workplace import Settings, timestamp
from labeleff.files import check_writable
from labeleff.records.entries import LabelsEntry, PretrainingRecord, Record, RunEntry
from labeleff.records.jsonl import Records, RecordWriter, open_records
from labeleff.records.training_log import merge_curves
from labeleff.scheduling.job_seconds import learn_sizes
from labeleff.scheduling.jobs import Job
from labeleff.scheduling.ladder_progress import Ladders
from labeleff.scheduling.queue import TimeLimit, stop
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.shards import Shard, loads
from labeleff.scheduling.speeds import read_speeds, remember_speeds
from labeleff.study.cell import Cell
from labeleff.study.schema import Study
from labeleff.training.device import device_name, give_back, pick_device
from labeleff.training.examples import Source, Task, load_task


def _all_labels(study: Study, runner: JobRunner) -> list[LabelsEntry]:
    """Choose and check the labels of every task, draw and rung, before the first training step."""
    entries = []
    for block in study.blocks:
        for spec, draw, n in itertools.product(block.tasks, range(block.draws), block.rungs):
            task = runner.load(spec).task
            learn_sizes(spec, len(task.train), len(task.test))
            chosen = choose_labels(task, spec, runner.settings.labels, draw, n)
            entries.append(
                LabelsEntry(
                    task=spec.label,
                    draw=draw,
                    n=n,
                    subset=study.subset,
                    indices_sha256=chosen.sha256,
                    indices=chosen.indices.tolist(),
                )
            )
    return entries


def _class_counts(task: Task) -> dict[str, dict[str, list[int]]]:
    """Count the training and the test examples of each class, where cells record their hits by class."""
    sides = {"train": task.train, "test": task.test}
    counts = {side: task.goal.class_counts(one.labels, len(task.classes)) for side, one in sides.items()}
    return {"class_counts": counts} if counts["train"] else {}


def _run_entry(execution: Execution) -> RunEntry:
    """Describe the run for its folder: study, conditions, tasks, environment and plug-ins."""
    study, runner = execution.study, execution.runner
    tasks: dict[str, dict[str, Any]] = {}
    for spec in (spec for block in study.blocks for spec in block.tasks):
        task = runner.load(spec).task
        tasks[spec.label] = {
            "classes": list(task.classes),
            "train": len(task.train),
            "test": len(task.test),
            "chance": task.chance,
            "metric": task.goal.headline,
            "provenance": task.provenance,
            **_data_facts(spec, task, study, runner),
            **_class_counts(task),
            **({"weak_points": list(task.weak_points)} if task.weak_points else {}),
        }
    return RunEntry(
        run=runner.settings.run,
        started=timestamp(),
        command=runner.settings.options.command,
        study=study.model_dump(mode="json"),
        conditions=conditions(study, runner),
        tasks=tasks,
        environment=environment(runner.device, execution.engine(math.inf).processes),
        plugins={what: lookup.find(*which) for what, which in plugins_used(study).items()},
    )


def _data_facts(spec: Spec, task: Task, study: Study, runner: JobRunner) -> dict[str, Any]:
    """Facts about a task's data: where it lies, what was done to it, leaks and copies."""
    block = next(block for block in study.blocks if spec in block.tasks)
    rule, largest = runner.settings.labels, block.rungs[-1]
    labelled = (choose_labels(task, spec, rule, draw, largest).indices for draw in range(block.draws))
    facts = {**task.facts, **image_facts(task, labelled)}
    if "path" in spec.options:
        facts["path"] = str(Source(Path(), base=runner.settings.options.base).place(str(spec.options["path"])))
    if task.unlabelled is not None:
        facts["unlabelled"] = len(task.unlabelled)
    return facts


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
        self.study, self.runner, self.limit = self.execution.study, self.execution.runner, self.execution.limit
        self.run, self.options = self.runner.settings.run, self.runner.settings.options

    def prepare(self) -> None:
        """Choose all labels, and check everything before the first training step."""
        study, runner = self.study, self.runner
        with self.bars:
            labels = _all_labels(study, runner)
        give_back()  # what reading the data let go, before workers take memory of their own
        self._say_notes()
        check_ready(study, runner)
        check_conditions(self.records.runs, conditions(study, runner), self.options.folder)
        announce_changes(study, self.records.runs, self.options.folder)
        hashes = {(entry.task, entry.draw, entry.n): entry.indices_sha256 for entry in labels}
        self.cells = _share(list(study.cells(hashes if study.draws_from else None)), self.options.shard)
        self.ladders = (
            Ladders.of(study, self.cells, lambda label: _metric(study, runner, label)) if study.auto else None
        )
        self.writer.write(*(entry for entry in labels if entry.indices_sha256 not in self.records.labels))

    def _say_notes(self) -> None:
        """Print what a user should know about the data before anything is trained."""
        for spec in (spec for block in self.study.blocks for spec in block.tasks):
            for note in self.runner.load(spec).task.notes:
                print(f"note: {note}", flush=True)

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
            remember_speeds(self.options.cache, self.measured, device_name(self.runner.device))

    def close(self) -> list[Record]:
        """Record how much a time limit has left, and return the failed records of the study."""
        self.choose()  # what was measured last may have chosen more
        chosen = self.ladders.chosen if self.ladders else self.cells
        left = len(self._pending(chosen))
        if self.limit is not None and left:
            self.writer.write(stop(self.run, timestamp(), self.limit.seconds, left, len(chosen)))
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
    speeds = read_speeds(options.cache, device_name(pick_device(options.device)))
    limit = None if seconds is None else TimeLimit(seconds, functools.partial(cost, study=study, speeds=speeds))
    bars = PreparationBars(quiet=options.quiet)
    runner = JobRunner(
        settings_of(study, options), Source(options.data, options.offline, bars.advance, base=options.base)
    )
    with (
        interrupts.watch(),
        open_records(options.folder) as (records, writer),
        open_engine(runner, functools.partial(conditions, study, runner)) as engine,
    ):
        yield Run(Execution(study, runner, engine, speeds, limit), interrupts, records, writer, bars)


def settings_of(study: Study, options: RunOptions) -> Settings:
    """Settings for the workers of a new run of a study, whose folder is `options.folder`."""
    published = (options.base / Path(study.draws_from).expanduser()).resolve() if study.draws_from else None
    return Settings(
        options=options,
        run=uuid.uuid4().hex[:12],
        labels=LabelRule(study.subset, published, study.allow_missing_classes),
        readers=options.folder.resolve(),
        probes=study.probe_plan,
    )


def measure(study: Study, options: RunOptions) -> list[Record]:
    """Measure every pending cell of a study into `options.folder`; returns the study's failed records.

    Raises LabeleffError for everything that is wrong before or around the cells; what goes wrong inside a cell is
    a failed record.
    """
    check_installed(study)
    if study.pretrainings:
        check_writable(options.cache)
    with _open_run(study, options) as run:
        run.prepare()
        run.do()
        return run.close()


def _metric(study: Study, runner: JobRunner, label: str) -> str:
    """Name of the metric that a study's report gives for a task."""
    spec = next(task for task in study.tasks if task.label == label)
    return study.metrics.get(spec.name, runner.load(spec).task.goal.headline)


def _merged_record(record: PretrainingRecord | Record, records: Records) -> PretrainingRecord | Record:
    """Merge a cached encoder's record into the folder's own: that keeps its timing and gains the curves of probes."""
    earlier = records.pretrainings.get(record.key) if isinstance(record, PretrainingRecord) else None
    if earlier is None or not isinstance(record, PretrainingRecord):
        return record
    if not record.cached or record.encoder_sha256 != earlier.encoder_sha256:
        return record
    return earlier.model_copy(update={"probes": merge_curves(earlier.probes, record.probes)})


def export(study: Study, folder: Path, data: Path, offline: bool, base: Path = Path()) -> None:
    """Write the label indices of every task, draw and rung of a study into `folder`.

    Relative paths in the study are below `base`.
    """
    for block in study.blocks:
        for spec in block.tasks:
            with PreparationBars() as bars:
                task = load_task(spec, Source(data, offline, bars.advance, base=base))
            strata, rungs, draw_numbers = task.strata.numpy(), block.rungs, range(block.draws)
            draws.export_draws(folder, spec.label, strata, rungs, draw_numbers, block.subset, task.ids)
            print(f"draws of {spec.label}: {folder}")
