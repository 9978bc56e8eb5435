"""SimCLR (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations").

Each view must tell the other view of its image from all other views in the batch (section 2.1, eq. 1). Head (section
4.2) and loss through lightly.
"""

from __future__ import annotations

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Given, Method, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.8, 0.8, 0.8, 0.2)
"""Appendix A, to be multiplied by the strength `colour`, which is 0.5 on CIFAR-10 (appendix B.9)."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Both views are made alike."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


def method(given: Given) -> Method:
    """Encoder and projection head; both views of a batch share batch-norm statistics, as in the reference code."""
    with given.initial("simclr head"):
        head = SimCLRProjectionHead(given.encoder.dim, given.whole("hidden"), given.whole("projection"))
    network = nn.Sequential(given.encoder, head)
    contrast = exactly(NTXentLoss(given.real("temperature")), given.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return contrast(*network(torch.cat((first, second))).chunk(2))

    return Method(network, network, loss)


pretrain = two_views("simclr", method, recipes)
