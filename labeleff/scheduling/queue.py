"""Jobs that wait, and which of them may start."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labeleff.errors import OptionError
from labeleff.records.entries import PretrainingRecord, Record, StopEntry
from labeleff.records.run_estimate import duration
from labeleff.scheduling.jobs import Job, Pretrain, needed, part_of


class Limit(Protocol):
    """Says which jobs there is time for, and is told how long jobs take."""

    def fits(self, job: Job, waiting: Sequence[Job]) -> bool:
        """Whether there is time left for a job, given those that wait."""

    def learn(self, job: Job, seconds: float) -> None:
        """A job has ended after the given seconds."""


class Ready:
    """Jobs that wait, in order, and which of them may start."""

    def __init__(self, jobs: Sequence[Job], limit: Limit | None = None) -> None:
        self.waiting, self._limit = list(jobs), limit
        self._held = 0
        """So many of the first are known to wait for a pretraining; no use in looking at them before one is settled."""
        self._unfinished = {job.pretraining.key for job in jobs if isinstance(job, Pretrain)}

    def take(self) -> Job | None:
        """The first job whose pretraining is there and for which there is time; None where there is none."""
        for place in range(self._held, len(self.waiting)):
            job = self.waiting[place]
            if job.needs & self._unfinished:
                self._held += place == self._held
            elif self._limit is None or self._limit.fits(job, self.waiting):
                return self.waiting.pop(place)
        return None

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Let jobs that were taken wait again, before all others."""
        self.waiting[:0] = jobs
        self._held = 0

    def settle(self, job: Job, records: Sequence[PretrainingRecord | Record], run: str) -> list[Record]:
        """Note a finished job; where a pretraining failed, give the failed records of every cell that needs it."""
        if not isinstance(job, Pretrain):
            return []
        self._unfinished.discard(job.pretraining.key)
        self._held = 0
        reasons = [record.reason for record in records if record.status == "failed"]
        if not reasons:
            return []
        reason = f"pretraining failed: {reasons[0]}"
        lost = [cell for other in self.waiting for cell in other.cells if needed(cell) == job.pretraining.key]
        self.waiting = [rest for other in self.waiting if (rest := _without(other, job.pretraining.key)) is not None]
        return [Record.failed(run, cell, reason, pretraining=job.pretraining.key) for cell in lost]


def _without(job: Job, pretraining: str) -> Job | None:
    """A job without its cells that need a pretraining; the job itself where it has none, None where none is left."""
    if pretraining not in job.needs:
        return job
    kept = [cell for cell in job.cells if needed(cell) != pretraining]
    return part_of(job, kept) if kept else None


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_TEXT = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")


def seconds_of(text: str) -> float:
    """Seconds from `2h`, `30m`, `90s`, `1h30m` or plain seconds; OptionError where it is none of these or 0."""
    found = _TEXT.fullmatch(text.strip().lower())
    total = sum(float(found[unit] or 0) * size for unit, size in _UNITS.items()) if found else 0.0
    if not 0 < total < float("inf"):
        raise OptionError(f"--time-limit {text!r}: expected a time over 0 like 2h, 30m, 90s, 1h30m, or seconds")
    return total


def stop(run: str, now: str, seconds: float, left: int, cells: int) -> StopEntry:
    """The record of a run that its limit of so many seconds ended with cells left, after saying so."""
    print(f"stopped by the time limit of {duration(seconds)}: {left} of {cells} cells aren't measured; ", end="")
    print("run the same command to go on", flush=True)
    return StopEntry(run=run, time=now, limit=seconds, left=left)


@dataclass
class TimeLimit:
    """So many seconds from now on, of which jobs take their estimates times what earlier ones took against theirs."""

    seconds: float
    estimate: Callable[[Job], float]
    """Seconds that a job takes by itself, guessed before the run."""
    clock: Callable[[], float] = time.monotonic
    _begun: float = field(init=False)
    _spent: float = 0.0
    _expected: float = 0.0

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self.seconds - (self.clock() - self._begun))

    @property
    def scale(self) -> float:
        """What finished jobs took, over what they were estimated to take; 1 before any has finished."""
        return self._spent / self._expected if self._expected > 0 else 1.0

    def learn(self, job: Job, seconds: float) -> None:
        """A job has finished after so many seconds."""
        self._spent += seconds
        self._expected += self.estimate(job)

    def fits(self, job: Job, waiting: Sequence[Job]) -> bool:
        """Whether a job would end in what is left; a pretraining must leave time for one of those that wait for it."""
        taken = self.estimate(job)
        if isinstance(job, Pretrain):
            taken += min((self.estimate(one) for one in waiting if job.pretraining.key in one.needs), default=0.0)
        return taken * self.scale < self.left
