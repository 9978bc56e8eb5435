"""Rotation prediction (Gidaris et al., 2018; Newell & Deng 2020, section 3).

Every image of a batch is turned by a multiple of 90 degrees drawn for it, and a linear layer on the encoder's
features says which. The reference code splits every batch exactly evenly over the four turns; here each image's
turn is drawn on its own, so that it depends on nothing but the seed, the epoch and the image. With `once = true` every
image keeps the turn (and the augmentation) that it has in its first epoch: one fixed set of turned images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder, linear_head
from labeleff.heads import exact
from labeleff.holdout import hold_out
from labeleff.pipeline import Batch, ResidentImages
from labeleff.pretext import Pretrained, Unlabelled
from labeleff.seeding import stream_seed
from labeleff.train import BatchObjective, Progress, Slot, once, train

BLOCK = 500


@dataclass(frozen=True)
class Turns(BatchObjective):
    """Cross-entropy of the turns, and how many are predicted correctly."""

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Loss and number correct of scores (B, 4)."""
        assert isinstance(outputs, Tensor)
        scores = exact(outputs)
        return F.cross_entropy(scores, batch.turns), (scores.argmax(1) == batch.turns).sum()


def _accuracy(model: nn.Module, held_out: ResidentImages, compute: Compute) -> float:
    """Share of held-out images whose turn, the one drawn for them in epoch 0, is predicted correctly."""
    correct = torch.zeros((), device=compute.device)
    with torch.no_grad(), compute.autocast():
        for batch in held_out.plain_batches(BLOCK):
            correct += (model(compute.arrange(batch.images)).argmax(1) == batch.turns).sum()
    return float(correct) / held_out.count


def pretrain(
    data: Unlabelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],
    compute: Compute,
    progress: Progress,
) -> Pretrained:
    """Train `encoder` in place to predict how images were turned.

    A share `holdout` of the images (at least one, never trained on, never test images) gives `heldout_accuracy`.
    """
    count = int(data.images.shape[0])
    what = "rotation: {held} of {count} images would be held out"
    parts = hold_out(count, float(options["holdout"]), stream_seed("holdout", seed), what)
    images = ResidentImages(
        data.images[parts[0]],
        data.normalisation,
        compute.device,
        augment=budget.augment,
        rotate=True,
        seed=seed,
    )
    held_out = ResidentImages(data.images[parts[1]], data.normalisation, compute.device, rotate=True, seed=seed)
    model = nn.Sequential(encoder, linear_head(encoder.dim, 4, stream_seed("rotation head", seed)))
    slot = Slot(
        model,
        images,
        Turns(),
        seed,
        watch=lambda m: {"heldout_accuracy": _accuracy(m, held_out, compute)},
        order=once(images.count) if options.get("once") else None,
    )
    [training] = train([slot], budget, budget.steps_for(images.count), compute, progress)
    last = training.history[-1]
    metrics = {
        "accuracy": last["accuracy"],
        "heldout_accuracy": last["heldout_accuracy"],
        "loss": last["loss"],
    }
    return Pretrained(dict(metrics), training)
