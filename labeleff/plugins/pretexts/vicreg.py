"""VICReg (Bardes et al. 2022, "Variance-Invariance-Covariance Regularization").

Two views must project to the same place, while every dimension keeps its variance over a batch and no two covary
(section 4.1, eqs. 1-6). Head and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from torch import nn

from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, of_projections, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Jitter of brightness, contrast, saturation and hue, as in BYOL."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Use BYOL's views, both alike (appendix C.1)."""
    one = recipe(options, STRENGTHS, blur=0.5, solarise=0.1)
    return one, one


def method(setup: MethodSetup) -> Method:
    """Build encoder and expander, three layers of `projection` units (section 4.2)."""
    width = setup.whole("projection")
    with setup.initial("vicreg head"):
        expander = VICRegProjectionHead(setup.encoder.dim, width, width)
    network = nn.Sequential(setup.encoder, expander)
    terms = VICRegLoss(setup.real("invariance"), setup.real("variance"), setup.real("covariance"))
    return Method(network, network, of_projections(network, terms, setup.compute))


pretrain = two_views("vicreg", method, recipes)
