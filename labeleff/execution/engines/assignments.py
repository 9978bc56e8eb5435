"""The life of a job in every engine: handed out, begun, recorded, ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.jobs import Job, Pretrain, part_of, together
from labeleff.scheduling.queue import Limit, Ready
from labeleff.study.cell import Cell

Sink = Callable[[Sequence[PretrainingRecord | Record]], None]
"""Takes records as they come; they are on the disk when it returns."""


class Display(Protocol):
    """A listener to what workers do, such as the progress bar."""

    def started(self, worker: int, job: Job) -> None:
        """Note that a worker took a job."""

    def advanced(self, worker: int, done: int, total: int, loss: float, rate: float) -> None:
        """Note that a worker's training got to step `done` of `total`, at `rate` images/s."""

    def finished(self, worker: int, job: Job) -> None:
        """Note that a worker's job is done and recorded."""


@dataclass
class Assignment:
    """A job that was handed out, with its records so far."""

    job: Job
    worker: int | None = None
    """Number of the worker that does it, once it is begun."""
    since: float = 0.0
    records: list[PretrainingRecord | Record] = field(default_factory=list)

    @property
    def recorded(self) -> Job:
        """The job without the cells that have no record."""
        job, keys = self.job, {record.key for record in self.records}
        done = [cell for cell in job.cells if cell.key in keys]
        whole = job.pretraining.key in keys if isinstance(job, Pretrain) else len(done) == len(job.cells)
        return job if whole else part_of(job, done)


class Work:
    """The jobs of one call of an engine: each is handed out, begun, recorded and ended."""

    def __init__(self, jobs: Sequence[Job], run: str, sink: Sink, display: Display, limit: Limit | None) -> None:
        self.run, self._ready = run, Ready(jobs, limit)
        self._sink, self._display, self._limit = sink, display, limit

    def hand_out(self) -> Assignment | None:
        """Take the next job that may start; None where there is none."""
        job = self._ready.take()
        return None if job is None else Assignment(job)

    def begin(self, assignment: Assignment, worker: int) -> None:
        """Note that a worker begins a job."""
        assignment.worker, assignment.since = worker, time.monotonic()
        self._display.started(worker, assignment.job)

    def advance(self, assignment: Assignment, done: int, total: int, loss: float, rate: float) -> None:
        """Note that a job's training got to step `done` of `total`, at `rate` images/s."""
        if assignment.worker is not None:
            self._display.advanced(assignment.worker, done, total, loss, rate)

    def keep(self, assignment: Assignment, records: Sequence[PretrainingRecord | Record]) -> None:
        """Record what a job has produced."""
        self._sink(records)
        assignment.records += records

    def end(self, assignment: Assignment) -> None:
        """End a job; where its pretraining failed, the cells that needed it are recorded as failed too."""
        self._sink(self._ready.settle(assignment.job, assignment.records, self.run))
        self._leave(assignment)

    def put_back(self, assignment: Assignment, jobs: Sequence[Job]) -> None:
        """Take a job from its worker, which may be dead: `jobs`, what is left of it, wait before all others."""
        self._leave(assignment)
        self._ready.put_back(jobs)

    def _leave(self, assignment: Assignment) -> None:
        """Count as done what a job has recorded; a job that wasn't begun took no time and isn't displayed."""
        if assignment.worker is None:
            return
        job = assignment.recorded
        if self._limit is not None:
            self._limit.learn(job, time.monotonic() - assignment.since)
        self._display.finished(assignment.worker, job)


MOST_DEATHS = 3
"""Deaths of workers at one cell or pretraining after which it is given up."""

Recorded = Sequence[PretrainingRecord | Record]


@dataclass
class Tries:
    """Counts, by key of a cell or pretraining, how many workers died while it wasn't recorded yet."""

    run: str
    deaths: Counter[str] = field(default_factory=Counter)

    def after_death(
        self, job: Job, recorded: Recorded, cause: str
    ) -> tuple[list[Job], list[PretrainingRecord | Record]]:
        """Split what a dead worker's job left into jobs to be done again and failed records of cells that are given up.

        Nobody knows at which of its cells a worker died, so cells with one try left get jobs of their own (a ladder
        with selected labels one for all): those beside a cell that kills its workers are measured, and only that cell
        is given up.
        """
        keys = {record.key for record in recorded}
        if isinstance(job, Pretrain):
            key = job.pretraining.key
            self.deaths[key] += key not in keys
            if key in keys:
                return [], []
            if self.deaths[key] < MOST_DEATHS:
                return [job], []
            return [], [PretrainingRecord.failed(self.run, job.pretraining, _reason(cause))]
        left = [cell for cell in job.cells if cell.key not in keys]
        self.deaths.update(cell.key for cell in left)
        given_up = [cell for cell in left if self.deaths[cell.key] >= MOST_DEATHS]
        alone: dict[Hashable, list[Cell]] = {}
        for cell in left:
            if self.deaths[cell.key] == MOST_DEATHS - 1:
                alone.setdefault(together(cell), []).append(cell)
        others = [cell for cell in left if self.deaths[cell.key] < MOST_DEATHS - 1]
        known = [record for record in recorded if isinstance(record, Record)]
        jobs = [part_of(job, cells, known) for cells in (others, *alone.values()) if cells]
        return jobs, [Record.failed(self.run, cell, _reason(cause)) for cell in given_up]


def _reason(cause: str) -> str:
    return f"its worker died {MOST_DEATHS} times, at last of: {cause}; the usual cause is that memory ran out"
