"""Cells measured: trained alone or together, or solved on frozen features, then scored.

What fails becomes a failed record with its reason.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import PluginError, UnwritableError
from labeleff.execution.draws import ChosenLabels
from labeleff.execution.saved_readers import save_reader
from labeleff.execution.scoring import EncodedLabels, Score, score, score_frozen
from labeleff.execution.workplace import Workplace, explain, timestamp
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.protocols.interface import Fitted, FrozenProtocol, Preparation, Prepared, TrainedProtocol
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.jsonl import reader_path
from labeleff.records.training_log import Training
from labeleff.scheduling.jobs import pretraining_key, takes_unlabelled
from labeleff.study.cell import Cell
from labeleff.training.device import Durations, Stopwatch, give_back, peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.loop import train_queue
from labeleff.training.packing.refilling import PendingTraining, ReadyTraining
from labeleff.training.slots import Progress


@dataclass(frozen=True)
class _Cost:
    """Time and memory that a cell took, as its record has them."""

    spent: Durations
    peak_memory: int
    own_peak: bool


class _Clock:
    """Measures what cells take, from the moment that it is made.

    For a cell that is trained with others `before` is the time already spent on it, and the peak of memory is theirs.
    """

    def __init__(self, device: torch.device, before: Durations | None = None) -> None:
        self._device, self._before = device, before or Durations()
        self._own_peak = before is None and reset_peak_memory(device)
        self._watch = Stopwatch(device)

    def cost(self, cells: int = 1) -> _Cost:
        """Give what each of `cells` cells took that were measured together."""
        spent = (self._before + self._watch.stop()) / cells
        return _Cost(spent, peak_memory(self._device), self._own_peak)


@dataclass(frozen=True)
class _CellInTraining:
    """A cell that is being trained with others."""

    prepared: Prepared
    labels: ChosenLabels
    spent: Durations
    """Time that its preparation took."""


def train_cell(place: Workplace, cell: Cell, progress: Progress) -> Record:
    """Fit a trained protocol on a copy of the encoder, then score it once on the whole test split."""
    clock = _Clock(place.device)
    assert cell.budget is not None
    labels = place.labels(cell)
    fit: TrainedProtocol = lookup.resolve("protocol", cell.protocol.name)
    fitted = fit(
        place.labelled(cell, labels),
        place.encoder(cell),
        cell.seed,
        cell.budget,
        lookup.options("protocol", cell.protocol),
        place.compute(cell),
        progress,
    )
    return _score_cell(place, cell, fitted, labels, clock)


def train_together(place: Workplace, cells: Sequence[Cell], slots: int | None, progress: Progress) -> Iterator[Record]:
    """Train cells of one arm as one model, each scored as soon as its training ends."""
    reset_peak_memory(place.device)
    in_training: dict[int, _CellInTraining] = {}
    waiting = []
    for number, cell in enumerate(cells):
        assert cell.budget is not None
        pool = len(place.load(cell.task).task.train) if takes_unlabelled(cell.protocol) else None
        load = functools.partial(_begin, place, cell, number, in_training)
        waiting.append(PendingTraining(cell.budget.steps_for(cell.n, pool), load))
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
    clock = _Clock(place.device, state.spent + Durations(outcome.seconds, processor_seconds))
    return _score_cell(place, cell, state.prepared.finish(outcome), state.labels, clock)


def solve_cells(place: Workplace, cells: Sequence[Cell]) -> list[PretrainingRecord | Record]:
    """Encode the labelled and the test images once with a frozen encoder, then solve all label sets together."""
    run = place.settings.run
    try:
        clock = _Clock(place.device)
        sets = [place.labels(cell) for cell in cells]
        fitted, scores = _solve(place, cells, [labels.indices for labels in sets])
        cost = clock.cost(len(cells))
        give_back()
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in `guarded`: the cells fail together
        reason, detail = explain(error)
        return [Record.failed(run, cell, reason, detail) for cell in cells]
    records: list[PretrainingRecord | Record] = []
    for cell, one, test_score, labels in zip(cells, fitted, scores, sets, strict=True):
        measure = functools.partial(_record, place, fitted=one, test_score=test_score, labels=labels, cost=cost)
        records.append(guarded(cell, run, measure))
    return records


def _solve(place: Workplace, cells: Sequence[Cell], sets: Sequence[np.ndarray]) -> tuple[list[Fitted], list[Score]]:
    first = cells[0]
    compute, loaded = place.compute(first), place.load(first.task)
    encoder = place.encoder(first)
    model = compute.place(LastMap(encoder) if loaded.task.goal.dense else encoder).eval()
    before = state_sha256(encoder)
    encoded = EncodedLabels(model, loaded.labelled, functools.reduce(np.union1d, sets), compute)
    fit: FrozenProtocol = lookup.resolve("protocol", first.protocol.name)
    options = lookup.options("protocol", first.protocol)
    fitted: list[Fitted] = []
    seeds = iter([cell.seed for cell in cells])
    for pack in encoded.packs(sets):
        fitted += fit([encoded.problem(indices, next(seeds)) for indices in pack], options)
    give_back()  # the C library would keep what the solver let go
    predictors, logits = [one.predictor for one in fitted], [one.logits for one in fitted]
    scores = score_frozen(model, predictors, loaded.test_examples, compute, logits, loaded.task.outputs)
    if state_sha256(encoder) != before:
        raise PluginError(f"encoder {first.encoder.label}: weights or statistics changed although it is frozen")
    return fitted, scores


def _score_cell(place: Workplace, cell: Cell, fitted: Fitted, labels: ChosenLabels, clock: _Clock) -> Record:
    """Score and record a fitted cell, which `clock` has measured so far."""
    loaded = place.load(cell.task)
    test_score = score(fitted.predictor, loaded.test_examples, place.compute(cell))
    reader = fitted.predictor if loaded.task.text is not None else None
    if place.settings.readers is not None and isinstance(reader, nn.Sequential):
        save_reader(reader_path(place.settings.readers, cell.key), reader, cell, loaded.task)
    return _record(place, cell, fitted, test_score, labels, clock.cost())


def _record(
    place: Workplace,
    cell: Cell,
    fitted: Fitted,
    test_score: Score,
    labels: ChosenLabels,
    cost: _Cost,
) -> Record:
    return Record(
        run=place.settings.run,
        key=cell.key,
        cell=cell,
        status="ok",
        metrics=dict(test_score.metrics()),
        class_hits=test_score.class_hits,
        test_count=len(place.load(cell.task).task.test),
        test_loss=test_score.loss if test_score.loss is not None and math.isfinite(test_score.loss) else None,
        test_seconds=test_score.seconds,
        indices_sha256=labels.sha256,
        missing_classes=labels.missing,
        pretraining=pretraining_key(cell),
        training=fitted.training,
        train_metrics=fitted.metrics,
        peak_memory=cost.peak_memory,
        own_peak=cost.own_peak,
        seconds=cost.spent.seconds,
        processor_seconds=cost.spent.processor_seconds,
        finished=timestamp(),
    )


def guarded(cell: Cell, run: str, measure: Callable[[Cell], Record]) -> Record:
    """Measure a cell; an error becomes a failed record with its reason, except UnwritableError, which is raised."""
    try:
        return measure(cell)
    except UnwritableError:
        raise  # a full disk is no cell's failure, and would be every cell's
    except Exception as error:  # noqa: BLE001  a failed cell is a record; the rest of the study goes on
        return Record.failed(run, cell, *explain(error))
