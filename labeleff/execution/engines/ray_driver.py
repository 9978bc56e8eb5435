"""Jobs as Ray tasks: this process hands them out and alone writes their records, as they come.

Ray's own retries are off: it would begin a job anew whose records are partly written. A job whose worker, or whole
machine, is lost goes on elsewhere with what isn't recorded yet.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from labeleff.errors import LabeleffError
from labeleff.execution.engines.assignments import Assignment, Display, Sink, Work
from labeleff.execution.engines.ray_cluster import Cluster
from labeleff.execution.engines.ray_worker import Orders, do, encoder_keys
from labeleff.execution.job_runner import JobRunner
from labeleff.files import write_whole
from labeleff.records.entries import Conditions, PretrainingRecord, Record
from labeleff.records.jsonl import reader_path
from labeleff.scheduling.jobs import Job, Pretrain, part_of
from labeleff.scheduling.queue import Limit

News = tuple[int, int, float, float]
"""Step, steps, loss, images/s: what a display is told."""


class Board:
    """Where tasks put their news, by the job's number, and the process with the display takes them."""

    def __init__(self) -> None:
        self._last: dict[int, News] = {}

    def tell(self, number: int, news: News) -> None:
        """A job's training has got so far."""
        self._last[number] = news

    def take(self) -> dict[int, News]:
        """What has come since this was last asked."""
        last, self._last = self._last, {}
        return last


LIMIT = 3
"""Deaths of workers at one cell or pretraining after which it is given up."""

Recorded = Sequence[PretrainingRecord | Record]


@dataclass
class Tries:
    """Counts, by key of a cell or pretraining, how many workers died while it wasn't recorded yet."""

    run: str
    deaths: Counter[str] = field(default_factory=Counter)

    def lost(self, job: Job, recorded: Recorded, cause: str) -> tuple[list[Job], list[PretrainingRecord | Record]]:
        """What a job leaves whose worker died: jobs that are to be done, and failed records of what is given up.

        Nobody knows at which of its cells a job's worker died, so those that have one try left take it alone: cells
        beside a poisonous one are measured, and it alone is given up.
        """
        known = {record.key for record in recorded}
        if isinstance(job, Pretrain):
            key = job.pretraining.key
            self.deaths[key] += key not in known
            if key in known:
                return [], []
            if self.deaths[key] < LIMIT:
                return [job], []
            return [], [PretrainingRecord.failed(self.run, job.pretraining, _reason(cause))]
        left = [cell for cell in job.cells if cell.key not in known]
        self.deaths.update(cell.key for cell in left)
        given_up = [cell for cell in left if self.deaths[cell.key] >= LIMIT]
        alone = [cell for cell in left if self.deaths[cell.key] == LIMIT - 1]
        together = [cell for cell in left if self.deaths[cell.key] < LIMIT - 1]
        jobs = [part_of(job, cells) for cells in (together, *([cell] for cell in alone)) if cells]
        return jobs, [Record.failed(self.run, cell, _reason(cause)) for cell in given_up]


def _reason(cause: str) -> str:
    return f"its worker died {LIMIT} times, at last of: {cause}; the usual cause is that memory ran out"


AHEAD = 2
"""Jobs handed out for each place, so that none has to wait for the next one; where time is limited each is handed out
as it begins."""
COUNTING = 5.0
"""Seconds between two looks at how large the cluster is."""
LISTENING = 1.0
"""Seconds of silence after which the driver looks around."""


class RayTasks:
    """Jobs on a cluster that this process is connected to; workers of other conditions than its own are refused."""

    def __init__(self, runner: JobRunner, conditions: Callable[[], Conditions], cluster: Cluster) -> None:
        self._runner, self._conditions, self._cluster = runner, conditions, cluster

    @property
    def places(self) -> int:
        """As many as there is room for now."""
        return self._cluster.places()

    @property
    def processes(self) -> int:
        """One in each place."""
        return self.places

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None = None) -> None:
        """Hand the jobs out until all is done; LabeleffError where a worker can't work at all."""
        work = Work(jobs, self._runner.settings.run, sink, display, limit)
        _Driver(work, self._runner, self._conditions(), self._cluster, 1 if limit else AHEAD).run()


@dataclass
class _Flight:
    """A job that was handed out."""

    number: int
    given: Assignment
    messages: Any
    """The generator of references to what its task tells."""
    lacking: list[str] = field(default_factory=list)


class _News:
    """How trainings go on, asked for now and then; nobody waits for the answer."""

    def __init__(self) -> None:
        self.board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=_here()).remote()
        self._answer, self._asked = None, time.monotonic()

    def ask(self) -> list[Any]:
        """The reference to an answer that is on its way, if any is."""
        if self._answer is None and time.monotonic() - self._asked >= LISTENING:
            self._answer, self._asked = self.board.take.remote(), time.monotonic()
        return [] if self._answer is None else [self._answer]

    def take(self) -> dict[int, News]:
        """The answer that has come; nothing where the board is gone: progress goes by finished jobs then."""
        answer, self._answer = self._answer, None
        try:
            news: dict[int, News] = ray.get(answer)
        except RayError:
            return {}
        return news


class _Encoders:
    """Encoders that some machine lacked, as references to their bytes, by key of the cache."""

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner
        self._references: dict[str, list[Any]] = {}

    def of(self, job: Job) -> dict[str, list[Any]]:
        """Those that a job starts from."""
        keys = encoder_keys(self._runner, job) & self._references.keys() if self._references else ()
        return {key: self._references[key] for key in keys}

    def send(self, keys: Collection[str]) -> None:
        """Make these known; the list of one that isn't here stays empty."""
        for key in keys:
            content = self._runner.cache.content(key)
            self._references[key] = [] if content is None else [ray.put(content)]


class _Driver:
    """Hands jobs out to a cluster and takes in what their tasks tell."""

    def __init__(self, work: Work, runner: JobRunner, conditions: Conditions, cluster: Cluster, ahead: int) -> None:
        self._work, self._runner, self._cluster, self._ahead = work, runner, cluster, ahead
        self._tries, self._news, self._encoders = Tries(work.run), _News(), _Encoders(runner)
        options = replace(runner.settings.options, device=runner.device.type)  # Ray shows each task its GPU
        settings = replace(runner.settings, options=options)
        self._orders = ray.put(Orders(settings, conditions, makes_runner=type(runner), news=self._news.board))
        self._task = ray.remote(num_cpus=1, num_gpus=cluster.asked.gpus, num_returns="streaming", max_retries=0)(do)
        self._flights: dict[Any, _Flight] = {}
        self._handed_out = 0
        self._places, self._counted = cluster.places(), time.monotonic()

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
        room = self._ahead * max(self._places, 1)
        while len(self._flights) < room and (given := self._work.hand_out()) is not None:
            self._handed_out += 1
            task, lacked = self._task.options(name=given.job.name), self._encoders.of(given.job)
            messages = task.remote(self._orders, self._handed_out, given.job, lacked)
            self._flights[messages] = _Flight(self._handed_out, given, messages)
        return bool(self._flights)

    def _listen(self) -> None:
        """Wait for a task to tell something, and hear what it has told."""
        waited = [*self._flights, *self._news.ask()]
        told, _ = ray.wait(waited, num_returns=1, timeout=LISTENING, fetch_local=False)
        for one in told:
            if one in self._flights:
                self._hear(self._flights[one])
            else:
                self._spread(self._news.take())

    def _spread(self, news: dict[int, News]) -> None:
        for flight in self._flights.values():
            if flight.number in news:
                self._work.advance(flight.given, *news[flight.number])

    def _hear(self, flight: _Flight) -> None:
        try:
            kind, content = ray.get(next(flight.messages))
            self._take(flight, kind, content)
        except StopIteration:
            self._end(flight)
        except RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise LabeleffError(
                    f"a Ray worker can't do {flight.given.job.name!r}: {error.cause}; "
                    "is the same labeleff installed there?"
                ) from error
            raise
        except LocalRayletDiedError as error:
            raise LabeleffError("the Ray cluster is gone; run the same command to go on") from error
        except RayError as error:
            self._lose(flight, type(error).__name__)

    def _take(self, flight: _Flight, kind: str, content: Any) -> None:
        """What a task has told, as `ray_worker.Message` lists it."""
        if kind == "begun":
            self._work.begin(flight.given, self._free_row())
        elif kind == "record":
            self._work.keep(flight.given, [content])
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
        """The first row of the display that no job has."""
        taken = {flight.given.worker for flight in self._flights.values()}
        return next(row for row in range(len(self._flights)) if row not in taken)

    def _end(self, flight: _Flight) -> None:
        """A task has told all."""
        del self._flights[flight.messages]
        if flight.lacking:
            self._encoders.send(flight.lacking)
            self._work.put_back(flight.given, [flight.given.job])
        else:
            self._work.end(flight.given)

    def _lose(self, flight: _Flight, cause: str) -> None:
        """A task's worker is gone: its job goes on elsewhere, or what it leaves is given up."""
        del self._flights[flight.messages]
        jobs, given_up = self._tries.lost(flight.given.job, flight.given.records, cause)
        self._work.keep(flight.given, given_up)
        if jobs:
            self._work.put_back(flight.given, jobs)
        else:
            self._work.end(flight.given)


def _keep_reader(runner: JobRunner, key: str, content: bytes) -> None:
    """Put a trained reader among those of the run, unless it is there."""
    folder = runner.settings.readers
    assert folder is not None
    if not reader_path(folder, key).exists():
        write_whole(reader_path(folder, key), content)


def _here() -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
