"""Queue of jobs, within a time limit."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labeleff.errors import OptionError
from labeleff.records.entries import PretrainingRecord, Record, StopEntry
from labeleff.records.run_estimate import duration
from labeleff.scheduling.corrections import Corrections, kind_of
from labeleff.scheduling.jobs import Climb, Job, Pretrain, part_of, pretraining_key, training_key
from labeleff.study.cell import Cell


class Limit(Protocol):
    """Time limit of a queue: decides which jobs still fit, and learns how long finished jobs took."""

    def fits(self, job: Job, waiting: Sequence[Job]) -> bool:
        """Whether a job fits in the time left, given the jobs that wait."""

    def learn(self, job: Job, seconds: float) -> None:
        """Note that a job took the given seconds."""


class Ready:
    """Queue of waiting jobs, in order, that hands out those that may start."""

    def __init__(self, jobs: Sequence[Job], limit: Limit | None = None) -> None:
        self.waiting, self._limit = list(jobs), limit
        self._blocked_count = 0
        """Number of jobs at the front that wait for a pretraining; they are skipped until one is settled."""
        self._unfinished = {job.pretraining.key for job in jobs if isinstance(job, Pretrain)}

    def take(self) -> Job | None:
        """Remove the first job whose pretraining is finished and that fits in the time; None where no job does."""
        for place in range(self._blocked_count, len(self.waiting)):
            job = self.waiting[place]
            if job.needs & self._unfinished:
                self._blocked_count += place == self._blocked_count
            elif self._limit is None or self._limit.fits(job, self.waiting):
                return self.waiting.pop(place)
        return None

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Put jobs that were taken back to the front of the queue."""
        self.waiting[:0] = jobs
        self._blocked_count = 0

    def settle(self, job: Job, records: Sequence[PretrainingRecord | Record], run: str) -> list[Record]:
        """Note a finished job; where a pretraining failed, return failed records of every cell that needs it."""
        if not isinstance(job, Pretrain):
            return []
        self._unfinished.discard(job.pretraining.key)
        self._blocked_count = 0
        reasons = {record.key: record.reason for record in records if record.status == "failed"}
        whole = reasons.get(job.pretraining.key)  # without it no point of it is left either

        def reason(cell: Cell) -> str | None:
            if training_key(cell) != job.pretraining.key:
                return None
            return whole or reasons.get(pretraining_key(cell) or "")

        lost = [
            Record.failed(run, cell, f"pretraining failed: {why}", pretraining=pretraining_key(cell))
            for other in self.waiting
            for cell in other.cells
            if (why := reason(cell))
        ]
        if lost:
            shorter = [_of_cells(other, [cell for cell in other.cells if not reason(cell)]) for other in self.waiting]
            self.waiting = [other for other in shorter if other is not None]
        return lost


def _of_cells(job: Job, cells: list[Cell]) -> Job | None:
    """A job of some of its cells: the job itself where all are left, None where none is."""
    if len(cells) == len(job.cells):
        return job
    return part_of(job, cells) if cells else None


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "alone": 1.0}
_NUMBER = r"\d+(?:\.\d+)?"
_TEXT = re.compile(rf"(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?|(?P<alone>{_NUMBER})")


def seconds_of(text: str) -> float:
    """Seconds from `2h`, `30m`, `90s`, `1h30m` or plain seconds. Raises OptionError for anything else and for 0."""
    match = _TEXT.fullmatch(text.strip().lower())
    total = sum(float(match[unit] or 0) * size for unit, size in _UNITS.items()) if match else 0.0
    if not 0 < total < float("inf"):
        raise OptionError(f"--time-limit {text!r}: expected a time over 0 like 2h, 30m, 90s, 1h30m, or seconds")
    return total


def stop(run: str, now: str, seconds: float, left: int, cells: int, *, measured: bool) -> StopEntry:
    """Print that the time limit ended a run with `left` of its `cells` unmeasured; return the entry that records it.

    A run that has `measured` nothing would end in the same way again.
    """
    print(f"stopped by the time limit of {duration(seconds)}: {left} of {cells} cells aren't measured; ", end="")
    print("run the same command to go on" if measured else "nothing fitted in it: allow more time", flush=True)
    return StopEntry(run=run, time=now, limit=seconds, left=left)


@dataclass
class TimeLimit:
    """The given number of seconds, counted from its construction.

    A job is expected to take its estimate times `scale`, by which earlier jobs of its kind were off.
    """

    seconds: float
    estimate: Callable[[Job], float]
    """Estimated seconds of a job by itself, as before the run."""
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)
    _corrections: Corrections = field(default_factory=Corrections)

    def __post_init__(self) -> None:
        self._start = self.clock()

    @property
    def left(self) -> float:
        """Remaining seconds, at least 0."""
        return max(0.0, self.seconds - (self.clock() - self._start))

    def scale(self, job: Job) -> float:
        """Seconds that finished jobs of a job's kind took over those estimated for them; 1 before any has finished."""
        return self._corrections.factors().get(kind_of(job), 1.0)

    def learn(self, job: Job, seconds: float) -> None:
        """Note that a job took the given seconds."""
        self._corrections.learn(kind_of(job), seconds, self.estimate(job))

    def _expected(self, job: Job) -> float:
        return self.estimate(job) * self.scale(job)

    def fits(self, job: Job, waiting: Sequence[Job]) -> bool:
        """Whether a job would end in the time left; a pretraining must leave time for one of the jobs that need it.

        Of a ladder with selected labels the first rung must: what is measured then stays, and the next run goes on.
        """
        seconds = self._expected(part_of(job, job.cells[:1]) if isinstance(job, Climb) and job.in_order else job)
        if isinstance(job, Pretrain):
            seconds += min((self._expected(one) for one in waiting if job.pretraining.key in one.needs), default=0.0)
        return seconds < self.left
