"""One kind of work timed by the runner's own code on made data: rates and peak memory.

After one run for warm-up a training is repeated with few and with more steps: the difference of the median times is
that of steps alone, and the remainder is the time of preparing a training. On a CPU all times are processor time, so
that other programs don't count.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.calibrate.kinds import Kind, Measurement
from labeleff.commands.calibrate.made_data import missing_bytes, stand_in
from labeleff.errors import DataError, LabeleffError
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.scoring import EncodedLabels, score_frozen
from labeleff.execution.workplace import LoadedTask
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.protocols.interface import FrozenProtocol
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.training_log import Training
from labeleff.scheduling.jobs import Pretrain, Train, TrainTogether, jobs_for
from labeleff.scheduling.speeds import (
    CPU,
    INSTANT,
    effective_seconds,
    parts,
    reads_stories,
    ready_name,
    scoring_name,
    solving_names,
    work_name,
)
from labeleff.study.cell import Budget, Cell, Pretraining, Steps
from labeleff.training.device import now, peak_memory, reset_peak_memory
from labeleff.training.examples import Task, load_task


class CalibrationRunner(JobRunner):
    """A job runner that needs no data and no pretrained encoder."""

    def load(self, spec: Spec) -> LoadedTask:
        """Make the stand-in of a task of images, once per process; stories and items are read."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(self._task(spec), self.device)
        return self._tasks[spec.label]

    def _task(self, spec: Spec) -> Task:
        if lookup.find("task", spec.name).examples == "images":
            return stand_in(spec)
        try:
            return load_task(spec, self._source)
        except DataError:
            if reads_stories(spec):
                return stand_in(spec)
            raise

    def encoder(self, cell: Cell) -> Encoder:
        """Build an untrained encoder in place of the pretrained one."""
        return self.new_encoder(cell.pretraining)

    def clock(self) -> float:
        """Read the clock in seconds: on a CPU processor time, which other programs don't change, else wall time."""
        return time.process_time() if self.device.type == CPU else now(self.device)

    def spent(self, training: Training) -> float:
        """Sum the seconds by that clock that a training's steps took."""
        return sum(
            effective_seconds(window.seconds, window.processor_seconds, self.device.type) for window in training.windows
        )

    def features(self, cell: Cell) -> nn.Module:
        """Build the model that a frozen protocol works on: it gives features (B, dim), or maps (B, dim, h, w)."""
        encoder, dense = self.encoder(cell), self.load(cell.task).task.goal.dense
        return self.compute(cell).place(LastMap(encoder) if dense else encoder).eval()


REPEATS = 3
MOST_ROWS = 50_000
"""Most rows of the larger problem; time grows with rows."""
SCORERS = 3
"""Predictors that are scored together, to separate their time from the encoder's."""
_NO_ROW = 1e-12
"""Seconds per row where more rows take no more time."""


def time_frozen(cells: Sequence[Cell], runner: CalibrationRunner) -> Measurement:
    """Measure the rates of a frozen protocol, from a cell with few labels and one with many."""
    first, loaded = cells[0], runner.load(cells[0].task)
    compute, tested = runner.compute(first), len(loaded.task.test)
    fit: FrozenProtocol = lookup.resolve("protocol", first.protocol.name)
    options = lookup.options("protocol", first.protocol)
    model = runner.features(first)
    most = MOST_ROWS // int(loaded.task.goal.target(loaded.task.test.labels[:1]).numel())
    sizes = sorted({min(cell.n, most) for cell in cells})
    encoded = EncodedLabels(model, loaded.labelled, np.arange(sizes[-1]), compute)
    problems = [encoded.problem(np.arange(size)) for size in sizes]
    [fitted] = fit(problems[-1:], options)

    def score(count: int) -> float:
        predictors = [fitted.predictor] * count
        return _median(lambda: score_frozen(model, predictors, loaded.test_examples, compute), runner)

    solving = [_median(lambda one=one: fit([one], options), runner) for one in problems]  # type: ignore[misc]
    alone, together = score(1), score(SCORERS)
    scoring = max((together - alone) / (SCORERS - 1), INSTANT)
    fixed, row = _line([len(problem.labels) for problem in problems], solving)
    names = solving_names(first)
    return Measurement(
        {
            names[0]: 1 / fixed,
            names[1]: 1 / row,
            names[2]: tested / scoring,
            scoring_name(first): tested / max(alone - scoring, INSTANT),
            ready_name(first): 1 / _median(lambda: runner.features(first), runner),
        }
    )


def _line(rows: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Fit a line through the first and the last point: fixed seconds and seconds per row, neither negative."""
    more = rows[-1] - rows[0]
    row = max(seconds[-1] - seconds[0], 0.0) / more if more else 0.0
    fixed = seconds[0] - row * rows[0]
    if fixed < 0:
        fixed, row = 0.0, seconds[-1] / rows[-1]
    return max(fixed, INSTANT), max(row, _NO_ROW)


def _median(work: Callable[[], object], runner: CalibrationRunner) -> float:
    """Time a call several times, and give the median in seconds."""
    seconds = []
    for _ in range(REPEATS):
        start = runner.clock()
        work()
        seconds.append(runner.clock() - start)
    return max(statistics.median(seconds), INSTANT)


SHORT, LONGEST = 4, 200
"""Steps of a short training, and the most steps that a longer one has beyond it."""
LONGER = 8
"""Least steps that a longer training has beyond a short one."""
SECONDS = 1.0
"""Seconds that a longer training should take."""
LEAST, MOST = 2, 4
"""Fewest and most repetitions of each length."""
PATIENCE = 6.0
"""Seconds of wall time after which no repetition beyond `LEAST` begins."""
PACK = 16
"""Most cells that are trained together on an accelerator."""
RATE = 1e-5
"""Learning rate, so that no loss runs away."""


class Run(NamedTuple):
    """The time that a training of some steps took."""

    steps: int
    images: int
    training: float
    """Seconds of its steps."""
    whole: float
    """Seconds of the whole training, without scoring."""
    scored: float | None = None
    """Examples scored per second."""


def time_kind(kind: Kind, runner: CalibrationRunner) -> Measurement:
    """Time one kind of work; raises LabeleffError where the runner's code gives a failed record."""
    task = kind.representative.task
    runner.load(task)
    own_peak, wall, processor = reset_peak_memory(runner.device), time.perf_counter(), time.process_time()
    if not kind.cells:
        result = _training_rates(
            kind.pretraining, lambda steps, number: _pretraining(kind.pretraining, runner, steps, number)
        )
    elif kind.cells[0].budget is not None:
        result = _training_rates(kind.cells[0], lambda steps, number: _cells(kind.cells[0], runner, steps, number))
    else:
        result = time_frozen(kind.cells, runner)
    peak = peak_memory(runner.device) + missing_bytes(task) if own_peak else None
    slowed = (time.perf_counter() - wall) / max(time.process_time() - processor, INSTANT)
    return Measurement(result.rates, result.spread, slowed if runner.device.type == "cpu" else None, peak)


def little(kind: Kind, runner: CalibrationRunner, number: int) -> None:
    """Do a little of a kind of work: a short training, which other numbers begin anew, or a frozen protocol."""
    if not kind.cells:
        _pretraining(kind.pretraining, runner, SHORT, number)
    elif kind.cells[0].budget is not None:
        _cells(kind.cells[0], runner, SHORT, number)
    else:
        time_frozen(kind.cells[:1], runner)


def _short(budget: Budget | None, steps: int) -> Budget:
    """Copy a budget with another number of steps and a small learning rate."""
    assert budget is not None
    change = {"steps": Steps(min=steps, max=steps), "epochs": None, "lr": RATE}
    return budget.model_copy(update=change)


def _pretraining(pretraining: Pretraining, runner: CalibrationRunner, steps: int, number: int) -> Run:
    """Run a pretraining with another seed each time, as what was trained once is in the cache."""
    change = {"budget": _short(pretraining.budget, steps), "seed": number}
    variant = Pretraining.model_validate({**pretraining.model_dump(), **change})
    [record] = runner.perform(Pretrain(variant), lambda *_: None)
    if not isinstance(record, PretrainingRecord) or record.training is None:
        raise LabeleffError(f"{work_name(pretraining)}: {record.reason}")
    seconds = runner.spent(record.training)
    return Run(steps, record.training.images, seconds, seconds)


def _cells(cell: Cell, runner: CalibrationRunner, steps: int, number: int) -> Run:
    """Train a cell; on an accelerator several at once, as runs train them, each with its share of the time."""
    alone = runner.device.type == "cpu" or isinstance(jobs_for([cell], lambda _: True, slots=None)[0], Train)
    change = {**cell.model_dump(), "budget": _short(cell.budget, steps)}
    seeds = range(PACK * number, PACK * number + (1 if alone else PACK))
    cells = tuple(Cell.model_validate({**change, "seed": seed}) for seed in seeds)
    records = list(runner.perform(Train(cells) if alone else TrainTogether(cells), lambda *_: None))
    runs = [_run(record, runner, work_name(cell)) for record in records]
    return Run(steps, runs[0].images, *(statistics.fmean(values) for values in list(zip(*runs, strict=True))[2:]))


def _run(record: PretrainingRecord | Record, runner: CalibrationRunner, name: str) -> Run:
    training = record.training
    if not isinstance(record, Record) or training is None:
        raise LabeleffError(f"{name}: {record.reason}")
    scoring, whole = parts(record, runner.device.type)
    return Run(
        training.steps, training.images, runner.spent(training), whole - scoring, (record.test_count or 0) / scoring
    )


def _training_rates(work: Cell | Pretraining, run: Callable[[int, int], Run]) -> Measurement:
    """Measure the rates of a kind of training from short and longer runs of it."""
    numbers = itertools.count()
    warm = run(SHORT, next(numbers))
    steps = SHORT + min(max(int(SECONDS * warm.steps / max(warm.training, INSTANT)), LONGER), LONGEST)
    start = time.perf_counter()
    short: list[Run] = []
    longer: list[Run] = []
    while len(longer) < LEAST or (len(longer) < MOST and time.perf_counter() - start < PATIENCE):
        short.append(run(SHORT, next(numbers)))
        longer.append(run(steps, next(numbers)))
    less, more = (statistics.median(one.training for one in runs) for runs in (short, longer))
    images = longer[0].images - short[0].images
    rate = images / (more - less) if more > less else longer[0].images / more
    preparation = statistics.median(one.whole - one.images / rate for one in (*short, *longer))
    rates = {work_name(work): rate, ready_name(work): 1 / max(preparation, INSTANT)}
    scoring_rates = [one.scored for one in (*short, *longer) if one.scored is not None]
    if isinstance(work, Cell) and scoring_rates:
        rates[scoring_name(work)] = statistics.median(scoring_rates)
    return Measurement(rates, _spread([one.training for one in longer]))


def _spread(seconds: Sequence[float]) -> float:
    return (max(seconds) - min(seconds)) / statistics.median(seconds)
