"""Barlow Twins (Zbontar et al. 2021, "Self-Supervised Learning via Redundancy Reduction").

Over a batch, every dimension of one view's projection must correlate with the same dimension of the other's and with
no other one (eq. 1). Head and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import BarlowTwinsLoss
from lightly.models.modules import BarlowTwinsProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Given, Method, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """BYOL's views (section 2.2)."""
    return recipe(options, STRENGTHS, blur=1.0), recipe(options, STRENGTHS, blur=0.1, solarise=0.2)


def method(given: Given) -> Method:
    """Encoder and projector, three layers of `projection` units (section 2.2)."""
    width = given.whole("projection")
    with given.initial("barlow twins head"):
        projector = BarlowTwinsProjectionHead(given.encoder.dim, width, width)
    network = nn.Sequential(given.encoder, projector)
    redundancy = exactly(BarlowTwinsLoss(given.real("redundancy")), given.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return redundancy(network(first), network(second))

    return Method(network, network, loss)


pretrain = two_views("barlow_twins", method, recipes)
