"""Jobs to records: how one job is done in one process.

Engines decide where and when jobs run; everything that makes a number is here.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from labeleff import catalogue
from labeleff.cache import EncoderCache, state_sha256
from labeleff.cell import Cell, Pretraining, Spec, content_key
from labeleff.data import load_task
from labeleff.device import (
    Compute,
    choose,
    device_name,
    is_out_of_memory,
    peak_memory,
    pick_device,
    reset_peak_memory,
    torch_release,
)
from labeleff.encoders import Encoder, build_encoder
from labeleff.errors import ConditionError, PluginError, UnwritableError
from labeleff.frozen import EncodedLabels
from labeleff.heads import LastMap
from labeleff.jobs import Job, Pretrain, Solve, Train, TrainTogether, needed, takes_unlabelled
from labeleff.labels import ChosenLabels, LabelRule, choose_labels
from labeleff.loaded import LoadedTask
from labeleff.packing.schedule import Ready, Waiting
from labeleff.places import reader_path
from labeleff.pretext import PretextFunction, Pretrained, Unlabelled
from labeleff.pretext.outside import LoadFunction, Weights, fill
from labeleff.probe import ProbeCurve, ProbePlan, lacking, merged, wanted
from labeleff.probing import Probing
from labeleff.protocols import Fitted, FrozenProtocol, Labelled, Preparation, Prepared, TrainedProtocol
from labeleff.record import PretrainingRecord, Record, Training
from labeleff.run_options import RunOptions
from labeleff.scoring import Score, score, score_frozen
from labeleff.seeding import stream_seed
from labeleff.tensors import Source
from labeleff.timing import Spent, Stopwatch
from labeleff.train import DivergedError, Progress, train_queue
from labeleff.trained import save_reader

STATE = 2
"""Raised whenever the names of an encoder's weights change: older files then no longer match."""


@dataclass(frozen=True)
class Settings:
    """What a worker process needs to know beside the job: the run's options, and what follows from the study."""

    options: RunOptions
    run: str
    labels: LabelRule
    readers: Path | None = None
    """The run's folder, absolute, where trained readers of stories are kept; None keeps none."""
    probes: ProbePlan | None = None
    """What is probed while encoders are trained."""


class Workplace:
    """What one process works with: the run's settings, its device, loaded tasks, weights and the encoder cache."""

    def __init__(self, settings: Settings, source: Source | None = None) -> None:
        self.settings, options = settings, settings.options
        self.device = pick_device(options.device)
        self.cache = EncoderCache(options.cache)
        made = source or Source(options.data, options.offline)
        self._source = dataclasses.replace(made, device=str(self.device))
        self._tasks: dict[str, LoadedTask] = {}
        self._weights: dict[str, Weights] = {}

    def load(self, spec: Spec) -> LoadedTask:
        """The task that a spec names, loaded once a process."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(load_task(spec, self._source), self.device)
        return self._tasks[spec.label]

    def compute(self, of: Cell | Pretraining) -> Compute:
        """Arithmetic and layout for a cell or a pretraining on this device."""
        return choose(of.encoder.name, of.precision, self.device, of.layout)

    def weights(self, pretext: Spec) -> Weights:
        """The weights that a pretext takes from outside, read once a process."""
        if pretext.label not in self._weights:
            load: LoadFunction = catalogue.resolve("pretext", pretext.name)
            self._weights[pretext.label] = load(catalogue.options("pretext", pretext), self._source)
        return self._weights[pretext.label]

    def filled(self, encoder: Spec, pretext: Spec, seed: int) -> tuple[Encoder, str]:
        """An encoder with weights from outside, and where they came from; WeightsError where they don't fit."""
        built = build_encoder(encoder, stream_seed("init", seed))
        what = f"{pretext.label} doesn't fit encoder {encoder.label}"
        return built, fill(built, self.weights(pretext), str(pretext.options["stem"]), what)

    def cache_key(self, pretraining: Pretraining) -> str:
        """Key of the encoder file: the pretraining, the data's bytes, and the conditions it is computed under."""
        compute = self.compute(pretraining)
        fingerprint = self.load(pretraining.task).fingerprint
        return content_key(
            "encoder",
            STATE,
            pretraining.key,
            fingerprint,
            compute.precision,
            device_name(self.device),
            torch_release(),
            *([self.weights(pretraining.pretext).sha256] if pretraining.from_outside else []),
            *_origins(pretraining),
        )

    def lacking(self, pretraining: Pretraining, curves: Sequence[ProbeCurve]) -> list[Spec]:
        """The tasks that the encoder should be probed on and that have no curve among these."""
        plan = self.settings.probes
        if plan is None:
            return []
        tasks = plan.tasks_of(pretraining)
        data = {spec.label: self.load(spec).fingerprint for spec in tasks}
        return lacking([curve for curve in curves if curve.data == data.get(curve.task)], plan.probe, tasks)

    def new_encoder(self, pretraining: Pretraining) -> Encoder:
        """An untrained encoder; the pretext says whether it is a pair."""
        text, split = self.load(pretraining.task).task.text, catalogue.lookup("pretext", pretraining.pretext.name).split
        return build_encoder(pretraining.encoder, stream_seed("init", pretraining.seed), text, split=split)

    def encoder(self, cell: Cell) -> Encoder:
        """A fresh copy of the encoder that a cell starts from."""
        encoder = self.new_encoder(cell.pretraining)
        if needed(cell) is not None:
            self.cache.load(self.cache_key(cell.pretraining), encoder)
        return encoder

    def labels(self, cell: Cell) -> ChosenLabels:
        """The labels of a cell; raises ConditionError where they are published, and others than before."""
        chosen = choose_labels(self.load(cell.task).task, cell.task, self.settings.labels, cell.draw, cell.n)
        if cell.indices_sha256 not in {None, chosen.sha256}:
            raise ConditionError(f"{self.settings.labels.published}: the published labels changed during the run")
        return chosen

    def labelled(self, cell: Cell, labels: ChosenLabels) -> Labelled:
        """A cell's examples, and the other training images where its protocol takes them."""
        return self.load(cell.task).labelled(labels.indices, takes_unlabelled(cell.protocol))


def _origins(pretraining: Pretraining) -> list[str]:
    """Where a pretraining's plug-ins of other packages come from: their code may change and keep its name."""
    encoder = catalogue.origin("encoder", pretraining.encoder.name)
    pretext = catalogue.origin("pretext", pretraining.pretext.name)
    return [origin for origin in (encoder, pretext) if origin is not None]


def pretrain(place: Workplace, pretraining: Pretraining, progress: Progress) -> PretrainingRecord:
    """Train or fill an encoder that isn't in the cache, or lacks the curve of a probe, and give its record."""
    key = place.cache_key(pretraining)
    cached = place.cache.record(key)
    unprobed = place.lacking(pretraining, cached.probes if cached else ())
    if cached is not None and not unprobed:
        return _from_cache(place, cached)
    try:
        encoder, made = _make(place, pretraining, progress, unprobed)
    except Exception as error:  # noqa: BLE001  a failed pretraining is a record; the rest of the study goes on
        return PretrainingRecord.failed(place.settings.run, pretraining, *explain(error))
    if cached is not None:  # trained again for its curves alone: cells go on with the encoder that they had
        record = cached.model_copy(update={"probes": merged(cached.probes, made.probes)})
        place.cache.note(key, record)
        return _from_cache(place, record)
    place.cache.save(key, encoder, made)
    return made


def _from_cache(place: Workplace, record: PretrainingRecord) -> PretrainingRecord:
    """The record of a cached encoder in this run, with those of its curves that this study asks for."""
    plan = place.settings.probes
    curves = wanted(record.probes, plan.probe, plan.tasks_of(record.pretraining)) if plan else []
    return record.model_copy(update={"run": place.settings.run, "cached": True, "probes": curves})


def _make(
    place: Workplace, pretraining: Pretraining, progress: Progress, unprobed: Sequence[Spec]
) -> tuple[Encoder, PretrainingRecord]:
    """A new encoder and its record; while it is trained it is probed on the tasks `unprobed`."""
    own_peak, probing = reset_peak_memory(place.device), None
    if pretraining.budget is None:
        encoder, result = _fill(place, pretraining)
    else:
        encoder = place.new_encoder(pretraining)
        if place.settings.probes is not None and unprobed:
            tasks = [(spec, place.load(spec)) for spec in unprobed]
            probing = Probing(place.settings.probes.probe, tasks, encoder, place.compute(pretraining))
            probing.measure(0)
        result = learn(place, pretraining, encoder, probing.beside(progress) if probing else progress)
    memory = peak_memory(place.device) if result.training else None
    probes = probing.curves(result.training, pretraining.budget) if probing and pretraining.budget else []
    return encoder, PretrainingRecord(
        run=place.settings.run,
        key=pretraining.key,
        pretraining=pretraining,
        status="ok",
        metrics=result.metrics,
        encoder_sha256=state_sha256(encoder),
        training=result.training,
        provenance=result.provenance,
        weights_sha256=result.weights_sha256,
        peak_memory=max(memory, probing.peak) if memory is not None and probing else memory,
        own_peak=own_peak and result.training is not None,
        probes=probes,
    )


def learn(place: Workplace, pretraining: Pretraining, encoder: Encoder, progress: Progress) -> Pretrained:
    """Train an encoder in place on the images of its task."""
    assert pretraining.budget is not None
    loaded = place.load(pretraining.task)
    if loaded.normalisation is None:
        raise PluginError(f"pretext {pretraining.pretext.label} works on images, not on stories")
    pretrain: PretextFunction = catalogue.resolve("pretext", pretraining.pretext.name)
    return pretrain(
        Unlabelled(loaded.task.train.images, loaded.normalisation),
        encoder,
        pretraining.seed,
        pretraining.budget,
        catalogue.options("pretext", pretraining.pretext),
        place.compute(pretraining),
        progress,
    )


def _fill(place: Workplace, pretraining: Pretraining) -> tuple[Encoder, Pretrained]:
    """An encoder with weights from outside."""
    encoder, provenance = place.filled(pretraining.encoder, pretraining.pretext, pretraining.seed)
    return encoder, Pretrained(provenance=provenance, weights_sha256=place.weights(pretraining.pretext).sha256)


@dataclass(frozen=True)
class _Cost:
    """What a cell took; as in its record."""

    spent: Spent
    peak_memory: int
    own_peak: bool


class _Clock:
    """Measures what cells take, from its making on.

    Of a cell that is trained with others `before` is what has gone into it, and the peak of memory isn't its own.
    """

    def __init__(self, device: torch.device, before: Spent | None = None) -> None:
        self._device, self._before = device, before or Spent()
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
    spent: Spent
    """That it took to make it ready."""


def _train(place: Workplace, cell: Cell, progress: Progress) -> Record:
    """Fit a trained protocol on a copy of the encoder, then score it once on the whole test split."""
    clock = _Clock(place.device)
    assert cell.budget is not None
    labels = place.labels(cell)
    fit: TrainedProtocol = catalogue.resolve("protocol", cell.protocol.name)
    fitted = fit(
        place.labelled(cell, labels),
        place.encoder(cell),
        cell.seed,
        cell.budget,
        catalogue.options("protocol", cell.protocol),
        place.compute(cell),
        progress,
    )
    return _score_cell(place, cell, fitted, labels, clock)


def _train_together(place: Workplace, cells: Sequence[Cell], slots: int | None, progress: Progress) -> Iterator[Record]:
    """Train cells that are alike as one, each scored as soon as it ends."""
    reset_peak_memory(place.device)
    begun: dict[int, _Begun] = {}
    waiting = []
    for number, cell in enumerate(cells):
        assert cell.budget is not None
        pool = len(place.load(cell.task).task.train) if takes_unlabelled(cell.protocol) else None
        load = functools.partial(_begin, place, cell, number, begun)
        waiting.append(Waiting(cell.budget.steps_for(cell.n, pool), load))
    left = dict(enumerate(cells))
    try:
        for number, ended in train_queue(waiting, place.compute(cells[0]), slots, progress):
            measure = functools.partial(finish, place, begun=begun.pop(number, None), ended=ended)
            yield _guarded(left.pop(number), place.settings.run, measure)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in _guarded: those still in the pack fail together
        reason, detail = explain(error)
        for cell in left.values():
            yield Record.failed(place.settings.run, cell, reason, detail)


def _begin(place: Workplace, cell: Cell, number: int, begun: dict[int, _Begun]) -> Ready:
    """Make a cell ready to be trained, and note it under its number."""
    watch = Stopwatch(place.device)
    assert cell.budget is not None
    labels = place.labels(cell)
    prepare: Preparation = catalogue.preparation(cell.protocol.name)
    prepared = prepare(
        place.labelled(cell, labels),
        place.encoder(cell),
        cell.seed,
        cell.budget,
        catalogue.options("protocol", cell.protocol),
        place.compute(cell),
    )
    begun[number] = _Begun(prepared, labels, watch.stop())
    return Ready(prepared.slot, cell.budget, prepared.steps)


def finish(place: Workplace, cell: Cell, begun: _Begun | None, ended: Training | Exception) -> Record:
    """The record of a cell that was trained with others; its time is its share of theirs."""
    if isinstance(ended, Exception):
        raise ended
    assert begun is not None
    worked = sum(window.processor_seconds or 0.0 for window in ended.windows)
    clock = _Clock(place.device, begun.spent + Spent(ended.seconds, worked))
    return _score_cell(place, cell, begun.prepared.finish(ended), begun.labels, clock)


def _solve_cells(place: Workplace, cells: Sequence[Cell]) -> list[PretrainingRecord | Record]:
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
        records.append(_guarded(cell, run, measure))
    return records


def _solve(place: Workplace, cells: Sequence[Cell], sets: Sequence[np.ndarray]) -> tuple[list[Fitted], list[Score]]:
    first = cells[0]
    compute, loaded = place.compute(first), place.load(first.task)
    encoder = place.encoder(first)
    model = compute.place(LastMap(encoder) if loaded.task.goal.dense else encoder).eval()
    before = state_sha256(encoder)
    encoded = EncodedLabels(model, loaded.labelled, functools.reduce(np.union1d, sets), compute)
    fit: FrozenProtocol = catalogue.resolve("protocol", first.protocol.name)
    options = catalogue.options("protocol", first.protocol)
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


def timestamp() -> str:
    """The time now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def explain(error: Exception) -> tuple[str, str | None]:
    """A reason in one line and, for what nobody foresaw, the traceback."""
    if is_out_of_memory(error):
        return "out of memory", None
    if isinstance(error, DivergedError):
        return f"diverged: {error}", None
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}", "".join(traceback.format_exception(error))


def _guarded(cell: Cell, run: str, measure: Callable[[Cell], Record]) -> Record:
    """The record of a measurement, or a failed record with its reason."""
    try:
        return measure(cell)
    except UnwritableError:
        raise  # a full disk is no cell's failure, and would be every cell's
    except Exception as error:  # noqa: BLE001  a failed cell is a record; the rest of the study goes on
        return Record.failed(run, cell, *explain(error))


class Bench(Workplace):
    """One process's workplace with all that is done there."""

    def perform(self, job: Job, progress: Progress) -> Iterator[PretrainingRecord | Record]:
        """Do one job and give its records as they come; what fails becomes a failed one with its reason.

        UnwritableError alone is raised.
        """
        match job:
            case Pretrain():
                yield pretrain(self, job.pretraining, progress)
            case Solve():
                yield from _solve_cells(self, job.cells)
            case Train():
                measure = functools.partial(_train, self, progress=progress)
                yield from (_guarded(cell, self.settings.run, measure) for cell in job.cells)
            case TrainTogether():
                yield from _train_together(self, job.cells, job.slots, progress)
