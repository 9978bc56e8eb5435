"""BYOL (Grill et al. 2020, "Bootstrap Your Own Latent").

From one view a predictor must predict the other view's projection by a target network, whose weights follow the
encoder's; there are no negatives. Heads, loss and momentum update through lightly.
"""

from __future__ import annotations

import copy

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from labeleff.plugins.pretexts.interface import StepCounter
from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Appendix B, table 6."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Blur every first view and few second ones, and solarise some second ones (appendix B, table 6)."""
    return recipe(options, STRENGTHS, blur=1.0), recipe(options, STRENGTHS, blur=0.1, solarise=0.2)


def method(setup: MethodSetup) -> Method:
    """Build the online network with its predictor, and the target that follows it ever slower (section 3.3)."""
    hidden, width = setup.whole("hidden"), setup.whole("projection")
    with setup.initial("byol heads"):
        projector = BYOLProjectionHead(setup.encoder.dim, hidden, width)
        predictor = BYOLPredictionHead(width, hidden, width)
    online = nn.Sequential(setup.encoder, projector)
    target = copy.deepcopy(online)
    deactivate_requires_grad(target)
    opposite = exactly(NegativeCosineSimilarity(), setup.compute)
    start, steps = setup.real("momentum"), StepCounter()

    def loss(first: Tensor, second: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            update_momentum(online, target, cosine_schedule(steps.count(), setup.steps, start, 1.0))
        with torch.no_grad():
            targets = target(first), target(second)
        predicted = predictor(online(first)), predictor(online(second))
        return 4 + 2 * (opposite(predicted[0], targets[1]) + opposite(predicted[1], targets[0]))

    return Method(nn.ModuleList((online, predictor, target, steps)), online, loss)


pretrain = two_views("byol", method, recipes)
