"""Pending cells and jobs: what is left of a study by its records, estimated and handed to the engine."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labeleff.execution.engines.assignments import Sink
from labeleff.execution.engines.desk import Desk
from labeleff.execution.engines.engine_table import EngineFor
from labeleff.execution.progress import LiveDisplay
from labeleff.records.entries import Record
from labeleff.records.jsonl import Records
from labeleff.records.run_estimate import RunEstimate
from labeleff.scheduling.forecast import estimate_run
from labeleff.scheduling.job_seconds import job_seconds, probe_estimate
from labeleff.scheduling.jobs import Job, Pretrain, jobs_for, probe_jobs, with_known
from labeleff.scheduling.overheads import overheads
from labeleff.scheduling.priority import cell_priorities, jobs_by_turn, order_jobs
from labeleff.scheduling.queue import TimeLimit
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import Speeds
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.schema import Study


def measured_again(record: Record, run: str, *, retry_failed: bool) -> bool:
    """Whether a record leaves its cell to be measured again: failed ones of earlier runs, where that is requested."""
    return retry_failed and record.status == "failed" and record.run != run


def pending_cells(cells: Sequence[Cell], records: Records, again: Callable[[Record], bool]) -> list[Cell]:
    """Select the cells without a record under their key, and those whose record is to be measured again."""
    return [cell for cell in cells if cell.key not in records.cells or again(records.cells[cell.key])]


def cost(job: Job, study: Study, speeds: Speeds) -> float:
    """Estimate the seconds that a job takes by itself, its probes included."""
    alone = job_seconds(job, speeds)
    if not isinstance(job, Pretrain):
        return alone
    return alone + probe_estimate(job.pretraining, study.probe_plan, speeds).seconds


@dataclass(frozen=True)
class Execution:
    """The desk and engine of one run, and the jobs that they make."""

    desk: Desk
    engine: EngineFor
    limit: TimeLimit | None

    def jobs(self, cells: Sequence[Cell], pending: Sequence[Cell], records: Records) -> list[Job]:
        """Make the jobs for `pending` cells, the encoders that they start from, and encoders that lack a probe's curve.

        Cells are packed as the options and the device say, and ordered by `priority` where time is limited.
        """
        finished = {key: record for key, record in records.pretrainings.items() if record.status == "ok"}
        study, settings, facts = self.study, self.desk.settings, self.desk.facts

        def pretrained(pretraining: Pretraining) -> bool:
            return facts.finished(settings, pretraining, finished)

        slots = 1 if self.options.pack is None and self._on_cpu else self.options.pack
        workers = self._most_workers

        def jobs_of(cells: Sequence[Cell]) -> list[Job]:
            jobs = jobs_for(cells, pretrained=pretrained, slots=slots, workers=workers)
            return [with_known(job, records.cells) for job in jobs]

        if self.limit is None:
            jobs = jobs_of(pending)
        else:
            keys = {cell.key for cell in pending}
            priorities = cell_priorities(cells, lambda cell: cell.key not in keys, study.arm_of, study.baseline)
            jobs = order_jobs(jobs_by_turn(pending, priorities, jobs_of), priorities, self.limit.estimate)

        def lacks_curve(pretraining: Pretraining) -> bool:
            record = finished.get(pretraining.key)
            return record is not None and bool(facts.unprobed(settings, pretraining, record))

        probes = probe_jobs(study.pretrainings, jobs, lacks_curve)
        return probes + jobs if self.limit is None else jobs + probes

    def estimate(self, jobs: Sequence[Job]) -> RunEstimate:
        """Estimate what these jobs will take."""
        cached = functools.partial(self.desk.facts.finished, self.desk.settings)
        workers = self.engine(sum(map(self._cost, jobs))).places
        return estimate_run(jobs, self.desk.speeds, workers, self.study, cached)

    def execute(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs; their records go to `sink` as they come."""
        costs = {id(job): self._cost(job) for job in jobs}
        engine = self.engine(sum(costs.values()))
        after = overheads(self.study, self.desk.speeds, 0).report or 0.0
        with LiveDisplay(jobs, costs, engine.places, quiet=self.options.quiet, after=after) as display:
            engine.run(jobs, sink, display, self.limit)

    @property
    def options(self) -> RunOptions:
        """Options of the run."""
        return self.desk.settings.options

    @property
    def study(self) -> Study:
        """The study."""
        return self.desk.study

    @property
    def _on_cpu(self) -> bool:
        return self.desk.facts.machine.kind == "cpu"

    @property
    def _most_workers(self) -> int:
        """Number of jobs that can be under way at once."""
        return self.engine(math.inf).places

    def _cost(self, job: Job) -> float:
        return cost(job, self.study, self.desk.speeds)
