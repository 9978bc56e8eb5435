"""SimSiam (Chen & He 2021, "Exploring Simple Siamese Representation Learning").

From one view a predictor must predict the projection of the other one, through which no gradient goes back; there
are neither negatives nor momentum weights. Heads and loss through lightly.
"""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.4, 0.1)
"""Jitter of section 3, baseline settings."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Augment both views alike."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


def method(setup: MethodSetup) -> Method:
    """Build encoder, projector, and the predictor with its bottleneck (section 3; algorithm 1)."""
    width = setup.whole("projection")
    with setup.initial("simsiam heads"):
        projector = SimSiamProjectionHead(setup.encoder.dim, width, width)
        predictor = SimSiamPredictionHead(width, setup.whole("bottleneck"), width)
    network = nn.Sequential(setup.encoder, projector)
    opposite = exactly(NegativeCosineSimilarity(), setup.compute)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        projections = network(first), network(second)
        predicted = predictor(projections[0]), predictor(projections[1])
        return (opposite(predicted[0], projections[1].detach()) + opposite(predicted[1], projections[0].detach())) / 2

    return Method(nn.ModuleList((network, predictor)), network, loss)


pretrain = two_views("simsiam", method, recipes)
