"""Jobs of every kind done in this process."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from labeleff.execution.cell_jobs import guarded, solve_cells, train_cell, train_together
from labeleff.execution.pretraining.pretraining_jobs import pretrain
from labeleff.execution.selection.climbing import climb
from labeleff.execution.workplace import Workplace
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.scheduling.jobs import Climb, Job, Pretrain, Solve, Train, TrainTogether
from labeleff.training.slots import Progress


class JobRunner(Workplace):
    """A workplace that does jobs: what a worker process, or a run in one process, works with."""

    def perform(self, job: Job, progress: Progress) -> Iterator[PretrainingRecord | Record]:
        """Do one job and yield its records as they come; what fails becomes a failed record with its reason.

        Raises UnwritableError, and ConditionError where a plug-in was changed since the run began.
        """
        self.check_plugins()
        match job:
            case Pretrain():
                yield from pretrain(self, job.pretraining, progress)
            case Solve():
                yield from solve_cells(self, job.cells)
            case Train():
                measure = functools.partial(train_cell, self, progress=progress)
                yield from (guarded(cell, self.settings.run, measure) for cell in job.cells)
            case Climb():
                yield from climb(self, job, progress)
            case TrainTogether():
                yield from train_together(self, job.cells, job.slots, progress)
