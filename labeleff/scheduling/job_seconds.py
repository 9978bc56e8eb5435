"""Estimated seconds of one job: examples to process over measured or guessed speeds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import OptionError
from labeleff.records import training_log
from labeleff.records.run_estimate import Source, worst
from labeleff.scheduling.jobs import Climb, Job, Pretrain, drawn, steps
from labeleff.scheduling.solving_guess import GIGAFLOPS, solving_seconds
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
    "vit_tiny": 2110.0,
    "vit_small": 8350.0,
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
    """Number of cores that this process may use: `LABELEFF_CORES`, else those that the system lets it run on.

    Quotas of containers don't show in the latter. Raises OptionError for a variable that is no number from 1 on.
    """
    if told := os.environ.get("LABELEFF_CORES", "").strip():
        if not told.isdecimal() or int(told) < 1:
            raise OptionError(f"LABELEFF_CORES: found {told!r}, expected a number of cores from 1 on")
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WORTH_WORKERS = 20.0
"""Estimated seconds of training below which starting worker processes would take longer than it saves."""


def processes_for(seconds: float, requested: int | None, cores: int) -> int:
    """Processes that work of these estimated `seconds` gets on CPUs: as requested, else one per core where it pays."""
    return requested or (cores if seconds > WORTH_WORKERS else 1)


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
    plugin = lookup.find("encoder", encoder.name)
    for option, power in {"depth": 1, "patch": -2}.items():
        if plugin.tokens and option in plugin.options:
            usual = plugin.options[option]
            scale *= (float(encoder.options.get(option, usual)) / float(usual)) ** power
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


class Sizes(NamedTuple):
    """Numbers of a task's training examples, test examples and classes, as its data has them."""

    train: int
    test: int
    classes: int


_SIZES: dict[str, Sizes] = {}
"""Sizes by task, where its data has been read in this process."""


def learn_sizes(sizes: Mapping[str, Sizes]) -> None:
    """Remember the sizes of tasks by label, as only their data tell them."""
    _SIZES.update(sizes)


def known_sizes() -> dict[str, Sizes]:
    """The sizes that were learnt, for processes that are started."""
    return dict(_SIZES)


def pool_of(task: Spec) -> int:
    """Number of training examples of a task; 10,000 where only the data itself could tell and wasn't read."""
    if task.label in _SIZES:
        return _SIZES[task.label].train
    return lookup.find("task", task.name).pool_of(task.options) or 10_000


def _pretext_images(task: Spec, most: int | None = None) -> int:
    """Number of images that a pretext sees: the training images, and those without labels, or the `most` of them."""
    images = pool_of(task) + lookup.find("task", task.name).more
    return images if most is None else min(images, most)


def test_of(task: Spec) -> int:
    """Number of test examples of a task; 10,000 images or 1,000 stories where its data would have to be read."""
    if task.label in _SIZES:
        return _SIZES[task.label].test
    return int(task.options.get("test", 1_000 if reads_stories(task) else 10_000))


def examples_of(task: Spec) -> int:
    """Number of all examples of a task, those without labels included."""
    return _pretext_images(task) + test_of(task)


def classes_of(task: Spec) -> int | None:
    """Number of classes of a task; None where only the data tells and wasn't read."""
    return _SIZES[task.label].classes if task.label in _SIZES else lookup.find("task", task.name).classes


def steps_of(work: Cell | Pretraining) -> int:
    """Optimiser steps that a pretraining or a cell takes; 0 where nothing is trained."""
    if isinstance(work, Pretraining):
        return work.budget.steps_for(_pretext_images(work.task, work.images)) if work.budget else 0
    if work.budget is None:
        return 0
    return steps(work, work.budget, lambda: pool_of(work.task))


def pretraining_estimate(pretraining: Pretraining, speeds: Speeds) -> Estimate:
    """Time of one pretraining in one process; filling in weights from outside counts as none."""
    if pretraining.budget is None:
        return NOTHING
    trainings = 1 + (pretraining.tune.trainings if pretraining.tune else 0)
    return _training_estimate(pretraining, trainings * steps_of(pretraining) * pretraining.budget.batch, speeds)


def probe_estimate(pretraining: Pretraining, plan: ProbePlan | None, speeds: Speeds) -> Estimate:
    """Time of all linear probes during one pretraining in one process, by the images that they encode.

    It is too short where every pixel has a label: there solving takes time too.
    """
    tasks = len(plan.tasks_of(pretraining)) if plan else 0
    if plan is None or pretraining.budget is None or not tasks:
        return NOTHING
    probe = plan.probe
    rate, source = _rate(pretraining.encoder, pretraining.task, speeds)
    pool, batch = _pretext_images(pretraining.task, pretraining.images), pretraining.budget.batch
    probes = 1 + math.ceil(training_log.count(pretraining.budget.steps_for(pool), pool, batch) / probe.every)
    return Estimate(tasks * probes * (probe.labels + probe.held_out) / (rate * ENCODE_SPEEDUP), source)


def _solving_estimate(cell: Cell, speeds: Speeds) -> Estimate:
    """Time of solving a frozen cell on computed features, and of scoring it on those of the test split."""
    cells = GRID**2 if is_dense(cell.task) else 1
    fixed, rows, scored = solving_names(cell)
    estimate = _estimate(fixed, speeds)
    if estimate is None:
        tested = test_of(cell.task)
        whole = solving_seconds(cell, classes_of(cell.task), tested)
        return Estimate(cells * (cell.n + tested) / _GRID_ROWS_PER_SECOND if cells > 1 else whole, "catalogue")
    estimate += _estimate(rows, speeds, cells * cell.n) or NOTHING
    return estimate + (_estimate(scored, speeds, test_of(cell.task)) or NOTHING)


def _trained_cell_estimate(cell: Cell, budget: Budget, speeds: Speeds) -> Estimate:
    """Time of one cell of a trained protocol."""
    trainings = 1 + (cell.tune.trainings if cell.tune else 0)
    training = _training_estimate(cell, trainings * steps_of(cell) * drawn(cell.protocol, budget.batch), speeds)
    return training + _scoring_estimate(cell, test_of(cell.task), speeds)


def _with_scoring(job: Job, estimates: list[Estimate], speeds: Speeds) -> list[Estimate]:
    """Add the time in which the models of selected cells score the pool, except at the last rung, where none asks."""
    if not isinstance(job, Climb):
        return estimates
    asks = [_scoring_estimate(cell, pool_of(cell.task), speeds) for cell in job.cells[:-1]]
    return [estimate + ask for estimate, ask in zip(estimates, [*asks, NOTHING], strict=True)]


def job_estimates(job: Job, speeds: Speeds) -> list[Estimate]:
    """Time of every cell of a job in one process, or of its pretraining.

    Frozen cells share the encoding of the test split and of all their labelled examples. The labelled examples of a
    draw are all among those of its highest rung, so each draw is encoded once. Where labels are selected, the whole
    pool is encoded or scored; the strategy's own arithmetic is left out.
    """
    if isinstance(job, Pretrain):
        return [pretraining_estimate(job.pretraining, speeds)]
    if not job.cells:  # what remains of a job after its worker died
        return []
    first = job.cells[0]
    if first.budget is not None:
        trained = [_trained_cell_estimate(cell, cell.budget, speeds) for cell in job.cells if cell.budget]
        return _with_scoring(job, trained, speeds)
    highest: dict[int, int] = {}
    for cell in job.cells:
        highest[cell.draw] = max(cell.n, highest.get(cell.draw, 0))
    labelled = pool_of(first.task) if isinstance(job, Climb) else min(sum(highest.values()), pool_of(first.task))
    examples = test_of(first.task) + labelled
    encoding = _scoring_estimate(first, examples, speeds) + (_estimate(ready_name(first), speeds) or NOTHING)
    share = encoding / len(job.cells)
    return [share + _solving_estimate(cell, speeds) for cell in job.cells]


def job_seconds(job: Job, speeds: Speeds) -> float:
    """Seconds of one job in one process."""
    return sum(estimate.seconds for estimate in job_estimates(job, speeds))
