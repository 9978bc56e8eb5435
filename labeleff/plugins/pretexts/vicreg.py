"""VICReg (Bardes et al. 2022, "Variance-Invariance-Covariance Regularization").

Two views must project to the same place, while every dimension keeps its variance over a batch and no two covary
(section 4.1, eqs. 1-6). Head and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Given, Method, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """BYOL's views, made alike (appendix C.1)."""
    one = recipe(options, STRENGTHS, blur=0.5, solarise=0.1)
    return one, one


def method(given: Given) -> Method:
    """Encoder and expander, three layers of `projection` units (section 4.2)."""
    width = given.whole("projection")
    with given.initial("vicreg head"):
        expander = VICRegProjectionHead(given.encoder.dim, width, width)
    network = nn.Sequential(given.encoder, expander)
    terms = VICRegLoss(given.real("invariance"), given.real("variance"), given.real("covariance"))
    regularised = exactly(terms, given.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return regularised(network(first), network(second))

    return Method(network, network, loss)


pretrain = two_views("vicreg", method, recipes)
