"""Small trainings in float64 for tests of packing, built again at every call so that all start alike."""

from __future__ import annotations

import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import Encoder, build_encoder, linear_head
from labeleff.plugins.protocols.supervised import Supervised
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.loop import train_alone
from labeleff.training.packing.refilling import PendingTraining, ReadyTraining, train_packed
from labeleff.training.slots import Slot

EXACT = Compute(torch.device("cpu"), "fp64")
IMAGES = torch.randint(0, 256, (40, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 4
OPTIONS = {
    "resnet9": {"width": 0.0625, "dim": 8},
    "mobilenet_v2": {"stem": "cifar"},
    "vit_tiny": {"width": 0.03125, "depth": 2, "size": 16, "pool": "token"},
}
"""The other stem would leave maps of one pixel: batch-norm over 8 values then amplifies rounding 250 times a step."""


class Odd(Encoder):
    """A network that no layout but `vmap` knows: a weight of its own, dropout, a layer used twice."""

    dim = 6

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(3, 1, 1))
        self.first, self.second = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3)
        self.norm, self.layer = nn.BatchNorm2d(6), nn.GroupNorm(2, 6)
        self.dropout = nn.Dropout(0.3)

    def forward(self, images):
        maps = torch.relu(self.norm(self.first(images * self.scale)))
        maps = self.layer(self.second(self.second(maps)))
        return self.dropout(maps.mean((2, 3)))


def encoder(name, seed):
    if name != "odd":
        return build_encoder(lookup.complete("encoder", name, OPTIONS[name]), seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Odd()


def budget(**changes):
    usual = {
        "lr": 0.05,
        "batch": 8,
        "epochs": 1,
        "weight_decay": 0.01,
        "augment": Augment(crop=2, flip=True, jitter=0.1),
    }
    return Budget(**(usual | changes))


class Seen(LabelledExamples):
    """Examples that note what was drawn, also from the bank that they lie in."""

    def __init__(self, *rest, **named):
        super().__init__(*rest, **named)
        self.drawn = []

    def batch(self, samples, epochs):
        found = super().batch(samples, epochs)
        self.drawn.append((samples.clone(), found.images.clone(), found.targets.clone()))
        return found


def ready(name, seed, steps, table=None, n=40, goal=CLASSES):
    """A training of `n` images that begins at `seed`."""
    table = table or budget()
    seen = examples(seed, EXACT.device, table, n, goal)
    model = nn.Sequential(encoder(name, seed), linear_head(8 if name == "resnet9" else seen_dim(name), 4, seed))
    return ReadyTraining(Slot(model, seen, Supervised(goal), seed), table, steps)


def examples(seed, device, table=None, n=40, goal=CLASSES):
    """The first `n` images on a device, with the augmentation of a training that begins at `seed`."""
    some, augment = Examples(IMAGES[:n], LABELS[:n]), (table or budget()).augment
    return Seen(some, goal, Normalisation.of(IMAGES), device, augment=augment, seed=seed)


def seen_dim(name):
    return {"mobilenet_v2": 1280, "odd": 6, "vit_tiny": 6}[name]


def looped(one):
    """The model and training that the loop gives."""
    return one.slot, train_alone(one.slot, one.budget, one.steps, EXACT, lambda *_: None)


def packed(several, slots, **how):
    """Slots and trainings (or errors) by their number, and in which order they ended."""
    order, trained = [], {}
    waiting = [PendingTraining(one.steps, lambda one=one: one) for one in several]
    for number, ended in train_packed(waiting, EXACT, slots, lambda *_: None, **how):
        order.append(number)
        trained[number] = ended
    return trained, order


def difference(one, other):
    """The largest between two models' weights and buffers, relative to the largest of a tensor (or 1)."""
    gaps = []
    for (name, a), (other_name, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert name == other_name
        gaps.append(float((a.double() - b.double()).abs().max() / max(1.0, float(a.double().abs().max()))))
    return max(gaps)
