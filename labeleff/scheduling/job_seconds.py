"""Estimated seconds of one job: examples to process over measured or guessed speeds."""

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
"""Rough training speed of one CPU core in 10**9 operations per second, for encoders never run here."""
ENCODE_SPEEDUP = 3.0
"""Speed of encoding over that of training, which also has a backward pass."""
GRID = 16
"""Cells per side of the grid on which maps of labels are solved and scored (see `goal.Dense`)."""
_MEGAFLOPS = {
    "mobilenet_v2": 36.0,
    "resnet9": 2272.0,
    "resnet18": 3340.0,
    "resnet50": 7800.0,
    "resnet18_imagenet": 223.0,
    "resnet50_imagenet": 502.0,
    "rows": 0.5,
}
"""Training operations per image at 32 px, in 10**6 (three times the forward pass); a row is only looked up."""
_UNKNOWN_MEGAFLOPS = 2000.0
_STORIES_PER_SECOND = 2000.0
"""Rough training speed in stories per second, for encoders never run here."""
_GRID_ROWS_PER_SECOND = 3e4
"""Grid cells that a frozen protocol solves and scores per second, where it was never run here; very rough."""
Speeds = Mapping[str, float]
"""Speeds by name (labeleff.scheduling.speeds), in amounts per second."""


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Estimate:
    """Seconds of one process, and the least reliable source of the speeds in it."""

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
    """Examples per second that training encodes, and the source of that number."""
    name = general_name(encoder, task)
    if name in speeds:
        return speeds[name], source_of(speeds, name)
    if reads_stories(task):
        return _STORIES_PER_SECOND, "catalogue"
    scale = (float(task.options.get("size", SIZE)) / SIZE) ** 2 * float(encoder.options.get("width", 1.0)) ** 2
    return GIGAFLOPS * 1e3 / (_MEGAFLOPS.get(encoder.name, _UNKNOWN_MEGAFLOPS) * scale), "catalogue"


def _estimate(name: str, speeds: Speeds, amount: float = 1.0) -> Estimate | None:
    """Time of an amount of the work of this name; None where its speed was never measured."""
    return Estimate(amount / speeds[name], source_of(speeds, name)) if name in speeds else None


def _training_estimate(work: Cell | Pretraining, examples: float, speeds: Speeds) -> Estimate:
    """Time of training on batches with the given number of examples in all."""
    training = _estimate(work_name(work), speeds, examples)
    if training is None:
        encodings = passes(work.protocol) if isinstance(work, Cell) else views(work.pretext)
        rate, source = _rate(work.encoder, work.task, speeds)
        training = Estimate(encodings * examples / rate, source)
    return training + (_estimate(ready_name(work), speeds) or NOTHING)


def _scoring_estimate(cell: Cell, examples: float, speeds: Speeds) -> Estimate:
    """Time of scoring the given number of examples, or of encoding them by a frozen encoder."""
    rate, source = _rate(cell.encoder, cell.task, speeds)
    return _estimate(scoring_name(cell), speeds, examples) or Estimate(examples / (rate * ENCODE_SPEEDUP), source)


_SIZES: dict[str, tuple[int, int]] = {}
"""Numbers of training and test examples by task, where its data has been read in this process."""


def learn_sizes(task: Spec, train: int, test: int) -> None:
    """Remember the numbers of a task's examples, as only its data tells them."""
    _SIZES[task.label] = train, test


def pool_of(task: Spec) -> int:
    """Number of training examples of a task; 10,000 where only the data itself could tell and wasn't read."""
    if task.label in _SIZES:
        return _SIZES[task.label][0]
    return lookup.find("task", task.name).pool_of(task.options) or 10_000


def _pretext_images(task: Spec) -> int:
    """Number of images that a pretext sees: the training images, and those without labels."""
    return pool_of(task) + lookup.find("task", task.name).more


def test_of(task: Spec) -> int:
    """Number of test examples of a task; 10,000 images or 1,000 stories where its data would have to be read."""
    if task.label in _SIZES:
        return _SIZES[task.label][1]
    return int(task.options.get("test", 1_000 if reads_stories(task) else 10_000))


def steps_of(work: Cell | Pretraining) -> int:
    """Optimiser steps that a pretraining or a cell takes; 0 where nothing is trained."""
    if isinstance(work, Pretraining):
        return work.budget.steps_for(_pretext_images(work.task)) if work.budget else 0
    if work.budget is None:
        return 0
    pool = pool_of(work.task) if takes_unlabelled(work.protocol) else None
    return work.budget.steps_for(work.n, pool)


def pretraining_estimate(pretraining: Pretraining, speeds: Speeds) -> Estimate:
    """Time of one pretraining in one process; filling in weights from outside counts as none."""
    if pretraining.budget is None:
        return NOTHING
    return _training_estimate(pretraining, steps_of(pretraining) * pretraining.budget.batch, speeds)


def probe_estimate(pretraining: Pretraining, plan: ProbePlan | None, speeds: Speeds) -> Estimate:
    """Time of all linear probes during one pretraining in one process, by the images that they encode.

    It is too short where every pixel has a label: there solving takes time too.
    """
    tasks = len(plan.tasks_of(pretraining)) if plan else 0
    if plan is None or pretraining.budget is None or not tasks:
        return NOTHING
    probe = plan.probe
    rate, source = _rate(pretraining.encoder, pretraining.task, speeds)
    pool, batch = _pretext_images(pretraining.task), pretraining.budget.batch
    probes = 1 + math.ceil(training_log.count(pretraining.budget.steps_for(pool), pool, batch) / probe.every)
    return Estimate(tasks * probes * (probe.labels + probe.held_out) / (rate * ENCODE_SPEEDUP), source)


def _solving_estimate(cell: Cell, speeds: Speeds) -> Estimate:
    """Time of solving a frozen cell on computed features, and of scoring it on those of the test split."""
    cells = GRID**2 if is_dense(cell.task) else 1
    fixed, rows, scored = solving_names(cell)
    estimate = _estimate(fixed, speeds)
    if estimate is None:
        guess = cells * (cell.n + test_of(cell.task)) / _GRID_ROWS_PER_SECOND
        return Estimate(guess, "catalogue") if cells > 1 else NOTHING
    estimate += _estimate(rows, speeds, cells * cell.n) or NOTHING
    return estimate + (_estimate(scored, speeds, test_of(cell.task)) or NOTHING)


def _trained_cell_estimate(cell: Cell, budget: Budget, speeds: Speeds) -> Estimate:
    """Time of one cell of a trained protocol."""
    training = _training_estimate(cell, steps_of(cell) * budget.batch, speeds)
    return training + _scoring_estimate(cell, test_of(cell.task), speeds)


def job_estimates(job: Job, speeds: Speeds) -> list[Estimate]:
    """Time of every cell of a job in one process, or of its pretraining.

    Frozen cells share the encoding of the test split and of all their labelled examples. The labelled examples of a
    draw are all among those of its highest rung, so each draw is encoded once.
    """
    if isinstance(job, Pretrain):
        return [pretraining_estimate(job.pretraining, speeds)]
    if not job.cells:  # what remains of a job after its worker died
        return []
    first = job.cells[0]
    if first.budget is not None:
        return [_trained_cell_estimate(cell, cell.budget, speeds) for cell in job.cells if cell.budget]
    highest: dict[int, int] = {}
    for cell in job.cells:
        highest[cell.draw] = max(cell.n, highest.get(cell.draw, 0))
    examples = test_of(first.task) + min(sum(highest.values()), pool_of(first.task))
    encoding = _scoring_estimate(first, examples, speeds) + (_estimate(ready_name(first), speeds) or NOTHING)
    share = encoding / len(job.cells)
    return [share + _solving_estimate(cell, speeds) for cell in job.cells]


def job_seconds(job: Job, speeds: Speeds) -> float:
    """Seconds of one job in one process."""
    return sum(estimate.seconds for estimate in job_estimates(job, speeds))
