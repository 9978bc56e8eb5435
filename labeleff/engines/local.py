"""Jobs on this machine: one after another in this process, or on one-thread worker processes (CPU).

Workers are persistent, do one job at a time, and end by themselves when the process that started them is gone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from labeleff.engines.ready import Display, Fits, Ready, Sink
from labeleff.errors import LabeleffError
from labeleff.jobs import Job, Pretrain
from labeleff.one_core import one_core
from labeleff.record import PretrainingRecord, Record
from labeleff.run import Bench, Settings

GRACE = 0.5
"""Seconds in which a signal to a group of processes has reached all of them."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_here(jobs: Sequence[Job], bench: Bench, sink: Sink, display: Display, fits: Fits | None = None) -> None:
    """Do the jobs one after another in this process, those that `fits` has time for."""
    if bench.device.type == "cpu":
        one_core()
    ready = Ready(jobs, fits)
    while (job := ready.take()) is not None:
        display.started(0, job)
        records = []
        for record in bench.perform(job, lambda *news: display.advanced(0, *news)):
            sink([record])
            records.append(record)
        sink(ready.settle(job, records, bench.settings.run))
        display.finished(0, job)


def _work(link: Connection, settings: Settings) -> None:
    """A worker's life: take a job, send news and records, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_core()
    parent = os.getppid()
    bench = Bench(settings)

    def progress(done: int, total: int, loss: float, rate: float) -> None:
        if os.getppid() != parent:
            os._exit(1)
        link.send(("news", (done, total, loss, rate)))

    try:
        while True:
            job = link.recv()
            try:
                for record in bench.perform(job, progress):
                    link.send(("record", record))
                link.send(("done", None))
            except LabeleffError as error:
                link.send(("stopped", str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


@dataclass
class _Worker:
    number: int
    process: SpawnProcess
    link: Connection
    job: Job | None = None
    records: list[PretrainingRecord | Record] = field(default_factory=list)
    """What its present job has given so far."""


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


def _spawn(number: int, settings: Settings) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, settings), daemon=True, name=f"labeleff-{number}")
    with one_thread():
        process.start()
    theirs.close()
    return _Worker(number, process, ours)


def _lost(worker: _Worker, run: str, code: int | None) -> list[PretrainingRecord | Record]:
    """Failed records for what a worker that died hadn't finished."""
    job = worker.job
    assert job is not None
    reason = f"the worker process died (exit code {code}); the usual cause is that memory ran out"
    if isinstance(job, Pretrain):
        return [PretrainingRecord.failed(run, job.pretraining, reason)]
    known = {record.key for record in worker.records}
    return [Record.failed(run, cell, reason) for cell in job.cells if cell.key not in known]


def run_workers(
    jobs: Sequence[Job], settings: Settings, count: int, sink: Sink, display: Display, fits: Fits | None = None
) -> None:
    """Do the jobs on `count` one-thread worker processes; records are written by this process alone, as they come."""
    ready = Ready(jobs, fits)
    workers = [_spawn(number, settings) for number in range(min(count, len(jobs)))]

    def keep(worker: _Worker, records: Sequence[PretrainingRecord | Record]) -> None:
        sink(records)
        worker.records += records

    def settle(worker: _Worker) -> None:
        job, worker.job = worker.job, None
        assert job is not None
        sink(ready.settle(job, worker.records, settings.run))
        worker.records = []
        display.finished(worker.number, job)

    try:
        while True:
            for worker in workers:
                if worker.job is None and (job := ready.take()) is not None:
                    worker.job = job
                    worker.link.send(job)
                    display.started(worker.number, job)
            busy = {worker.link: worker for worker in workers if worker.job is not None}
            if not busy:
                return
            for link in wait(list(busy)):
                worker = busy[link]  # type: ignore[index]
                try:
                    kind, content = worker.link.recv()
                except (EOFError, ConnectionResetError):
                    worker.process.join()
                    if worker.process.exitcode == -signal.SIGTERM:
                        time.sleep(GRACE)  # sent to the whole group, it ends this process here
                    keep(worker, _lost(worker, settings.run, worker.process.exitcode))
                    settle(worker)
                    workers[workers.index(worker)] = _spawn(worker.number, settings)
                    continue
                if kind == "news":
                    display.advanced(worker.number, *content)
                elif kind == "stopped":
                    raise LabeleffError(content)
                elif kind == "record":
                    keep(worker, [content])
                else:
                    settle(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
        deadline = time.monotonic() + 5
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
