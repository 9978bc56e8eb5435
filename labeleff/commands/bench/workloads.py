"""The library's own pretext, protocols and scoring, timed on made data.

No training loop is written again here: the times are those that trainings record, in windows of a fixed number of
steps. The first window is warm-up and doesn't count, and neither does what a training does between windows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.bench.request import Length, Request, Work
from labeleff.commands.calibrate import made_data
from labeleff.errors import LabeleffError
from labeleff.execution.scoring import score
from labeleff.execution.workplace import LoadedTask
from labeleff.plugins.encoders.interface import Encoder, build_encoder
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.plugins.protocols.interface import Prepared
from labeleff.records.training_log import Training
from labeleff.scheduling.jobs import takes_unlabelled
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute, choose, peak_memory, reset_peak_memory
from labeleff.training.loop import train_queue
from labeleff.training.packing.refilling import PendingTraining, ReadyTraining

LABELLED = 200
"""Labelled images of joint training, as in the report of 2021."""
_AUGMENT = Augment(crop=4, flip=True)


@dataclass(frozen=True)
class Throughput:
    """Examples/s of every window that counts, and how they were computed."""

    rates: list[float]
    """Examples/s of all models together that are trained as one."""
    warm_up: float
    """Examples/s of the first window."""
    peak_memory: int
    own_peak: bool
    """Whether the peak is of this work alone; else it is of the whole process so far."""
    packing: str = "loop"
    backend: str = "eager"
    fallback: str | None = None


def compute_for(encoder: Spec, request: Request, device: object) -> Compute:
    """Choose arithmetic and layout as studies do."""
    return choose(encoder.name, request.precision, device)  # type: ignore[arg-type]


def made_images(train: int, test: int, compute: Compute) -> LoadedTask:
    """Make the given number of images of noise, on the device."""
    return LoadedTask(made_data.images(train, test), compute.device)


def made_stories(size: str, compute: Compute) -> LoadedTask:
    """Simulate the 10,000 or 1,000 training stories of task 1, on the device."""
    return LoadedTask(made_data.stories("babi/qa1", {"size": size}), compute.device)


def time_work(work: Work, compute: Compute, length: Length) -> Throughput:
    """Time one piece of work."""
    own_peak = reset_peak_memory(compute.device)
    kinds: dict[str, Callable[[Work, Compute, Length], Throughput]] = {
        "rotation": _rotation,
        "evaluation": _evaluation,
        "reading": _reading,
    }
    throughput = kinds.get(work.part, _protocol)(work, compute, length)
    return Throughput(**(vars(throughput) | {"peak_memory": peak_memory(compute.device), "own_peak": own_peak}))


def budget(batch: int, steps: int, examples: int, **other: object) -> Budget:
    """Make a budget of SGD with momentum, decay, crops and flips: `steps` steps, `examples` examples per epoch.

    Labels are noise: the rate is small, so that no loss runs away.
    """
    usual = {"lr": 1e-3, "weight_decay": 5e-4, "augment": _AUGMENT, "batch": batch}
    return Budget.model_validate(usual | {"epochs": steps * batch / examples} | other)


def _steps(length: Length) -> int:
    return length.steps * (length.windows + 1)


def _rotation(work: Work, compute: Compute, length: Length) -> Throughput:
    """Time the pretext with one encoder; an epoch is a window."""
    spec = lookup.complete("pretext", "rotation", {})
    trained = length.steps * work.batch
    count = math.ceil(trained / (1 - float(spec.options["holdout"])))
    loaded = made_images(count, 1, compute)
    assert loaded.normalisation is not None
    unlabelled = Unlabelled(loaded.task.train.images, loaded.normalisation)
    table, options = budget(work.batch, _steps(length), trained), lookup.options("pretext", spec)
    pretrain = lookup.resolve("pretext", "rotation")
    encoder = build_encoder(work.encoder, 0)
    return _training_throughput(pretrain(unlabelled, encoder, 0, table, options, compute, lambda *_: None).training)


def _protocol(work: Work, compute: Compute, length: Length) -> Throughput:
    """Time cells of `finetune` or `joint`, as many as are packed, trained by the library's queue."""
    trained = length.steps * work.batch
    loaded = made_images(trained, 1, compute)
    n = trained if work.part == "finetune" else min(LABELLED, trained // 2)
    table = budget(work.batch, _steps(length), trained)
    protocol = lookup.complete("protocol", work.part, {})
    encoders = [build_encoder(work.encoder, seed) for seed in range(work.pack)]
    load = functools.partial(_ready, loaded, protocol, table, n, compute)
    waiting = [
        PendingTraining(_steps(length), functools.partial(load, encoder, seed)) for seed, encoder in enumerate(encoders)
    ]
    trainings = []
    for _, outcome in train_queue(waiting, compute, work.pack):
        if isinstance(outcome, Exception):
            raise outcome
        trainings.append(outcome)
    return _training_throughput(trainings[0])  # all of a pack have the same windows, each its share of the time


def _reading(work: Work, compute: Compute, length: Length) -> Throughput:
    """Time a reader of stories trained as in the report of 2021; an epoch is a window."""
    loaded = made_stories(length.stories, compute)
    count = len(loaded.task.train)
    protocol = lookup.complete("protocol", "validated", {"keep": "last"})
    plain = {"weight_decay": 0.0, "augment": Augment(), "optimizer": "rmsprop", "warmup": 0.0, "schedule": "constant"}
    table = budget(work.batch, 1, count, **plain, epochs=length.windows + 1)
    encoder = build_encoder(work.encoder, 0, loaded.task.text)
    ready = prepare_protocol(loaded, protocol, table, count, compute, encoder, 0)
    return _training_throughput(ready.fit(table, compute, lambda *_: None).training)


def prepare_protocol(
    loaded: LoadedTask, protocol: Spec, table: Budget, n: int, compute: Compute, encoder: Encoder, seed: int
) -> Prepared:
    """Prepare a protocol on the first n examples, as the runner does it."""
    others = takes_unlabelled(protocol)
    data, options = loaded.labelled(np.arange(n), others), lookup.options("protocol", protocol)
    ready: Prepared = lookup.preparation(protocol.name)(data, encoder, seed, table, options, compute)
    return ready


def _ready(
    loaded: LoadedTask, protocol: Spec, table: Budget, n: int, compute: Compute, encoder: Encoder, seed: int
) -> ReadyTraining:
    ready = prepare_protocol(loaded, protocol, table, n, compute, encoder, seed)
    return ReadyTraining(ready.slot, table, ready.steps)


def _evaluation(work: Work, compute: Compute, length: Length) -> Throughput:
    """Time a trained protocol's predictor scored on a test split, again and again."""
    loaded = made_images(work.batch, length.images, compute)
    table = budget(work.batch, 1, work.batch)
    encoder = build_encoder(work.encoder, 0)
    ready = prepare_protocol(
        loaded, lookup.complete("protocol", "finetune", {}), table, work.batch, compute, encoder, 0
    )
    model = compute.place(ready.slot.model).eval()
    seconds = [score(model, loaded.test_examples, compute).seconds for _ in range(length.windows + 1)]
    return _throughput([length.images / value for value in seconds if value])


def _training_throughput(training: Training | None) -> Throughput:
    """Throughput of a training's windows; raises LabeleffError where there is none after the warm-up."""
    if training is None or len(training.windows) < 2:
        raise LabeleffError("a training has no window beyond its warm-up")
    how = {"packing": training.packing, "backend": training.backend, "fallback": training.fallback}
    return _throughput([w.images / w.seconds for w in training.windows], **how)


def _throughput(rates: list[float], **how: str | None) -> Throughput:
    return Throughput(rates=rates[1:], warm_up=rates[0], peak_memory=0, own_peak=False, **how)  # type: ignore[arg-type]
