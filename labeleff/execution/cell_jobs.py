"""Cells measured: trained alone or together, or solved on frozen features, then scored.

What fails becomes a failed record with its reason.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import UNSEEN
from labeleff.errors import PluginError, UnwritableError
from labeleff.execution.calibration import calibration_of
from labeleff.execution.draws import ChosenLabels
from labeleff.execution.environment import timestamp
from labeleff.execution.saved_readers import save_reader
from labeleff.execution.scoring import EncodedLabels, Score, score, score_frozen
from labeleff.execution.tuning import tuned
from labeleff.execution.workplace import Workplace, explain
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.protocols.interface import (
    Fitted,
    FrozenProtocol,
    Labelled,
    Preparation,
    Prepared,
    TrainedProtocol,
)
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.jsonl import reader_path
from labeleff.records.training_log import Training
from labeleff.scheduling.jobs import pretraining_key, steps
from labeleff.study.cell import Budget, Cell
from labeleff.training.device import Durations, Stopwatch, give_back, peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.loop import train_queue
from labeleff.training.packing.refilling import PendingTraining, ReadyTraining
from labeleff.training.slots import DivergedError, Progress


@dataclass(frozen=True)
class Cost:
    """Time and memory that a cell took, as its record has them."""

    spent: Durations
    peak_memory: int
    own_peak: bool


class Clock:
    """Measures what cells take, from the moment that it is made.

    For a cell that is trained with others `before` is the time already spent on it, and the peak of memory is theirs.
    """

    def __init__(self, device: torch.device, before: Durations | None = None) -> None:
        self._device, self._before = device, before or Durations()
        self._own_peak = before is None and reset_peak_memory(device)
        self._watch = Stopwatch(device)

    def cost(self, cells: int = 1) -> Cost:
        """Give what each of `cells` cells took that were measured together."""
        spent = (self._before + self._watch.stop()) / cells
        return Cost(spent, peak_memory(self._device), self._own_peak)


@dataclass(frozen=True)
class _CellInTraining:
    """A cell that is being trained with others."""

    prepared: Prepared
    labels: ChosenLabels
    spent: Durations
    """Time that its preparation took."""


def train_cell(place: Workplace, cell: Cell, progress: Progress) -> Record:
    """Fit a trained protocol on a copy of the encoder, then score it once on the whole test split."""
    clock = Clock(place.device)
    labels = place.labels(cell)
    return score_cell(place, cell, fit_cell(place, cell, labels, progress), labels, clock)


def fit_cell(place: Workplace, cell: Cell, labels: ChosenLabels, progress: Progress) -> Fitted:
    """Fit a trained protocol on a copy of the encoder to these labels."""
    assert cell.budget is not None
    fit: TrainedProtocol = lookup.resolve("protocol", cell.protocol.name)
    options, compute = lookup.options("protocol", cell.protocol), place.compute(cell)

    def train(data: Labelled, budget: Budget, told: Progress) -> Fitted:
        return fit(data, place.encoder(cell), cell.seed, budget, options, compute, told)

    data = place.labelled(cell, labels)
    if cell.tune is None:
        return train(data, cell.budget, progress)
    return tuned(cell, data, train, compute, steps(cell, cell.budget, functools.partial(_pool, place, cell)), progress)


def train_together(place: Workplace, cells: Sequence[Cell], slots: int | None, progress: Progress) -> Iterator[Record]:
    """Train cells of one arm as one model, each scored as soon as its training ends."""
    reset_peak_memory(place.device)
    in_training: dict[int, _CellInTraining] = {}
    waiting = []
    for number, cell in enumerate(cells):
        assert cell.budget is not None
        count = steps(cell, cell.budget, functools.partial(_pool, place, cell))
        waiting.append(PendingTraining(count, functools.partial(_begin, place, cell, number, in_training)))
    unfinished = dict(enumerate(cells))
    try:
        for number, outcome in train_queue(waiting, place.compute(cells[0]), slots, progress):
            measure = functools.partial(finish, place, state=in_training.pop(number, None), outcome=outcome)
            yield guarded(unfinished.pop(number), place.settings.run, measure)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in `guarded`: those still in the pack fail together
        reason, detail = explain(error)
        for cell in unfinished.values():
            yield Record.failed(place.settings.run, cell, reason, detail)


def _pool(place: Workplace, cell: Cell) -> int:
    """Count the training examples that a cell may see, with or without their labels."""
    return len(place.load(cell.task).pool(cell.tail))


def _begin(place: Workplace, cell: Cell, number: int, in_training: dict[int, _CellInTraining]) -> ReadyTraining:
    """Prepare a cell's training, and note it in `in_training` under its number."""
    watch = Stopwatch(place.device)
    assert cell.budget is not None
    labels = place.labels(cell)
    prepare: Preparation = lookup.preparation(cell.protocol.name)
    prepared = prepare(
        place.labelled(cell, labels),
        place.encoder(cell),
        cell.seed,
        cell.budget,
        lookup.options("protocol", cell.protocol),
        place.compute(cell),
    )
    in_training[number] = _CellInTraining(prepared, labels, watch.stop())
    return ReadyTraining(prepared.slot, cell.budget, prepared.steps)


def finish(place: Workplace, cell: Cell, state: _CellInTraining | None, outcome: Training | Exception) -> Record:
    """Score and record a cell that was trained with others; its time is its share of theirs.

    `outcome` is its training, or the error that ended it, which is raised.
    """
    if isinstance(outcome, Exception):
        raise outcome
    assert state is not None
    processor_seconds = sum(window.processor_seconds or 0.0 for window in outcome.windows)
    clock = Clock(place.device, state.spent + Durations(outcome.seconds, processor_seconds))
    return score_cell(place, cell, state.prepared.finish(outcome), state.labels, clock)


def solve_cells(place: Workplace, cells: Sequence[Cell]) -> list[PretrainingRecord | Record]:
    """Encode the labelled and the test images once with a frozen encoder, then solve all label sets together."""
    run = place.settings.run
    try:
        clock = Clock(place.device)
        sets = [place.labels(cell) for cell in cells]
        fitted, scores = _solve(place, cells, sets)
        cost = clock.cost(len(cells))
        give_back()
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in `guarded`: the cells fail together
        reason, detail = explain(error)
        return [Record.failed(run, cell, reason, detail) for cell in cells]
    records: list[PretrainingRecord | Record] = []
    for cell, one, test_score, labels in zip(cells, fitted, scores, sets, strict=True):
        measure = functools.partial(record_of, place, fitted=one, test_score=test_score, labels=labels, cost=cost)
        records.append(guarded(cell, run, measure))
    return records


def _solve(place: Workplace, cells: Sequence[Cell], sets: Sequence[ChosenLabels]) -> tuple[list[Fitted], list[Score]]:
    first = cells[0]
    compute, loaded = place.compute(first), place.load(first.task)
    encoder = place.encoder(first)
    model = compute.place(LastMap(encoder) if loaded.task.goal.dense else encoder).eval()
    before = state_sha256(encoder)
    union = functools.reduce(np.union1d, [labels.indices for labels in sets])
    encoded = EncodedLabels(model, loaded.labelled, union, compute)
    fit: FrozenProtocol = lookup.resolve("protocol", first.protocol.name)
    options = lookup.options("protocol", first.protocol)
    fitted: list[Fitted] = []
    # problems that share rows share their labels too, so those of other noise are solved by themselves
    for _, group in itertools.groupby(zip(cells, sets, strict=True), key=lambda pair: pair[0].named_task.label):
        pairs = list(group)
        rest = iter(pairs)
        for pack in encoded.packs([labels.indices for _, labels in pairs]):
            members = itertools.islice(rest, len(pack))
            fitted += fit([encoded.problem(s.indices, cell.seed, s.given) for cell, s in members], options)
    give_back()  # the C library would keep what the solver let go
    predictors, logits = [one.predictor for one in fitted], [one.logits for one in fitted]
    goals = [place.goal(cell) for cell in cells]
    measures = [calibration_of(loaded.task, goal, one) for goal, one in zip(goals, fitted, strict=True)]
    unseen, outputs = [loaded.unseen(labels.indices) for labels in sets], loaded.task.outputs
    scores = score_frozen(model, predictors, loaded.test_examples, compute, logits, outputs, goals, measures, unseen)
    if state_sha256(encoder) != before:
        raise PluginError(f"encoder {first.encoder.label}: weights or statistics changed although it is frozen")
    return fitted, scores


def score_cell(place: Workplace, cell: Cell, fitted: Fitted, labels: ChosenLabels, clock: Clock) -> Record:
    """Score and record a fitted cell, which `clock` has measured so far."""
    loaded = place.load(cell.task)
    goal, unseen = place.goal(cell), loaded.unseen(labels.indices)
    calibration = calibration_of(loaded.task, goal, fitted)
    test_score = score(fitted.predictor, loaded.test_examples, place.compute(cell), goal, calibration, unseen)
    reader = fitted.predictor if loaded.task.text is not None else None
    if place.settings.readers is not None and isinstance(reader, nn.Sequential):
        save_reader(reader_path(place.settings.readers, cell.key), reader, cell, loaded.task)
    return record_of(place, cell, fitted, test_score, labels, clock.cost())


def record_of(
    place: Workplace,
    cell: Cell,
    fitted: Fitted,
    test_score: Score,
    labels: ChosenLabels,
    cost: Cost,
) -> Record:
    """Make the record of a cell that was fitted and scored; raises DivergedError where it wasn't solved."""
    if fitted.failure is not None:
        raise DivergedError(fitted.failure)
    loaded = place.load(cell.task)
    return Record(
        run=place.settings.run,
        key=cell.key,
        cell=cell,
        status="ok",
        metrics=_metrics(test_score),
        calibration={**test_score.calibration(), **_temperature(fitted)},
        class_hits=test_score.class_hits,
        test_count=len(loaded.task.test),
        test_loss=test_score.loss if test_score.loss is not None and math.isfinite(test_score.loss) else None,
        test_seconds=test_score.seconds,
        indices_sha256=labels.sha256,
        missing_classes=labels.missing,
        repeats=loaded.repeats(labels.indices),
        wrong_labels=labels.wrong,
        pretraining=pretraining_key(cell),
        training=fitted.training,
        train_metrics=fitted.metrics,
        trials=fitted.trials,
        tuned=fitted.tuned._asdict() if fitted.tuned else {},
        peak_memory=cost.peak_memory,
        own_peak=cost.own_peak,
        seconds=cost.spent.seconds,
        processor_seconds=cost.spent.processor_seconds,
        finished=timestamp(),
    )


def _temperature(fitted: Fitted) -> dict[str, float]:
    """The temperature of a predictor, with the number of labels behind it; empty without one."""
    found = fitted.temperature
    return {} if found is None else {"temperature": found.value, "temperature_labels": found.labels}


def _metrics(test_score: Score) -> dict[str, float | None]:
    """All metrics of a score, with the accuracy on unseen questions where there are some."""
    metrics: dict[str, float | None] = dict(test_score.metrics())
    if test_score.of_marked is not None:
        metrics[UNSEEN] = test_score.of_marked.metrics()["accuracy"]
    return metrics


def guarded(cell: Cell, run: str, measure: Callable[[Cell], Record]) -> Record:
    """Measure a cell; an error becomes a failed record with its reason, except UnwritableError, which is raised."""
    try:
        return measure(cell)
    except UnwritableError:
        raise  # a full disk is no cell's failure, and would be every cell's
    except Exception as error:  # noqa: BLE001  a failed cell is a record; the rest of the study goes on
        return Record.failed(run, cell, *explain(error))
