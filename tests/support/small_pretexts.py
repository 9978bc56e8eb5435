"""Pretexts of two views on an encoder of one layer with small heads."""

import importlib

import pytest
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.two_views import MethodSetup
from labeleff.training.device import Compute

CPU = Compute(torch.device("cpu"), "fp32")
NAMES = [plugin.name for plugin in lookup.plugins("pretext") if plugin.own_views]
SYMMETRIC = [name for name in NAMES if name != "moco"]
FOLLOWED = ["moco", "byol", "dino"]
SMALL = {"hidden": 32, "projection": 16, "queue": 64, "prototypes": 32, "bottleneck": 16, "groups": 2, "directions": 16}


def options(name, **changes):
    given = {key: value for key, value in SMALL.items() if key in lookup.find("pretext", name).options}
    return lookup.complete("pretext", name, {**given, **changes}).options


def module(name):
    pytest.importorskip("lightly", reason="lightly (an extra) isn't there")
    return importlib.import_module(f"labeleff.plugins.pretexts.{name}")


class Flat(Encoder):
    """One linear layer on the pixels."""

    dim = 8

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 4 * 4, 8)

    def forward(self, images):
        return self.layer(images.flatten(1))


def made(name, steps=10, epoch=4, batch=6, **changes):
    torch.manual_seed(0)
    return module(name).method(MethodSetup(Flat(), 0, options(name, **changes), batch, steps, epoch, CPU))


def two(count=6, seed=0):
    return torch.randn(2, count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).unbind(0)
