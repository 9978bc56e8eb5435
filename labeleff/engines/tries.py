"""What becomes of jobs whose worker died: done again without what is recorded, and given up after three deaths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from labeleff.jobs import Job, Pretrain, part_of
from labeleff.record import PretrainingRecord, Record

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
