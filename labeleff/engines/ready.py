"""Jobs that wait, and which of them may start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from labeleff.jobs import Job, Pretrain, needed, part_of
from labeleff.record import PretrainingRecord, Record


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
