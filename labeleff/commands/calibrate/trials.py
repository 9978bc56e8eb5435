"""One kind of work timed by the runner's own code on made data: rates per second, and peak memory.

A training is run short and longer, again and again, after one run for warm-up: the difference of the medians is steps
alone, and what is left of the whole is the time that it takes to make one ready. On a CPU all times are those of the
process, so that other programs don't count.
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
from labeleff.commands.calibrate.kinds import Kind, Measured
from labeleff.commands.calibrate.made_data import missing_bytes, stand_in
from labeleff.errors import LabeleffError
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
    ready_name,
    scoring_name,
    solving_names,
    work_name,
)
from labeleff.study.cell import Budget, Cell, Pretraining, Steps
from labeleff.training.device import now, peak_memory, reset_peak_memory


class CalibrationBench(JobRunner):
    """A `Bench` that needs no data and no pretrained encoder."""

    def load(self, spec: Spec) -> LoadedTask:
        """The stand-in of a task, made once a process."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(stand_in(spec), self.device)
        return self._tasks[spec.label]

    def encoder(self, cell: Cell) -> Encoder:
        """An untrained one."""
        return self.new_encoder(cell.pretraining)

    def clock(self) -> float:
        """Seconds by the clock that counts: on a CPU the process's own, which other programs don't slow."""
        return time.process_time() if self.device.type == CPU else now(self.device)

    def spent(self, training: Training) -> float:
        """Seconds by that clock that a training's steps took."""
        return sum(
            effective_seconds(window.seconds, window.processor_seconds, self.device.type) for window in training.windows
        )

    def features(self, cell: Cell) -> nn.Module:
        """What a frozen protocol sees of an encoder: features (B, dim), or maps (B, dim, h, w) of them."""
        encoder, dense = self.encoder(cell), self.load(cell.task).task.goal.dense
        return self.compute(cell).place(LastMap(encoder) if dense else encoder).eval()


REPEATS = 3
MOST_ROWS = 50_000
"""Rows of the larger problem at most; time grows with rows."""
SCORERS = 3
"""Predictors that are scored together, to tell their time from that of the encoder."""
_NO_ROW = 1e-12
"""Seconds of a row where more of them take no more time."""


def frozen(cells: Sequence[Cell], bench: CalibrationBench) -> Measured:
    """Rates of a frozen protocol, from a cell of few labels and one of many."""
    first, loaded = cells[0], bench.load(cells[0].task)
    compute, tested = bench.compute(first), len(loaded.task.test)
    fit: FrozenProtocol = lookup.resolve("protocol", first.protocol.name)
    options = lookup.options("protocol", first.protocol)
    model = bench.features(first)
    most = MOST_ROWS // int(loaded.task.goal.target(loaded.task.test.labels[:1]).numel())
    sizes = sorted({min(cell.n, most) for cell in cells})
    encoded = EncodedLabels(model, loaded.labelled, np.arange(sizes[-1]), compute)
    problems = [encoded.problem(np.arange(size)) for size in sizes]
    [fitted] = fit(problems[-1:], options)

    def score(count: int) -> float:
        predictors = [fitted.predictor] * count
        return _median(lambda: score_frozen(model, predictors, loaded.test_examples, compute), bench)

    solved = [_median(lambda one=one: fit([one], options), bench) for one in problems]  # type: ignore[misc]
    alone, together = score(1), score(SCORERS)
    scored = max((together - alone) / (SCORERS - 1), INSTANT)
    fixed, row = _line([len(problem.labels) for problem in problems], solved)
    names = solving_names(first)
    return Measured(
        {
            names[0]: 1 / fixed,
            names[1]: 1 / row,
            names[2]: tested / scored,
            scoring_name(first): tested / max(alone - scored, INSTANT),
            ready_name(first): 1 / _median(lambda: bench.features(first), bench),
        }
    )


def _line(rows: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Seconds of a problem without rows, and of each row, by its first and its last one; neither is negative."""
    more = rows[-1] - rows[0]
    row = max(seconds[-1] - seconds[0], 0.0) / more if more else 0.0
    fixed = seconds[0] - row * rows[0]
    if fixed < 0:
        fixed, row = 0.0, seconds[-1] / rows[-1]
    return max(fixed, INSTANT), max(row, _NO_ROW)


def _median(work: Callable[[], object], bench: CalibrationBench) -> float:
    """Seconds that something takes, the median of several times."""
    taken = []
    for _ in range(REPEATS):
        began = bench.clock()
        work()
        taken.append(bench.clock() - began)
    return max(statistics.median(taken), INSTANT)


SHORT, LONGEST = 4, 200
"""Steps of a short training, and the most of a longer one."""
LONGER = 8
"""Steps at least that a longer one has more."""
SECONDS = 1.0
"""That a longer one should take."""
LEAST, MOST = 2, 4
"""Repetitions of each kind."""
PATIENCE = 6.0
"""Seconds on the wall after which no more of them are begun than `LEAST`."""
PACK = 16
"""Cells at most that are trained together on an accelerator."""
RATE = 1e-5
"""Learning rate, so that no loss runs away."""


class Run(NamedTuple):
    """What a training of some steps took."""

    steps: int
    images: int
    training: float
    """Seconds of its steps."""
    whole: float
    """Seconds with everything around them but scoring."""
    scored: float | None = None
    """Examples scored a second."""


def timed(kind: Kind, bench: CalibrationBench) -> Measured:
    """Time one kind of work; raises LabeleffError where the runner's code gives a failed record."""
    task = kind.asked.task
    bench.load(task)
    own, wall, worked = reset_peak_memory(bench.device), time.perf_counter(), time.process_time()
    if not kind.cells:
        found = _trained(kind.pretraining, lambda steps, number: _pretraining(kind.pretraining, bench, steps, number))
    elif kind.cells[0].budget is not None:
        found = _trained(kind.cells[0], lambda steps, number: _cells(kind.cells[0], bench, steps, number))
    else:
        found = frozen(kind.cells, bench)
    peak = peak_memory(bench.device) + missing_bytes(task) if own else None
    slowed = (time.perf_counter() - wall) / max(time.process_time() - worked, INSTANT)
    return Measured(found.rates, found.spread, slowed if bench.device.type == "cpu" else None, peak)


def _short(budget: Budget | None, steps: int) -> Budget:
    """The budget with another number of steps, and with a small rate."""
    assert budget is not None
    change = {"steps": Steps(min=steps, max=steps), "epochs": None, "lr": RATE}
    return budget.model_copy(update=change)


def _pretraining(asked: Pretraining, bench: CalibrationBench, steps: int, number: int) -> Run:
    """Another one each time: what was trained once is in the cache."""
    again = Pretraining.model_validate({**asked.model_dump(), "budget": _short(asked.budget, steps), "seed": number})
    [record] = bench.perform(Pretrain(again), lambda *_: None)
    if not isinstance(record, PretrainingRecord) or record.training is None:
        raise LabeleffError(f"{work_name(asked)}: {record.reason}")
    seconds = bench.spent(record.training)
    return Run(steps, record.training.images, seconds, seconds)


def _cells(cell: Cell, bench: CalibrationBench, steps: int, number: int) -> Run:
    """On an accelerator several at once, as runs train them; each has its share of the time."""
    alone = bench.device.type == "cpu" or isinstance(jobs_for([cell], lambda _: True, slots=None)[0], Train)
    change = {**cell.model_dump(), "budget": _short(cell.budget, steps)}
    seeds = range(PACK * number, PACK * number + (1 if alone else PACK))
    cells = tuple(Cell.model_validate({**change, "seed": seed}) for seed in seeds)
    records = list(bench.perform(Train(cells) if alone else TrainTogether(cells), lambda *_: None))
    runs = [_run(record, bench, work_name(cell)) for record in records]
    return Run(steps, runs[0].images, *(statistics.fmean(values) for values in list(zip(*runs, strict=True))[2:]))


def _run(record: PretrainingRecord | Record, bench: CalibrationBench, name: str) -> Run:
    training = record.training
    if not isinstance(record, Record) or training is None:
        raise LabeleffError(f"{name}: {record.reason}")
    scored, whole = parts(record, bench.device.type)
    return Run(
        training.steps, training.images, bench.spent(training), whole - scored, (record.test_count or 0) / scored
    )


def _trained(asked: Cell | Pretraining, run: Callable[[int, int], Run]) -> Measured:
    """Rates of a kind of training from short and longer runs of it."""
    numbers = itertools.count()
    warm = run(SHORT, next(numbers))
    steps = SHORT + min(max(int(SECONDS * warm.steps / max(warm.training, INSTANT)), LONGER), LONGEST)
    began = time.perf_counter()
    short: list[Run] = []
    longer: list[Run] = []
    while len(longer) < LEAST or (len(longer) < MOST and time.perf_counter() - began < PATIENCE):
        short.append(run(SHORT, next(numbers)))
        longer.append(run(steps, next(numbers)))
    less, more = (statistics.median(one.training for one in runs) for runs in (short, longer))
    images = longer[0].images - short[0].images
    rate = images / (more - less) if more > less else longer[0].images / more
    rest = statistics.median(one.whole - one.images / rate for one in (*short, *longer))
    rates = {work_name(asked): rate, ready_name(asked): 1 / max(rest, INSTANT)}
    scored = [one.scored for one in (*short, *longer) if one.scored is not None]
    if isinstance(asked, Cell) and scored:
        rates[scoring_name(asked)] = statistics.median(scored)
    return Measured(rates, _spread([one.training for one in longer]))


def _spread(seconds: Sequence[float]) -> float:
    return (max(seconds) - min(seconds)) / statistics.median(seconds)
