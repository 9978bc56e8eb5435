"""The library's own pretext, protocols and scoring, run on made data and timed window by window.

Nothing of a training loop is written again here: what counts is the time that trainings note of themselves, in windows
of so many steps. The first window is warm-up and doesn't count; what a training does between windows counts nowhere.
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
class Timed:
    """Examples/s of every window that counts, and how they were computed."""

    rates: list[float]
    """All models that are trained as one taken together."""
    warm_up: float
    """Examples/s of the first window."""
    peak_memory: int
    own_peak: bool
    """False where the peak is that of the whole process so far."""
    packing: str = "loop"
    backend: str = "eager"
    fallback: str | None = None


def compute_for(encoder: Spec, request: Request, device: object) -> Compute:
    """Arithmetic and layout, as studies choose them."""
    return choose(encoder.name, request.precision, device)  # type: ignore[arg-type]


def made_images(train: int, test: int, compute: Compute) -> LoadedTask:
    """The given number of images of noise, on the device."""
    return LoadedTask(made_data.images(train, test), compute.device)


def made_stories(size: str, compute: Compute) -> LoadedTask:
    """The 10,000 or 1,000 training stories of task 1, simulated, on the device."""
    return LoadedTask(made_data.stories("babi/qa1", {"size": size}), compute.device)


def timed(work: Work, compute: Compute, length: Length) -> Timed:
    """Time one piece of work."""
    own = reset_peak_memory(compute.device)
    kinds: dict[str, Callable[[Work, Compute, Length], Timed]] = {
        "rotation": _rotation,
        "evaluation": _evaluation,
        "reading": _reading,
    }
    found = kinds.get(work.part, _protocol)(work, compute, length)
    return Timed(**(vars(found) | {"peak_memory": peak_memory(compute.device), "own_peak": own}))


def budget(batch: int, steps: int, examples: int, **other: object) -> Budget:
    """SGD with momentum and decay, crops and flips, for `steps` steps where an epoch is `examples` examples.

    Labels are noise: the rate is small, so that no loss runs away.
    """
    usual = {"lr": 1e-3, "weight_decay": 5e-4, "augment": _AUGMENT, "batch": batch}
    return Budget.model_validate(usual | {"epochs": steps * batch / examples} | other)


def _steps(length: Length) -> int:
    return length.steps * (length.windows + 1)


def _rotation(work: Work, compute: Compute, length: Length) -> Timed:
    """The pretext, one encoder; an epoch is a window."""
    spec = lookup.complete("pretext", "rotation", {})
    trained = length.steps * work.batch
    count = math.ceil(trained / (1 - float(spec.options["holdout"])))
    loaded = made_images(count, 1, compute)
    assert loaded.normalisation is not None
    unlabelled = Unlabelled(loaded.task.train.images, loaded.normalisation)
    table, options = budget(work.batch, _steps(length), trained), lookup.options("pretext", spec)
    pretrain = lookup.resolve("pretext", "rotation")
    encoder = build_encoder(work.encoder, 0)
    return _of(pretrain(unlabelled, encoder, 0, table, options, compute, lambda *_: None).training)


def _protocol(work: Work, compute: Compute, length: Length) -> Timed:
    """Cells of `finetune` or `joint`, as many as are packed, trained by the library's queue."""
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
    for _, ended in train_queue(waiting, compute, work.pack):
        if isinstance(ended, Exception):
            raise ended
        trainings.append(ended)
    return _of(trainings[0])  # all of a pack have the same windows, each its share of the time


def _reading(work: Work, compute: Compute, length: Length) -> Timed:
    """A reader of stories, as the study of the report of 2021 trains it; an epoch is a window."""
    loaded = made_stories(length.stories, compute)
    count = len(loaded.task.train)
    protocol = lookup.complete("protocol", "validated", {"keep": "last"})
    plain = {"weight_decay": 0.0, "augment": Augment(), "optimizer": "rmsprop", "warmup": 0.0, "schedule": "constant"}
    table = budget(work.batch, 1, count, **plain, epochs=length.windows + 1)
    encoder = build_encoder(work.encoder, 0, loaded.task.text)
    ready = prepared(loaded, protocol, table, count, compute, encoder, 0)
    return _of(ready.fit(table, compute, lambda *_: None).training)


def prepared(
    loaded: LoadedTask, protocol: Spec, table: Budget, n: int, compute: Compute, encoder: Encoder, seed: int
) -> Prepared:
    """A protocol made ready on the first n examples, as the runner does it."""
    others = takes_unlabelled(protocol)
    data, options = loaded.labelled(np.arange(n), others), lookup.options("protocol", protocol)
    found: Prepared = lookup.preparation(protocol.name)(data, encoder, seed, table, options, compute)
    return found


def _ready(
    loaded: LoadedTask, protocol: Spec, table: Budget, n: int, compute: Compute, encoder: Encoder, seed: int
) -> ReadyTraining:
    found = prepared(loaded, protocol, table, n, compute, encoder, seed)
    return ReadyTraining(found.slot, table, found.steps)


def _evaluation(work: Work, compute: Compute, length: Length) -> Timed:
    """A trained protocol's predictor scored on a test split, again and again."""
    loaded = made_images(work.batch, length.images, compute)
    table = budget(work.batch, 1, work.batch)
    encoder = build_encoder(work.encoder, 0)
    ready = prepared(loaded, lookup.complete("protocol", "finetune", {}), table, work.batch, compute, encoder, 0)
    model = compute.place(ready.slot.model).eval()
    seconds = [score(model, loaded.test_examples, compute).seconds for _ in range(length.windows + 1)]
    return _timed([length.images / took for took in seconds if took])


def _of(training: Training | None) -> Timed:
    if training is None or len(training.windows) < 2:
        raise LabeleffError("a training has no window beyond its warm-up")
    how = {"packing": training.packing, "backend": training.backend, "fallback": training.fallback}
    return _timed([w.images / w.seconds for w in training.windows], **how)


def _timed(rates: list[float], **how: str | None) -> Timed:
    return Timed(rates=rates[1:], warm_up=rates[0], peak_memory=0, own_peak=False, **how)  # type: ignore[arg-type]
