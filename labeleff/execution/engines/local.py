"""Jobs on this machine: one after another in this process, or on one-thread worker processes (CPU).

Workers are persistent, do one job at a time, and end by themselves when the process that started them is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from labeleff.errors import LabeleffError
from labeleff.execution.engines.assignments import Assignment, Display, Sink, Work
from labeleff.execution.engines.desk import Desk
from labeleff.execution.engines.engine_table import Engine, EngineFor
from labeleff.execution.engines.processes import GONE, cause, start
from labeleff.execution.run_facts import Settings
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.job_seconds import processes_for
from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.scheduling.queue import Limit

if TYPE_CHECKING:
    from labeleff.execution.job_runner import JobRunner

GRACE = 0.5
"""Seconds that a signal to a group of processes takes to reach all of them."""
PATIENCE = 5.0
"""Seconds that workers have to end after SIGTERM."""
ATTEMPTS = 3
"""Workers in a row that may be dead before they have taken a job; then the job has failed."""


@contextlib.contextmanager
def open_engine(desk: Desk) -> Iterator[EngineFor]:
    """The engine of this machine: this process, or worker processes where there is enough work."""
    yield functools.partial(_engine, desk)


def _engine(desk: Desk, seconds: float) -> Engine:
    """Choose worker processes as requested, else one per core where it pays; on accelerators this process alone.

    Where this process leaves all data to others, one of them does what isn't worth more.
    """
    options = desk.settings.options
    count = processes_for(seconds, options.jobs, options.cores)
    if desk.facts.machine.kind == "cpu" and (count > 1 or desk.apart):
        found = desk.facts.conditions
        told = dataclasses.replace(desk.settings, precision=found.precision, data=found.data, plugins=found.plugins)
        return Workers(desk.makes_runner, told, count)
    return InProcess(desk.runner)


class InProcess:
    """One job after another in this process."""

    places = 1

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner

    @property
    def processes(self) -> int:
        """Processes as requested or as the machine has cores, though one does all the work."""
        return self._runner.settings.options.jobs or self._runner.settings.options.cores

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Do the jobs in order."""
        from labeleff.training.device import one_core

        if self._runner.device.type == "cpu":
            one_core()
        work = Work(jobs, self._runner.settings.run, sink, display, limit)
        while (assignment := work.hand_out()) is not None:
            work.begin(assignment, 0)
            for record in self._runner.perform(assignment.job, functools.partial(work.advance, assignment)):
                work.keep(assignment, [record])
            work.end(assignment)


class Workers:
    """One-thread worker processes."""

    def __init__(self, makes_runner: Callable[[Settings], JobRunner], settings: Settings, count: int) -> None:
        self._makes_runner, self._settings, self.places, self.processes = makes_runner, settings, count, count

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Do the jobs, each on the first worker that is free."""
        work = Work(jobs, self._settings.run, sink, display, limit)
        count = min(self.places, len(jobs))
        workers = [_Worker(number, self._makes_runner, self._settings) for number in range(count)]
        try:
            while busy := _hand_out(work, workers):
                for link in wait(list(busy)):
                    _hear(work, busy[link])  # type: ignore[index]
        finally:
            _end(workers)


def _work(link: Connection, makes_runner: Callable[[Settings], JobRunner], settings: Settings) -> None:
    """Do jobs in a worker process: receive one, send news and records, until the other end is closed."""
    from labeleff.training.device import one_core

    one_core()
    parent = os.getppid()
    runner = makes_runner(settings)

    def progress(done: int, total: int, loss: float, rate: float) -> None:
        if os.getppid() != parent:
            os._exit(1)
        link.send(("news", (done, total, loss, rate)))

    try:
        while True:
            job = link.recv()
            try:
                for record in runner.perform(job, progress):
                    link.send(("record", record))
                link.send(("done", None))
            except LabeleffError as error:
                link.send(("stopped", str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Worker:
    """A worker process with its connection and the job that it does."""

    def __init__(self, number: int, makes_runner: Callable[[Settings], JobRunner], settings: Settings) -> None:
        self.number, self._makes_runner, self._settings = number, makes_runner, settings
        self.assignment: Assignment | None = None
        self.start()

    def start(self) -> None:
        """Start the process, or one in place of another that died."""
        self.process, self.link = start(f"labeleff-{self.number}", _work, self._makes_runner, self._settings)

    def send(self, job: Job) -> bool:
        """Send a job to the process; False where it has died, so that nobody will do it."""
        try:
            self.link.send(job)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def exit_code(self) -> int | None:
        """Exit code of the process, which has died. A SIGTERM to the whole group ends this process meanwhile."""
        self.process.join()
        if self.process.exitcode in {-signal.SIGTERM, GONE}:
            time.sleep(GRACE)
        return self.process.exitcode


def _hand_out(work: Work, workers: Sequence[_Worker]) -> dict[Connection, _Worker]:
    """Give a job to every worker that has none; returns the workers that have one, by their connections."""
    for worker in workers:
        while worker.assignment is None and (assignment := work.hand_out()) is not None:
            _give(work, worker, assignment)
    return {worker.link: worker for worker in workers if worker.assignment is not None}


def _give(work: Work, worker: _Worker, assignment: Assignment) -> None:
    """Give a job to an idle worker, or to another in its place where it died while it had nothing to do."""
    for attempt in range(1, ATTEMPTS + 1):
        if worker.send(assignment.job):
            worker.assignment = assignment
            work.begin(assignment, worker.number)
            return
        code = worker.exit_code()
        if attempt == ATTEMPTS:
            _fail(work, assignment, code)
        worker.start()


def _hear(work: Work, worker: _Worker) -> None:
    """Take what a busy worker has sent, or see that it died."""
    assignment = worker.assignment
    assert assignment is not None
    try:
        kind, content = worker.link.recv()
    except (EOFError, ConnectionResetError):
        worker.assignment = None
        _fail(work, assignment, worker.exit_code())
        worker.start()
        return
    if kind == "news":
        work.advance(assignment, *content)
    elif kind == "stopped":
        raise LabeleffError(content)
    elif kind == "record":
        work.keep(assignment, [content])
    else:
        worker.assignment = None
        work.end(assignment)


def _fail(work: Work, assignment: Assignment, code: int | None) -> None:
    """End a job whose worker died: what it hadn't finished is recorded as failed."""
    work.keep(assignment, _failed_records(assignment, work.run, code))
    work.end(assignment)


def _failed_records(assignment: Assignment, run: str, code: int | None) -> list[PretrainingRecord | Record]:
    """Failed records for what a worker that died hadn't finished."""
    reason = f"the worker process died {cause(code)}"
    if isinstance(assignment.job, Pretrain):
        return [PretrainingRecord.failed(run, assignment.job.pretraining, reason)]
    recorded = {record.key for record in assignment.records}
    return [Record.failed(run, cell, reason) for cell in assignment.job.cells if cell.key not in recorded]


def _end(workers: Sequence[_Worker]) -> None:
    """Tell all workers to end, and make those that don't."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
