"""Jobs as Ray tasks: this process hands them out and alone writes their records, as they come.

Ray's own retries are off: it would begin a job anew whose records are partly written. A job whose worker, or whole
machine, is lost goes on elsewhere with what isn't recorded yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from labeleff.engines.cluster import Cluster
from labeleff.engines.news import Board
from labeleff.engines.ray_worker import MakesBench, Orders, do, encoder_keys
from labeleff.engines.ready import Display, Fits, Ready, Sink
from labeleff.engines.tries import Tries
from labeleff.errors import LabeleffError
from labeleff.files import write_whole
from labeleff.jobs import Job, Pretrain, part_of
from labeleff.places import reader_path
from labeleff.record import Conditions, PretrainingRecord, Record
from labeleff.run import Bench

AHEAD = 2
"""Jobs handed out for each place, so that none has to wait for the next one; where time is limited each is handed out
as it begins."""
COUNTING = 5.0
"""Seconds between two looks at how large the cluster is."""
LISTENING = 1.0
"""Seconds of silence after which the driver looks around."""


@dataclass
class _Flight:
    """A job that was handed out."""

    number: int
    job: Job
    messages: Any
    """The generator of references to what its task tells."""
    row: int | None = None
    """Its place in the display, from the moment a worker takes it."""
    records: list[PretrainingRecord | Record] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)


class _Driver:
    def __init__(
        self,
        jobs: Sequence[Job],
        bench: Bench,
        conditions: Conditions,
        sink: Sink,
        display: Display,
        cluster: Cluster,
        makes_bench: MakesBench,
        fits: Fits | None,
    ) -> None:
        self._ahead = AHEAD if fits is None else 1
        self._ready, self._tries = Ready(jobs, fits), Tries(bench.settings.run)
        self._bench, self._sink, self._display, self._cluster = bench, sink, display, cluster
        self._board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=_here()).remote()
        options = replace(bench.settings.options, device=bench.device.type)  # Ray shows each task its GPU
        settings = replace(bench.settings, options=options)
        self._orders = ray.put(Orders(settings, conditions, makes_bench=makes_bench, news=self._board))
        self._task = ray.remote(num_cpus=1, num_gpus=cluster.asked.gpus, num_returns="streaming", max_retries=0)(do)
        self._flights: dict[Any, _Flight] = {}
        self._handed_out = 0
        self._encoders: dict[str, list[Any]] = {}
        """By key of the cache: what some machine lacked, as references to bytes."""
        self._places, self._counted = cluster.places(), time.monotonic()
        self._news, self._asked = None, time.monotonic()

    def run(self) -> None:
        """Until all is done."""
        try:
            while self._hand_out():
                self._listen()
        finally:
            for flight in self._flights.values():
                ray.cancel(flight.messages, force=True)

    def _hand_out(self) -> bool:
        """Keep the cluster busy; False where nothing is under way or can be."""
        if time.monotonic() - self._counted >= COUNTING:
            self._places, self._counted = self._cluster.places(), time.monotonic()
        while len(self._flights) < self._ahead * max(self._places, 1) and (job := self._ready.take()) is not None:
            self._handed_out += 1
            keys = encoder_keys(self._bench, job) & self._encoders.keys() if self._encoders else ()
            lacked = {key: self._encoders[key] for key in keys}
            messages = self._task.options(name=job.name).remote(self._orders, self._handed_out, job, lacked)
            self._flights[messages] = _Flight(self._handed_out, job, messages)
        return bool(self._flights)

    def _listen(self) -> None:
        """Wait for a task to tell something, and hear what it has told."""
        if self._news is None and time.monotonic() - self._asked >= LISTENING:
            self._news, self._asked = self._board.take.remote(), time.monotonic()
        waited = [*self._flights, *([self._news] if self._news is not None else [])]
        told, _ = ray.wait(waited, num_returns=1, timeout=LISTENING, fetch_local=False)
        for one in told:
            if one is self._news or one == self._news:
                self._spread_news()
            else:
                self._hear(self._flights[one])

    def _spread_news(self) -> None:
        found, self._news = self._news, None
        try:
            news = ray.get(found)
        except RayError:
            return  # the board is gone; progress goes by finished jobs then
        for flight in self._flights.values():
            if flight.number in news and flight.row is not None:
                self._display.advanced(flight.row, *news[flight.number])

    def _hear(self, flight: _Flight) -> None:
        try:
            kind, content = ray.get(next(flight.messages))
            self._take(flight, kind, content)
        except StopIteration:
            self._end(flight)
        except RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise LabeleffError(
                    f"a Ray worker can't do {flight.job.name!r}: {error.cause}; is the same labeleff installed there?"
                ) from error
            raise
        except LocalRayletDiedError as error:
            raise LabeleffError("the Ray cluster is gone; run the same command to go on") from error
        except RayError as error:
            self._lose(flight, type(error).__name__)

    def _take(self, flight: _Flight, kind: str, content: Any) -> None:
        """What a task has told."""
        if kind == "begun":
            taken = {other.row for other in self._flights.values()}
            flight.row = next(row for row in range(len(self._flights)) if row not in taken)
            self._display.started(flight.row, flight.job)
        elif kind == "record":
            self._sink([content])
            flight.records.append(content)
        elif kind == "encoder":
            key, encoder = content
            if self._bench.cache.record(key) is None:
                self._bench.cache.put(key, encoder)
        elif kind == "reader":
            self._keep_reader(*content)
        elif kind == "lacking":
            flight.lacking = content
        else:
            raise LabeleffError(content)

    def _keep_reader(self, key: str, content: bytes) -> None:
        folder = self._bench.settings.readers
        assert folder is not None
        if not reader_path(folder, key).exists():
            write_whole(reader_path(folder, key), content)

    def _end(self, flight: _Flight) -> None:
        """A task has told all."""
        self._leave(flight)
        if flight.lacking:
            for key in flight.lacking:
                content = self._bench.cache.content(key)
                self._encoders[key] = [] if content is None else [ray.put(content)]
            self._ready.put_back([flight.job])
        else:
            self._sink(self._ready.settle(flight.job, flight.records, self._bench.settings.run))

    def _lose(self, flight: _Flight, cause: str) -> None:
        """A task's worker is gone."""
        jobs, given_up = self._tries.lost(flight.job, flight.records, cause)
        self._sink(given_up)
        flight.records += given_up
        self._leave(flight)
        self._ready.put_back(jobs)
        if not jobs:
            self._sink(self._ready.settle(flight.job, flight.records, self._bench.settings.run))

    def _leave(self, flight: _Flight) -> None:
        """A job is no longer under way; of its cells those count as done that are recorded."""
        del self._flights[flight.messages]
        if flight.row is None:
            return
        job, known = flight.job, {record.key for record in flight.records}
        done = [cell for cell in job.cells if cell.key in known]
        whole = job.pretraining.key in known if isinstance(job, Pretrain) else len(done) == len(job.cells)
        self._display.finished(flight.row, job if whole else part_of(job, done))


def _here() -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


def run_tasks(
    jobs: Sequence[Job],
    bench: Bench,
    conditions: Conditions,
    sink: Sink,
    display: Display,
    cluster: Cluster,
    makes_bench: MakesBench = Bench,
    fits: Fits | None = None,
) -> None:
    """Do the jobs on a cluster that this process is connected to; records are written by it alone, as they come.

    Raises LabeleffError where a worker can't work at all, or under other conditions than this process.
    """
    _Driver(jobs, bench, conditions, sink, display, cluster, makes_bench, fits).run()
