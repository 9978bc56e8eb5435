"""What every engine does with a job: hand it out, begin it, record it, end it, and tell who wants to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.jobs import Job, Pretrain, part_of
from labeleff.scheduling.queue import Limit, Ready

Sink = Callable[[Sequence[PretrainingRecord | Record]], None]
"""Takes records as they come; they are on the disk when it returns."""


class Display(Protocol):
    """Who is told what goes on: the progress bar, or nobody."""

    def started(self, worker: int, job: Job) -> None:
        """A worker took a job."""

    def advanced(self, worker: int, done: int, total: int, loss: float, rate: float) -> None:
        """A worker's training got to step `done` of `total`, at `rate` images/s."""

    def finished(self, worker: int, job: Job) -> None:
        """A worker's job is done and recorded."""


@dataclass
class Assignment:
    """A job that was handed out, and what has come of it so far."""

    job: Job
    worker: int | None = None
    """Who does it, from the moment that it is begun."""
    since: float = 0.0
    records: list[PretrainingRecord | Record] = field(default_factory=list)

    @property
    def recorded(self) -> Job:
        """The job, less what it left without a record."""
        job, known = self.job, {record.key for record in self.records}
        done = [cell for cell in job.cells if cell.key in known]
        whole = job.pretraining.key in known if isinstance(job, Pretrain) else len(done) == len(job.cells)
        return job if whole else part_of(job, done)


class Work:
    """The jobs of one call of an engine: each is handed out, begun, recorded and ended."""

    def __init__(self, jobs: Sequence[Job], run: str, sink: Sink, display: Display, limit: Limit | None) -> None:
        self.run, self._ready = run, Ready(jobs, limit)
        self._sink, self._display, self._limit = sink, display, limit

    def hand_out(self) -> Assignment | None:
        """The next job that may start; None where there is none."""
        job = self._ready.take()
        return None if job is None else Assignment(job)

    def begin(self, given: Assignment, worker: int) -> None:
        """A worker begins a job."""
        given.worker, given.since = worker, time.monotonic()
        self._display.started(worker, given.job)

    def advance(self, given: Assignment, done: int, total: int, loss: float, rate: float) -> None:
        """A job's training got to step `done` of `total`, at `rate` images/s."""
        if given.worker is not None:
            self._display.advanced(given.worker, done, total, loss, rate)

    def keep(self, given: Assignment, records: Sequence[PretrainingRecord | Record]) -> None:
        """Record what a job has given."""
        self._sink(records)
        given.records += records

    def end(self, given: Assignment) -> None:
        """A job is over: what needed it in vain fails too."""
        self._sink(self._ready.settle(given.job, given.records, self.run))
        self._leave(given)

    def put_back(self, given: Assignment, jobs: Sequence[Job]) -> None:
        """A job's worker is rid of it, or gone: these jobs, which are what is left of it, wait before all others."""
        self._leave(given)
        self._ready.put_back(jobs)

    def _leave(self, given: Assignment) -> None:
        """What of a job is recorded counts as done; nobody has waited for one that wasn't begun."""
        if given.worker is None:
            return
        job = given.recorded
        if self._limit is not None:
            self._limit.learn(job, time.monotonic() - given.since)
        self._display.finished(given.worker, job)
