"""Rotation prediction (Gidaris et al. 2018; Newell & Deng 2020, section 3).

Every image of a batch is turned by a multiple of 90 degrees drawn for it, and a linear layer on the encoder's
features predicts which. The reference code splits every batch exactly evenly over the four turns; here each image's
turn is drawn on its own, so that it depends on nothing but the seed, the epoch and the image. With `once = true` every
image keeps the turn (and the augmentation) that it has in its first epoch: one fixed set of turned images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.plugins.encoders.heads import evaluate, exact
from labeleff.plugins.encoders.interface import linear_head
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.training.device import Compute
from labeleff.training.images import Batch, ResidentImages
from labeleff.training.slots import BatchObjective, once

BLOCK = 500
"""Held-out images evaluated at once."""


@dataclass(frozen=True)
class Turns(BatchObjective):
    """Objective: cross-entropy of the turns, and the number predicted correctly."""

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Compute loss and number correct of scores (B, 4)."""
        assert isinstance(outputs, Tensor)
        scores = exact(outputs)
        return F.cross_entropy(scores, batch.turns), (scores.argmax(1) == batch.turns).sum()


def _accuracy(model: nn.Module, held_out: ResidentImages, compute: Compute) -> float:
    """Compute the share of held-out images whose turn, the one drawn for them in epoch 0, is predicted correctly."""
    correct = torch.zeros((), device=compute.device)
    with torch.no_grad():
        for batch in held_out.plain_batches(BLOCK):
            correct += (evaluate(model, compute.arrange(batch.images), compute).argmax(1) == batch.turns).sum()
    return float(correct) / held_out.count


@pretext("rotation")
def pretrain(run: PretextRun) -> Pretrained:
    """Train an encoder to predict how images were turned.

    A share `holdout` of the images (at least one, never trained on, never test images) gives `heldout_accuracy`.
    """
    trained, evaluated = run.hold_out()
    images = run.resident(trained, run.budget.augment, rotate=True)
    held_out = run.resident(evaluated, rotate=True)
    model = nn.Sequential(run.encoder, linear_head(run.encoder.dim, 4, run.stream("rotation head")))

    def watch(model: nn.Module) -> dict[str, float]:
        return {"heldout_accuracy": _accuracy(model, held_out, run.compute)}

    order = once(images.count) if run.options.get("once") else None
    return run.train(model, images, Turns(), watch, ("accuracy", "heldout_accuracy", "loss"), order)
