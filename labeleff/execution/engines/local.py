"""Jobs on this machine: one after another in this process, or on one-thread worker processes (CPU).

Workers are persistent, do one job at a time, and end by themselves when the process that started them is gone.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from labeleff.errors import LabeleffError
from labeleff.execution.engines.assignments import Assignment, Display, Sink, Work
from labeleff.execution.engines.choice import Engine, EngineFor
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.workplace import Settings
from labeleff.records.entries import Conditions, PretrainingRecord, Record
from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.scheduling.queue import Limit
from labeleff.training.device import one_core

WORTH_WORKERS = 20.0
"""Estimated seconds of training under which starting worker processes would take longer than it saves."""
GRACE = 0.5
"""Seconds in which a signal to a group of processes has reached all of them."""
PATIENCE = 5.0
"""Seconds in which workers that were told to end must have done so."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextlib.contextmanager
def opened(runner: JobRunner, _: Callable[[], Conditions]) -> Iterator[EngineFor]:
    """This process or workers, by how much work there is."""
    yield functools.partial(_engine, runner)


def _engine(runner: JobRunner, seconds: float) -> Engine:
    """Worker processes as asked for, else one a core where it pays; on accelerators this process alone."""
    options = runner.settings.options
    count = options.jobs or (options.cores if seconds > WORTH_WORKERS else 1)
    return Workers(runner, count) if runner.device.type == "cpu" and count > 1 else Here(runner)


class Here:
    """One job after another in this process."""

    places = 1

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner

    @property
    def processes(self) -> int:
        """As asked for, though there is one."""
        return self._runner.settings.options.jobs or self._runner.settings.options.cores

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Do the jobs in their order."""
        if self._runner.device.type == "cpu":
            one_core()
        work = Work(jobs, self._runner.settings.run, sink, display, limit)
        while (given := work.hand_out()) is not None:
            work.begin(given, 0)
            for record in self._runner.perform(given.job, functools.partial(work.advance, given)):
                work.keep(given, [record])
            work.end(given)


class Workers:
    """One-thread worker processes."""

    def __init__(self, runner: JobRunner, count: int) -> None:
        self._runner, self.places, self.processes = runner, count, count

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Do the jobs, each on the first worker that is free."""
        work = Work(jobs, self._runner.settings.run, sink, display, limit)
        workers = [_Worker(number, self._runner) for number in range(min(self.places, len(jobs)))]
        try:
            while busy := _hand_out(work, workers):
                for link in wait(list(busy)):
                    _hear(work, busy[link])  # type: ignore[index]
        finally:
            _end(workers)


def _work(link: Connection, makes_runner: Callable[[Settings], JobRunner], settings: Settings) -> None:
    """A worker's life: take a job, send news and records, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    """A worker process and what it does."""

    def __init__(self, number: int, runner: JobRunner) -> None:
        self.number, self._runner = number, runner
        self.given: Assignment | None = None
        self.start()

    def start(self) -> None:
        """Start the process, or one in place of another that died."""
        context = multiprocessing.get_context("spawn")
        self.link, theirs = context.Pipe()
        told = (theirs, type(self._runner), self._runner.settings)
        self.process = context.Process(target=_work, args=told, daemon=True, name=f"labeleff-{self.number}")
        with one_thread():
            self.process.start()
        theirs.close()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let processes that start meanwhile compute by one thread each; variables are put back afterwards."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _hand_out(work: Work, workers: Sequence[_Worker]) -> dict[Connection, _Worker]:
    """Give a job to every worker that has none; those that have one now, by their connections."""
    for worker in workers:
        if worker.given is None and (given := work.hand_out()) is not None:
            worker.given = given
            worker.link.send(given.job)
            work.begin(given, worker.number)
    return {worker.link: worker for worker in workers if worker.given is not None}


def _hear(work: Work, worker: _Worker) -> None:
    """Take what a busy worker has sent, or see that it died."""
    given = worker.given
    assert given is not None
    try:
        kind, content = worker.link.recv()
    except (EOFError, ConnectionResetError):
        _replace(work, worker, given)
        return
    if kind == "news":
        work.advance(given, *content)
    elif kind == "stopped":
        raise LabeleffError(content)
    elif kind == "record":
        work.keep(given, [content])
    else:
        worker.given = None
        work.end(given)


def _replace(work: Work, worker: _Worker, given: Assignment) -> None:
    """Record as failed what a dead worker's job had left, and start another worker in its place."""
    worker.process.join()
    if worker.process.exitcode == -signal.SIGTERM:
        time.sleep(GRACE)  # sent to the whole group, it ends this process here
    work.keep(given, _lost(given, work.run, worker.process.exitcode))
    worker.given = None
    work.end(given)
    worker.start()


def _lost(given: Assignment, run: str, code: int | None) -> list[PretrainingRecord | Record]:
    """Failed records for what a worker that died hadn't finished."""
    reason = f"the worker process died (exit code {code}); the usual cause is that memory ran out"
    if isinstance(given.job, Pretrain):
        return [PretrainingRecord.failed(run, given.job.pretraining, reason)]
    known = {record.key for record in given.records}
    return [Record.failed(run, cell, reason) for cell in given.job.cells if cell.key not in known]


def _end(workers: Sequence[_Worker]) -> None:
    """Tell all workers to end, and make those that don't."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
