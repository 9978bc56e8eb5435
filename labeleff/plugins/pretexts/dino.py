"""DINO (Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers"), with two views of full size.

A student must give the prototypes that a teacher, whose weights follow its own, gives for the other view; the
teacher's outputs are centred and sharpened (section 3.1, algorithm 1). The small crops of the paper's multi-crop are
left out: of a 32-pixel image they would be 14 pixels a side. Head, loss and momentum update through lightly.
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

from labeleff.plugins.pretexts.two_views import Given, Method, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.2, 0.1)


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """BYOL's views (section 3.2)."""
    return recipe(options, STRENGTHS, blur=1.0), recipe(options, STRENGTHS, blur=0.1, solarise=0.2)


def _head(given: Given) -> Any:
    """Always the same initial weights: lightly's head can't be copied because of its normalised last layer.

    It has batch-norm, as lightly advises for encoders that aren't vision transformers.
    """
    with given.initial("dino head"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # lightly's weight_norm, that torch means to replace
        hidden, bottleneck = given.whole("hidden"), given.whole("bottleneck")
        prototypes = given.whole("prototypes")
        return DINOProjectionHead(given.encoder.dim, hidden, bottleneck, prototypes, batch_norm=True)


def method(given: Given) -> Method:
    """Student and teacher; the student's last layer rests for the first epoch, as in the reference code."""
    head = _head(given)
    student = nn.Sequential(given.encoder, head)
    teacher = nn.Sequential(copy.deepcopy(given.encoder), _head(given))
    deactivate_requires_grad(teacher)
    sharp = given.real("teacher_temperature")
    centred = DINOLoss(given.whole("prototypes"), sharp, sharp, student_temp=given.real("student_temperature"))
    start = given.real("momentum")
    momenta = (cosine_schedule(step, given.steps, start, 1.0) for step in range(given.steps))
    resting = iter(range(given.epoch))
    head.last_layer.weight_v.register_hook(lambda slope: slope if next(resting, None) is None else 0 * slope)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        distillation = centred
        if torch.is_grad_enabled():
            update_momentum(student, teacher, next(momenta))
        else:  # lightly's loss moves its centre whenever it is called
            distillation = copy.deepcopy(centred)
        with torch.no_grad():
            taught = teacher(first), teacher(second)
        exact = exactly(lambda a, b, c, d: distillation([a, b], [c, d]), given.compute)
        return exact(*taught, student(first), student(second))

    return Method(nn.ModuleList((student, teacher, centred)), student, loss)


pretrain = two_views("dino", method, recipes)
