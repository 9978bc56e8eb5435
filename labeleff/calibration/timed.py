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

from labeleff.calibration.bench import CalibrationBench
from labeleff.calibration.frozen import frozen
from labeleff.calibration.kinds import Kind, Measured
from labeleff.calibration.stand_ins import missing_bytes
from labeleff.cell import Budget, Cell, Pretraining, Steps
from labeleff.device import peak_memory, reset_peak_memory
from labeleff.errors import LabeleffError
from labeleff.jobs import Pretrain, Train, TrainTogether, jobs_for
from labeleff.record import PretrainingRecord, Record
from labeleff.speeds import INSTANT, parts, ready_name, scoring_name, work_name

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
