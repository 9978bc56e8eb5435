"""Any job done in this process, by its kind."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from labeleff.execution.cell_jobs import guarded, solve_cells, train_cell, train_together
from labeleff.execution.pretraining_jobs import pretrain
from labeleff.execution.workplace import Workplace
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.jobs import Job, Pretrain, Solve, Train, TrainTogether
from labeleff.training.slots import Progress


class JobRunner(Workplace):
    """One process's workplace with all that is done there."""

    def perform(self, job: Job, progress: Progress) -> Iterator[PretrainingRecord | Record]:
        """Do one job and give its records as they come; what fails becomes a failed one with its reason.

        UnwritableError alone is raised.
        """
        match job:
            case Pretrain():
                yield pretrain(self, job.pretraining, progress)
            case Solve():
                yield from solve_cells(self, job.cells)
            case Train():
                measure = functools.partial(train_cell, self, progress=progress)
                yield from (guarded(cell, self.settings.run, measure) for cell in job.cells)
            case TrainTogether():
                yield from train_together(self, job.cells, job.slots, progress)
