"""Jobs as Ray tasks: this process hands them out and alone writes their records, as they come.

Ray's own retries are off: it would repeat a whole job whose records are partly written. A job whose worker, or whole
machine, is lost goes on elsewhere with the cells that aren't recorded yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from labeleff.errors import LabeleffError
from labeleff.execution.engines.assignments import Assignment, Display, Sink, Tries, Work
from labeleff.execution.engines.ray_cluster import Cluster
from labeleff.execution.engines.ray_worker import Orders, do, encoder_keys
from labeleff.execution.job_runner import JobRunner
from labeleff.files import write_whole
from labeleff.records.entries import Conditions
from labeleff.records.jsonl import reader_path
from labeleff.scheduling.jobs import Job
from labeleff.scheduling.queue import Limit

News = tuple[int, int, float, float]
"""Progress of a training: step, number of steps, loss, images/s."""


class Board:
    """A mailbox for progress: tasks put theirs in under the job's number, the process with the display takes it out."""

    def __init__(self) -> None:
        self._last: dict[int, News] = {}

    def tell(self, number: int, news: News) -> None:
        """Put in how far a job's training has got."""
        self._last[number] = news

    def take(self) -> dict[int, News]:
        """Take out what has come since the last call."""
        last, self._last = self._last, {}
        return last


AHEAD = 2
"""Jobs handed out per place, so that no place waits for its next one; where time is limited it is one job per place."""
COUNT_INTERVAL = 5.0
"""Seconds between two counts of the cluster's places."""
LISTEN_TIMEOUT = 1.0
"""Seconds without a message after which the driver stops listening, counts places and hands out jobs."""


class RayTasks:
    """The engine on a connected cluster; it refuses workers whose conditions differ from this process's."""

    def __init__(self, runner: JobRunner, conditions: Callable[[], Conditions], cluster: Cluster) -> None:
        self._runner, self._conditions, self._cluster = runner, conditions, cluster

    @property
    def places(self) -> int:
        """Number of jobs that the cluster has room for now."""
        return self._cluster.places()

    @property
    def processes(self) -> int:
        """Number of processes: one per place."""
        return self.places

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Hand the jobs out until all are done; raises LabeleffError where a worker can't work at all."""
        work = Work(jobs, self._runner.settings.run, sink, display, limit)
        _Driver(work, self._runner, self._conditions(), self._cluster, 1 if limit else AHEAD).run()


@dataclass
class _Flight:
    """A job that was handed out, with the messages of its task."""

    number: int
    assignment: Assignment
    messages: Any
    """The generator of references to its task's messages."""
    lacking: list[str] = field(default_factory=list)
    """Cache keys of encoders that the task's machine lacked."""


class _News:
    """Progress of trainings, requested now and then without waiting for the answer."""

    def __init__(self) -> None:
        self.board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=_this_node()).remote()
        self._answer, self._asked = None, time.monotonic()

    def ask(self) -> list[Any]:
        """Request progress where that is due, and give the reference to the answer on its way, if any."""
        if self._answer is None and time.monotonic() - self._asked >= LISTEN_TIMEOUT:
            self._answer, self._asked = self.board.take.remote(), time.monotonic()
        return [] if self._answer is None else [self._answer]

    def take(self) -> dict[int, News]:
        """Take the answer that has come; empty where the board is gone: only finished jobs show progress then."""
        answer, self._answer = self._answer, None
        try:
            news: dict[int, News] = ray.get(answer)
        except RayError:
            return {}
        return news


class _Encoders:
    """Encoders that some machine lacked, as references to their bytes, by cache key."""

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner
        self._references: dict[str, list[Any]] = {}

    def of(self, job: Job) -> dict[str, list[Any]]:
        """Select the encoders that a job starts from."""
        keys = encoder_keys(self._runner, job) & self._references.keys() if self._references else ()
        return {key: self._references[key] for key in keys}

    def send(self, keys: Collection[str]) -> None:
        """Make the encoders of these keys available; the list stays empty for one that this cache lacks."""
        for key in keys:
            content = self._runner.cache.content(key)
            self._references[key] = [] if content is None else [ray.put(content)]


class _Driver:
    """The loop that hands jobs out to a cluster and takes their tasks' messages."""

    def __init__(self, work: Work, runner: JobRunner, conditions: Conditions, cluster: Cluster, ahead: int) -> None:
        self._work, self._runner, self._cluster, self._ahead = work, runner, cluster, ahead
        self._tries, self._news, self._encoders = Tries(work.run), _News(), _Encoders(runner)
        options = replace(runner.settings.options, device=runner.device.type)  # Ray shows each task its GPU
        settings = replace(runner.settings, options=options, precision=conditions.precision)
        self._orders = ray.put(Orders(settings, conditions, makes_runner=type(runner), news=self._news.board))
        self._task = ray.remote(num_cpus=1, num_gpus=cluster.job.gpus, num_returns="streaming", max_retries=0)(do)
        self._flights: dict[Any, _Flight] = {}
        self._handed_out = 0
        self._places, self._counted = cluster.places(), time.monotonic()

    def run(self) -> None:
        """Hand out jobs and listen until all are done."""
        try:
            while self._hand_out():
                self._listen()
        finally:
            for flight in self._flights.values():
                ray.cancel(flight.messages, force=True)

    def _hand_out(self) -> bool:
        """Keep the cluster busy; False where no job is under way or can start."""
        if time.monotonic() - self._counted >= COUNT_INTERVAL:
            self._places, self._counted = self._cluster.places(), time.monotonic()
        room = self._ahead * max(self._places, 1)
        while len(self._flights) < room and (assignment := self._work.hand_out()) is not None:
            self._handed_out += 1
            task, encoders = self._task.options(name=assignment.job.name), self._encoders.of(assignment.job)
            messages = task.remote(self._orders, self._handed_out, assignment.job, encoders)
            self._flights[messages] = _Flight(self._handed_out, assignment, messages)
        return bool(self._flights)

    def _listen(self) -> None:
        """Wait for a message of a task or for progress, and take it."""
        pending = [*self._flights, *self._news.ask()]
        ready, _ = ray.wait(pending, num_returns=1, timeout=LISTEN_TIMEOUT, fetch_local=False)
        for reference in ready:
            if reference in self._flights:
                self._hear(self._flights[reference])
            else:
                self._show(self._news.take())

    def _show(self, news: dict[int, News]) -> None:
        """Pass progress on to the display."""
        for flight in self._flights.values():
            if flight.number in news:
                self._work.advance(flight.assignment, *news[flight.number])

    def _hear(self, flight: _Flight) -> None:
        """Take a task's next message, or see that it has ended or died."""
        try:
            kind, content = ray.get(next(flight.messages))
            self._take(flight, kind, content)
        except StopIteration:
            self._end(flight)
        except RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise LabeleffError(
                    f"a Ray worker can't do {flight.assignment.job.name!r}: {error.cause}; "
                    "is the same labeleff installed there?"
                ) from error
            raise
        except LocalRayletDiedError as error:
            raise LabeleffError("the Ray cluster is gone; run the same command to go on") from error
        except RayError as error:
            self._lose(flight, type(error).__name__)

    def _take(self, flight: _Flight, kind: str, content: Any) -> None:
        """Act on a task's message; `ray_worker.Message` lists the kinds."""
        if kind == "begun":
            self._work.begin(flight.assignment, self._free_row())
        elif kind == "record":
            self._work.keep(flight.assignment, [content])
        elif kind == "encoder":
            key, encoder = content
            if self._runner.cache.record(key) is None:
                self._runner.cache.put(key, encoder)
        elif kind == "reader":
            _keep_reader(self._runner, *content)
        elif kind == "lacking":
            flight.lacking = content
        else:
            raise LabeleffError(content)

    def _free_row(self) -> int:
        """Find the first row of the display that no job has."""
        rows = {flight.assignment.worker for flight in self._flights.values()}
        return next(row for row in range(len(self._flights)) if row not in rows)

    def _end(self, flight: _Flight) -> None:
        """End a task that has sent its last message; its job waits again where encoders were lacking."""
        del self._flights[flight.messages]
        if flight.lacking:
            self._encoders.send(flight.lacking)
            self._work.put_back(flight.assignment, [flight.assignment.job])
        else:
            self._work.end(flight.assignment)

    def _lose(self, flight: _Flight, cause: str) -> None:
        """Handle the death of a task's worker: its job goes on elsewhere, or what it leaves is given up."""
        del self._flights[flight.messages]
        jobs, given_up = self._tries.after_death(flight.assignment.job, flight.assignment.records, cause)
        self._work.keep(flight.assignment, given_up)
        if jobs:
            self._work.put_back(flight.assignment, jobs)
        else:
            self._work.end(flight.assignment)


def _keep_reader(runner: JobRunner, key: str, content: bytes) -> None:
    """Store a trained reader in the run's folder, unless it is present."""
    folder = runner.settings.readers
    assert folder is not None
    if not reader_path(folder, key).exists():
        write_whole(reader_path(folder, key), content)


def _this_node() -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
