"""SimSiam (Chen & He 2021, "Exploring Simple Siamese Representation Learning").

From one view a predictor must predict the projection of the other one, through which no gradient goes back; there
are neither negatives nor momentum weights. Heads and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Given, Method, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.4, 0.1)
"""Section 3, baseline settings."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Both views are made alike."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


def method(given: Given) -> Method:
    """Encoder, projector, and the predictor with its bottleneck (section 3; algorithm 1)."""
    width = given.whole("projection")
    with given.initial("simsiam heads"):
        projector = SimSiamProjectionHead(given.encoder.dim, width, width)
        predictor = SimSiamPredictionHead(width, given.whole("bottleneck"), width)
    network = nn.Sequential(given.encoder, projector)
    opposite = exactly(NegativeCosineSimilarity(), given.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        seen = network(first), network(second)
        predicted = predictor(seen[0]), predictor(seen[1])
        return (opposite(predicted[0], seen[1].detach()) + opposite(predicted[1], seen[0].detach())) / 2

    return Method(nn.ModuleList((network, predictor)), network, loss)


pretrain = two_views("simsiam", method, recipes)
