"""How long a study will take, before it runs: examples to process times the speed measured here, or a rough guess."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.records import training_log
from labeleff.records.run_estimate import Source, worst
from labeleff.scheduling.jobs import Job, Pretrain, takes_unlabelled
from labeleff.scheduling.speeds import (
    SIZE,
    general_name,
    is_dense,
    passes,
    reads_stories,
    ready_name,
    scoring_name,
    solving_names,
    source_of,
    views,
    work_name,
)
from labeleff.study.cell import Budget, Cell, Pretraining
from labeleff.study.probe_settings import ProbePlan

GIGAFLOPS = 40.0
"""A rough training speed of one CPU core, 10**9 operations a second, for encoders never run here."""
ENCODE_SPEEDUP = 3.0
"""Encoding against training: no backward pass."""
GRID = 16
"""Cells a side of the grid on which maps of labels are solved and scored (see `goal.Dense`)."""
_MEGAFLOPS = {
    "mobilenet_v2": 36.0,
    "resnet9": 2272.0,
    "resnet18": 3340.0,
    "resnet50": 7800.0,
    "resnet18_imagenet": 223.0,
    "resnet50_imagenet": 502.0,
}
"""Training operations an image at 32 px, in 10**6 (three times the forward pass)."""
_UNKNOWN_MEGAFLOPS = 2000.0
_STORIES_PER_SECOND = 2000.0
"""A rough training speed on stories, for encoders never run here."""
_GRID_ROWS_PER_SECOND = 3e4
"""Grid cells that a frozen protocol solves and scores a second, where it was never run here; very rough."""
Speeds = Mapping[str, float]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Estimate:
    """Seconds of one process, and the least reliable of the speeds in it."""

    seconds: float
    source: Source

    @property
    def measured(self) -> bool:
        """Whether every speed in it was measured here."""
        return self.source != "catalogue"

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.seconds + other.seconds, worst([self.source, other.source]))

    def __truediv__(self, shares: int) -> Estimate:
        return Estimate(self.seconds / shares, self.source)


NOTHING = Estimate(0.0, "calibrated")


def _rate(encoder: Spec, task: Spec, speeds: Speeds) -> tuple[float, Source]:
    """Examples encoded in training a second."""
    name = general_name(encoder, task)
    if name in speeds:
        return speeds[name], source_of(speeds, name)
    if reads_stories(task):
        return _STORIES_PER_SECOND, "catalogue"
    scale = (float(task.options.get("size", SIZE)) / SIZE) ** 2 * float(encoder.options.get("width", 1.0)) ** 2
    return GIGAFLOPS * 1e3 / (_MEGAFLOPS.get(encoder.name, _UNKNOWN_MEGAFLOPS) * scale), "catalogue"


def _at(name: str, speeds: Speeds, amount: float = 1.0) -> Estimate | None:
    """Time of an amount of what has this name; None where it was never measured."""
    return Estimate(amount / speeds[name], source_of(speeds, name)) if name in speeds else None


def _trained(asked: Cell | Pretraining, examples: float, speeds: Speeds) -> Estimate:
    """Time of training on so many examples of batches."""
    known = _at(work_name(asked), speeds, examples)
    if known is None:
        encoded = passes(asked.protocol) if isinstance(asked, Cell) else views(asked.pretext)
        rate, source = _rate(asked.encoder, asked.task, speeds)
        known = Estimate(encoded * examples / rate, source)
    return known + (_at(ready_name(asked), speeds) or NOTHING)


def _encoded(cell: Cell, examples: float, speeds: Speeds) -> Estimate:
    """Time of scoring so many examples, or of encoding them by a frozen encoder."""
    rate, source = _rate(cell.encoder, cell.task, speeds)
    return _at(scoring_name(cell), speeds, examples) or Estimate(examples / (rate * ENCODE_SPEEDUP), source)


def pool_of(task: Spec) -> int:
    """Training examples of a task; 10,000 where only the data itself could tell."""
    return lookup.find("task", task.name).pool_of(task.options) or 10_000


def test_of(task: Spec) -> int:
    """Test examples of a task; 10,000 images or 1,000 stories where only the data itself could tell."""
    return int(task.options.get("test", 1_000 if reads_stories(task) else 10_000))


def steps_of(asked: Cell | Pretraining) -> int:
    """Optimiser steps that a pretraining or a cell takes; 0 where nothing is trained."""
    if isinstance(asked, Pretraining):
        return asked.budget.steps_for(pool_of(asked.task)) if asked.budget else 0
    if asked.budget is None:
        return 0
    pool = pool_of(asked.task) if takes_unlabelled(asked.protocol) else None
    return asked.budget.steps_for(asked.n, pool)


def pretraining_estimate(pretraining: Pretraining, speeds: Speeds) -> Estimate:
    """Time of one pretraining in one process; filling in weights from outside takes none to speak of."""
    if pretraining.budget is None:
        return NOTHING
    return _trained(pretraining, steps_of(pretraining) * pretraining.budget.batch, speeds)


def probe_estimate(pretraining: Pretraining, plan: ProbePlan | None, speeds: Speeds) -> Estimate:
    """Time of all linear probes during one pretraining in one process, by the images that they encode.

    Where every pixel has a label, solving takes more.
    """
    tasks = len(plan.tasks_of(pretraining)) if plan else 0
    if plan is None or pretraining.budget is None or not tasks:
        return NOTHING
    probe = plan.probe
    rate, source = _rate(pretraining.encoder, pretraining.task, speeds)
    pool, batch = pool_of(pretraining.task), pretraining.budget.batch
    probes = 1 + math.ceil(training_log.count(pretraining.budget.steps_for(pool), pool, batch) / probe.every)
    return Estimate(tasks * probes * (probe.labels + probe.held_out) / (rate * ENCODE_SPEEDUP), source)


def _solved(cell: Cell, speeds: Speeds) -> Estimate:
    """Time of solving a frozen cell on features that are there, and of scoring it on those of the test split."""
    cells = GRID**2 if is_dense(cell.task) else 1
    fixed, rows, scored = solving_names(cell)
    known = _at(fixed, speeds)
    if known is None:
        guess = cells * (cell.n + test_of(cell.task)) / _GRID_ROWS_PER_SECOND
        return Estimate(guess, "catalogue") if cells > 1 else NOTHING
    known += _at(rows, speeds, cells * cell.n) or NOTHING
    return known + (_at(scored, speeds, test_of(cell.task)) or NOTHING)


def _trained_cell(cell: Cell, budget: Budget, speeds: Speeds) -> Estimate:
    """Time of one cell of a trained protocol."""
    trained = _trained(cell, steps_of(cell) * budget.batch, speeds)
    return trained + _encoded(cell, test_of(cell.task), speeds)


def job_estimates(job: Job, speeds: Speeds) -> list[Estimate]:
    """Time of every cell of a job in one process, or of its pretraining.

    Frozen cells share the encoding of the test split and of all their labelled examples: those of a draw lie inside
    those of its highest rung.
    """
    if isinstance(job, Pretrain):
        return [pretraining_estimate(job.pretraining, speeds)]
    if not job.cells:  # what is left of one whose worker died at its first
        return []
    first = job.cells[0]
    if first.budget is not None:
        return [_trained_cell(cell, cell.budget, speeds) for cell in job.cells if cell.budget]
    most: dict[int, int] = {}
    for cell in job.cells:
        most[cell.draw] = max(cell.n, most.get(cell.draw, 0))
    examples = test_of(first.task) + min(sum(most.values()), pool_of(first.task))
    share = (_encoded(first, examples, speeds) + (_at(ready_name(first), speeds) or NOTHING)) / len(job.cells)
    return [share + _solved(cell, speeds) for cell in job.cells]


def job_seconds(job: Job, speeds: Speeds) -> float:
    """Time of one job in one process."""
    return sum(estimate.seconds for estimate in job_estimates(job, speeds))
