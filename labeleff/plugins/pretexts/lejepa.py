"""LeJEPA (Balestriero and LeCun 2025, "Provable and Scalable Self-Supervised Learning Without the Heuristics").

Two views must project to the same place, while over a batch the projections must look normally distributed along any
direction: a test of their characteristic function along random ones (SIGReg, section 4). No teacher, no stop of
gradients, no predictor. Head and test through lightly. The paper's six small crops more are left out, as for DINO: of
a 32-pixel image they would be 14 pixels a side. Then all views are global ones, which lightly's own loss doesn't take.

The test's statistic grows with the batch, so batches are whole. Its directions are drawn anew at every step, by the
seed and the step alone; held-out images are tested along the same ones each time.
"""

from __future__ import annotations

import torch
from lightly.loss import SIGReg
from lightly.models.modules.heads import LeJEPAProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.interface import StepCounter
from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, of_projections, recipe, two_views
from labeleff.seeding import stream_seed
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Jitter of brightness, contrast, saturation and hue, as in BYOL and DINO."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Use DINO's views (section 6), both alike but for the share that is solarised."""
    return recipe(options, STRENGTHS, blur=0.5), recipe(options, STRENGTHS, blur=0.5, solarise=0.2)


def method(setup: MethodSetup) -> Method:
    """Build encoder and projector, and the two terms that `weight` mixes (algorithm 2)."""
    with setup.initial("lejepa head"):
        projector = LeJEPAProjectionHead(setup.encoder.dim, setup.whole("hidden"), setup.whole("projection"))
    network, share = nn.Sequential(setup.encoder, projector), setup.real("weight")
    normality = SIGReg(num_vectors=setup.whole("directions"))
    steps = StepCounter()
    device = setup.compute.device
    generators = [device] if device.type == "cuda" else []

    def terms(first: Tensor, second: Tensor) -> Tensor:
        views = torch.stack((first, second))
        apart = (views - views.mean(0)).square().mean()
        # lightly draws directions from the global generator, with gradients off too
        with torch.random.fork_rng(generators):
            step = 1 + steps.count() if torch.is_grad_enabled() else 0
            torch.manual_seed(stream_seed("lejepa", setup.seed, step))
            unlike: Tensor = normality(views)
        return share * unlike + (1 - share) * apart

    return Method(nn.ModuleList((network, normality, steps)), network, of_projections(network, terms, setup.compute))


pretrain = two_views("lejepa", method, recipes)
