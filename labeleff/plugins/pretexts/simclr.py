"""SimCLR (Chen et al. 2020), contrast of views within the batch.

The paper is "A Simple Framework for Contrastive Learning of Visual Representations".

Each view must tell the other view of its image from all other views in the batch (section 2.1, eq. 1). Head (section
4.2) and loss through lightly.
"""

from __future__ import annotations

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.8, 0.8, 0.8, 0.2)
"""Jitter of appendix A, to be multiplied by the strength `colour`, which is 0.5 on CIFAR-10 (appendix B.9)."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Augment both views alike."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


def method(setup: MethodSetup) -> Method:
    """Build encoder and projection head; both views share batch-norm statistics, as in the reference code."""
    with setup.initial("simclr head"):
        head = SimCLRProjectionHead(setup.encoder.dim, setup.whole("hidden"), setup.whole("projection"))
    network = nn.Sequential(setup.encoder, head)
    contrast = exactly(NTXentLoss(setup.real("temperature")), setup.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return contrast(*network(torch.cat((first, second))).chunk(2))

    return Method(network, network, loss)


pretrain = two_views("simclr", method, recipes)
