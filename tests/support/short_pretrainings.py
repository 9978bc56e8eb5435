"""Short trainings of pretexts on a toy task."""

import functools

import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.study.cell import Augment, Budget, Steps
from labeleff.training.device import Compute
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation

CPU = Compute(torch.device("cpu"), "fp32")
ENCODER = Spec(name="resnet9", options={"width": 0.0625, "dim": 16})
BUDGET = Budget(
    optimizer="adam", lr=3e-3, batch=32, steps={"min": 120, "max": 120}, augment=Augment(crop=2, flip=True, jitter=0.2)
)
SHORT = BUDGET.model_copy(update={"steps": Steps(min=4, max=4)})


def unlabelled(images):
    return Unlabelled(images, Normalisation.of(images))


@functools.cache
def toy(count=400, side=16):
    """Coloured, textured shapes."""
    spec = lookup.complete("task", "toy/classify", {"train": count, "test": 20, "size": side})
    return unlabelled(load_task(spec, Source(None, offline=True)).train.images)


def run(name, data, options, *, seed=0, encoder=None, spec=ENCODER, budget=BUDGET):
    """Pretrain an encoder, new unless one is given, and say how it went."""
    plugin = lookup.find("pretext", name)
    encoder = encoder or build_encoder(spec, seed, split=plugin.split)
    given = lookup.complete("pretext", name, options).options
    return lookup.resolve("pretext", name)(data, encoder, seed, budget, given, CPU, lambda *_: None)
