"""Cells done: trained alone or together, solved on frozen features, scored; what fails is a record with its reason."""

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
from labeleff.scheduling.jobs import needed, takes_unlabelled
from labeleff.study.cell import Cell
from labeleff.training.device import Durations, Stopwatch, peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.loop import train_queue
from labeleff.training.packing.refilling import PendingTraining, ReadyTraining
from labeleff.training.slots import Progress


@dataclass(frozen=True)
class _Cost:
    """What a cell took; as in its record."""

    spent: Durations
    peak_memory: int
    own_peak: bool


class _Clock:
    """Measures what cells take, from its making on.

    Of a cell that is trained with others `before` is what has gone into it, and the peak of memory isn't its own.
    """

    def __init__(self, device: torch.device, before: Durations | None = None) -> None:
        self._device, self._before = device, before or Durations()
        self._own_peak = before is None and reset_peak_memory(device)
        self._watch = Stopwatch(device)

    def cost(self, cells: int = 1) -> _Cost:
        """What each of so many cells took that were measured together."""
        spent = (self._before + self._watch.stop()) / cells
        return _Cost(spent, peak_memory(self._device), self._own_peak)


@dataclass(frozen=True)
class _Begun:
    """A cell that is being trained with others."""

    prepared: Prepared
    labels: ChosenLabels
    spent: Durations
    """That it took to make it ready."""


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
    """Train cells that are alike as one, each scored as soon as it ends."""
    reset_peak_memory(place.device)
    begun: dict[int, _Begun] = {}
    waiting = []
    for number, cell in enumerate(cells):
        assert cell.budget is not None
        pool = len(place.load(cell.task).task.train) if takes_unlabelled(cell.protocol) else None
        load = functools.partial(_begin, place, cell, number, begun)
        waiting.append(PendingTraining(cell.budget.steps_for(cell.n, pool), load))
    left = dict(enumerate(cells))
    try:
        for number, ended in train_queue(waiting, place.compute(cells[0]), slots, progress):
            measure = functools.partial(finish, place, begun=begun.pop(number, None), ended=ended)
            yield guarded(left.pop(number), place.settings.run, measure)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in _guarded: those still in the pack fail together
        reason, detail = explain(error)
        for cell in left.values():
            yield Record.failed(place.settings.run, cell, reason, detail)


def _begin(place: Workplace, cell: Cell, number: int, begun: dict[int, _Begun]) -> ReadyTraining:
    """Make a cell ready to be trained, and note it under its number."""
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
    begun[number] = _Begun(prepared, labels, watch.stop())
    return ReadyTraining(prepared.slot, cell.budget, prepared.steps)


def finish(place: Workplace, cell: Cell, begun: _Begun | None, ended: Training | Exception) -> Record:
    """The record of a cell that was trained with others; its time is its share of theirs."""
    if isinstance(ended, Exception):
        raise ended
    assert begun is not None
    worked = sum(window.processor_seconds or 0.0 for window in ended.windows)
    clock = _Clock(place.device, begun.spent + Durations(ended.seconds, worked))
    return _score_cell(place, cell, begun.prepared.finish(ended), begun.labels, clock)


def solve_cells(place: Workplace, cells: Sequence[Cell]) -> list[PretrainingRecord | Record]:
    """Encode the labelled and the test images once with a frozen encoder, then solve all label sets together."""
    run = place.settings.run
    try:
        clock = _Clock(place.device)
        sets = [place.labels(cell) for cell in cells]
        fitted, scores = _solve(place, cells, [labels.indices for labels in sets])
        cost = clock.cost(len(cells))
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in _guarded: the cells fail together
        reason, detail = explain(error)
        return [Record.failed(run, cell, reason, detail) for cell in cells]
    records: list[PretrainingRecord | Record] = []
    for cell, one, scored, labels in zip(cells, fitted, scores, sets, strict=True):
        measure = functools.partial(_record, place, fitted=one, scored=scored, labels=labels, cost=cost)
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
    scores = score_frozen(model, [one.predictor for one in fitted], loaded.test_examples, compute)
    if state_sha256(encoder) != before:
        raise PluginError(f"encoder {first.encoder.label}: weights or statistics changed although it is frozen")
    return fitted, scores


def _score_cell(place: Workplace, cell: Cell, fitted: Fitted, labels: ChosenLabels, clock: _Clock) -> Record:
    """The record of a fitted cell, which `clock` has measured so far."""
    loaded = place.load(cell.task)
    scored = score(fitted.predictor, loaded.test_examples, place.compute(cell))
    reader = fitted.predictor if loaded.task.text is not None else None
    if place.settings.readers is not None and isinstance(reader, nn.Sequential):
        save_reader(reader_path(place.settings.readers, cell.key), reader, cell, loaded.task)
    return _record(place, cell, fitted, scored, labels, clock.cost())


def _record(
    place: Workplace,
    cell: Cell,
    fitted: Fitted,
    scored: Score,
    labels: ChosenLabels,
    cost: _Cost,
) -> Record:
    return Record(
        run=place.settings.run,
        key=cell.key,
        cell=cell,
        status="ok",
        metrics=dict(scored.metrics()),
        test_count=len(place.load(cell.task).task.test),
        test_loss=scored.loss if scored.loss is not None and math.isfinite(scored.loss) else None,
        test_seconds=scored.seconds,
        indices_sha256=labels.sha256,
        missing_classes=labels.missing,
        pretraining=needed(cell),
        training=fitted.training,
        train_metrics=fitted.metrics,
        peak_memory=cost.peak_memory,
        own_peak=cost.own_peak,
        seconds=cost.spent.seconds,
        processor_seconds=cost.spent.processor_seconds,
        finished=timestamp(),
    )


def guarded(cell: Cell, run: str, measure: Callable[[Cell], Record]) -> Record:
    """The record of a measurement, or a failed record with its reason."""
    try:
        return measure(cell)
    except UnwritableError:
        raise  # a full disk is no cell's failure, and would be every cell's
    except Exception as error:  # noqa: BLE001  a failed cell is a record; the rest of the study goes on
        return Record.failed(run, cell, *explain(error))
