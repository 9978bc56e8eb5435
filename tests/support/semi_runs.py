"""Material of tests on semi-supervised protocols: a toy task with few labels, small encoders, prepared trainings."""

from __future__ import annotations

import functools

import torch

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols.interface import Labelled
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples, Source, Task, load_task
from labeleff.training.images import Normalisation
from labeleff.training.packing.refilling import ReadyTraining

CPU = Compute(torch.device("cpu"), "fp32")
EXACT = Compute(torch.device("cpu"), "fp64", "contiguous")
NAMES = ("pseudo_label", "mean_teacher", "fixmatch")
OFF = {"weight": 0.0, "decay": 0.0}
N, B = 12, 8


@functools.cache
def task(train: int = 80) -> Task:
    options = {"train": train, "test": 40, "size": 16}
    return load_task(lookup.complete("task", "toy/classify", options), Source(None, offline=True))  # type: ignore[arg-type]


def data(n: int = N, whole: Task | None = None) -> Labelled:
    whole = whole or task()
    images, labels = whole.train.images, whole.train.labels
    statistics = Normalisation.of(images)
    return Labelled(Examples(images[:n], labels[:n]), whole.outputs, statistics, whole.goal, images[n:])


def encoder(seed: int = 0):
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), seed)


def budget(steps: int = 4, **changes: object) -> Budget:
    length = {} if "epochs" in changes else {"steps": {"min": steps, "max": steps}}
    usual = {"lr": 0.05, "batch": B, **length, "augment": Augment(crop=2, flip=True)}
    return Budget.model_validate(usual | changes)


def options(name: str, **given: object):
    return lookup.options("protocol", lookup.complete("protocol", name, given))


def prepared(
    name: str, seed: int = 0, table: Budget | None = None, compute: Compute = CPU, n: int = N, **given: object
):
    table = table or budget()
    return lookup.preparation(name)(data(n), encoder(seed), seed, table, options(name, **given), compute)


def fitted(name: str, seed: int = 0, table: Budget | None = None, compute: Compute = CPU, n: int = N, **given: object):
    table = table or budget()
    return prepared(name, seed, table, compute, n, **given).fit(table, compute, lambda *_: None)


def ready(name: str, seed: int, steps: int, n: int, **given: object) -> ReadyTraining:
    table = budget(steps)
    one = prepared(name, seed, table, EXACT, n, **given)
    return ReadyTraining(one.slot, table, one.steps)
