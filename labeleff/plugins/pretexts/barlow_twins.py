"""Barlow Twins (Zbontar et al. 2021).

The paper is "Barlow Twins: Self-Supervised Learning via Redundancy Reduction".

The loss is computed over a batch: every dimension of one view's projection must correlate with the same dimension of
the other's and with no other one (eq. 1). Head and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import BarlowTwinsLoss
from lightly.models.modules import BarlowTwinsProjectionHead
from torch import nn

from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, of_projections, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Jitter of brightness, contrast, saturation and hue, as in BYOL."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Use BYOL's views (section 2.2)."""
    return recipe(options, STRENGTHS, blur=1.0), recipe(options, STRENGTHS, blur=0.1, solarise=0.2)


def method(setup: MethodSetup) -> Method:
    """Build encoder and projector, three layers of `projection` units (section 2.2)."""
    width = setup.whole("projection")
    with setup.initial("barlow twins head"):
        projector = BarlowTwinsProjectionHead(setup.encoder.dim, width, width)
    network = nn.Sequential(setup.encoder, projector)
    redundancy = BarlowTwinsLoss(setup.real("redundancy"))
    return Method(network, network, of_projections(network, redundancy, setup.compute))


pretrain = two_views("barlow_twins", method, recipes)
