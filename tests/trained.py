"""Short trainings of pretexts on a toy task."""

import functools

import torch

from labeleff import catalogue
from labeleff.cell import Augment, Budget, Spec
from labeleff.data import load_task
from labeleff.device import Compute
from labeleff.encoders import build_encoder
from labeleff.pipeline import Normalisation
from labeleff.pretext import Unlabelled
from labeleff.tensors import Source

CPU = Compute(torch.device("cpu"), "fp32")
ENCODER = Spec(name="resnet9", options={"width": 0.0625, "dim": 16})
BUDGET = Budget(
    optimizer="adam", lr=3e-3, batch=32, steps={"min": 120, "max": 120}, augment=Augment(crop=2, flip=True, jitter=0.2)
)


def unlabelled(images):
    return Unlabelled(images, Normalisation.of(images))


@functools.cache
def toy(count=400, side=16):
    """Coloured, textured shapes."""
    spec = catalogue.complete("task", "toy/classify", {"train": count, "test": 20, "size": side})
    return unlabelled(load_task(spec, Source(None, offline=True)).train.images)


def run(name, data, options, *, seed=0, encoder=None, spec=ENCODER, budget=BUDGET):
    """Pretrain an encoder, new unless one is given, and say how it went."""
    plugin = catalogue.lookup("pretext", name)
    encoder = encoder or build_encoder(spec, seed, split=plugin.split)
    given = catalogue.complete("pretext", name, options).options
    return catalogue.resolve("pretext", name)(data, encoder, seed, budget, given, CPU, lambda *_: None)
