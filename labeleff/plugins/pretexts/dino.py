"""DINO (Caron et al. 2021), with two views of full size.

The paper is "Emerging Properties in Self-Supervised Vision Transformers".

A student must predict the prototypes that a teacher, whose weights follow its own, assigns to the other view; the
teacher's outputs are centred and sharpened (section 3.1, algorithm 1). The small crops of the paper's multi-crop are
left out: of a 32-pixel image they would be 14 pixels a side. Head, loss and momentum update through lightly. The
student's encoder is the result, or with `network = "teacher"`, as in the reference code, the teacher's.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from labeleff.plugins.encoders.vision_transformer import ViT
from labeleff.plugins.pretexts.interface import StepCounter
from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Jitter of brightness, contrast, saturation and hue, as in BYOL."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Use BYOL's views (section 3.2)."""
    return recipe(options, STRENGTHS, blur=1.0), recipe(options, STRENGTHS, blur=0.1, solarise=0.2)


def _head(setup: MethodSetup) -> Any:
    """Create a head, always with the same initial weights: lightly's can't be copied for its normalised last layer.

    It has batch-norm for encoders that aren't vision transformers, as the reference code has.
    """
    with setup.initial("dino head"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # lightly's weight_norm, that torch means to replace
        hidden, bottleneck = setup.whole("hidden"), setup.whole("bottleneck")
        prototypes = setup.whole("prototypes")
        return DINOProjectionHead(
            setup.encoder.dim, hidden, bottleneck, prototypes, batch_norm=not isinstance(setup.encoder, ViT)
        )


def method(setup: MethodSetup) -> Method:
    """Build student and teacher; the student's last layer is fixed in the first epoch, as in the reference code."""
    head = _head(setup)
    student = nn.Sequential(setup.encoder, head)
    teacher = nn.Sequential(copy.deepcopy(setup.encoder), _head(setup))
    deactivate_requires_grad(teacher)
    sharp = setup.real("teacher_temperature")
    centred = DINOLoss(setup.whole("prototypes"), sharp, sharp, student_temp=setup.real("student_temperature"))
    start, steps = setup.real("momentum"), StepCounter()
    head.last_layer.weight_v.register_hook(lambda slope: slope if steps.done > setup.epoch else 0 * slope)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        distillation = centred
        if torch.is_grad_enabled():
            update_momentum(student, teacher, cosine_schedule(steps.count(), setup.steps, start, 1.0))
        else:  # lightly's loss moves its centre whenever it is called
            distillation = copy.deepcopy(centred)
        with torch.no_grad():
            targets = teacher(first), teacher(second)
        exact = exactly(lambda a, b, c, d: distillation([a, b], [c, d]), setup.compute)
        return exact(*targets, student(first), student(second))

    result = {"student": student, "teacher": teacher}[str(setup.options.get("network", "student"))]
    return Method(nn.ModuleList((student, teacher, centred, steps)), result, loss)


pretrain = two_views("dino", method, recipes)
