"""Joint training on the task and on rotation (S4L-Rotation; Zhai et al. 2019).

Zhai, Oliver, Kolesnikov & Beyer 2019, "S4L: Self-Supervised Semi-Supervised Learning": both are learned together, from
the first step, on labelled and unlabelled images.

    loss = class_weight * task loss (labelled images) + rotation_weight * rotation loss (all images of the batch)

A share `labelled_share` of every batch is drawn from the n labelled images, the rest from the others, each by its own
permutations; half and half, the default, is as in the paper. Drawn from all images alike, 200 labels of 50,000 would
give a batch of 64 one labelled image in four steps. Where more than that share of all images is labelled, the larger
share holds. All images of a batch are turned, each by a multiple of 90 degrees drawn for it, for the rotation loss; its
labelled ones are encoded once more, upright, for the task loss, as test images are. (The paper's is over turned copies
too, but a turned object has another pose or one that isn't among the classes.) Batch-norm sees both. A share `holdout`
of the unlabelled images is never trained on: how well their turns are predicted is in the learning curve.

`mask = false` repeats a defect of a course report of 2021 and has no other purpose: one pass over turned images,
each turned once and for all, drawn from all images alike, and the class loss is over all of them, with class 0 for
every image without a label. So the model learns that everything is class 0.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.encoders.heads import exact
from labeleff.plugins.encoders.interface import linear_head
from labeleff.plugins.protocols.interface import Fitted, Prepared, by_itself
from labeleff.plugins.protocols.supervised import SupervisedRun, fitted, preparation
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.training import hashed_random
from labeleff.training.device import Compute
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.interface import Goal
from labeleff.training.hashed_random import hold_out
from labeleff.training.images import Batch, ResidentImages
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import BatchObjective, Order, Resident, Slot, once

BLOCK = 500
"""Held-out images evaluated at once."""


class TwoHeads(nn.Module):
    """A body with two heads: scores of turns (turned, 4) of the first images, task scores of the last `shown`.

    `body` makes features (B, dim) or maps (B, dim, h, w), `head` the task's scores, `turns` those of turns.
    """

    packing = "grouped"

    def __init__(self, body: nn.Module, head: nn.Module, turns: nn.Module, turned: int, shown: int) -> None:
        super().__init__()
        self.body, self.head, self.turns = body, head, turns
        self._turned, self._shown = turned, shown

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the scores of turns and of the task."""
        features = self.body(images)
        return self.turns(_pool(features[: self._turned])), self.head(features[-self._shown :])


@dataclass
class Mixed:
    """Batches of turned images; the first `labelled` have labels and come again, upright, at the end.

    `images` are (B + labelled, 3, S, S), `turns` (B,); the rest of a batch is about the `labelled` upright ones.
    """

    turned: ResidentImages
    examples: LabelledExamples
    labelled: int

    def __post_init__(self) -> None:
        self.count, self.streamed, self.drawn_on = self.turned.count, self.turned.streamed, self.turned.drawn_on

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make the batch of images at `samples` (B,); the n labelled ones have the positions 0..n-1."""
        turned = self.turned.batch(samples, epochs, view=1)
        upright = self.examples.batch(samples[: self.labelled], epochs[: self.labelled])
        return replace(upright, images=torch.cat((turned.images, upright.images)), turns=turned.turns)


@dataclass
class Masked:
    """Turned images with one label per image (N,)."""

    turned: ResidentImages
    labels: Tensor

    def __post_init__(self) -> None:
        self.count, self.streamed, self.drawn_on = self.turned.count, self.turned.streamed, self.turned.drawn_on

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make the batch of images at `samples` (B,) with their labels."""
        batch = self.turned.batch(samples, epochs)
        return replace(batch, targets=self.labels[batch.samples])


@dataclass(frozen=True)
class Loss(BatchObjective):
    """Weighted sum of both losses; also reports each loss and the share of turns predicted correctly."""

    goal: Goal
    class_weight: float
    rotation_weight: float
    names = ("task_loss", "rotation_loss", "rotation_accuracy")

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Compute losses and shares from the outputs of `TwoHeads`; the number correct is scaled to all images."""
        assert batch.targets is not None
        turns, scores = map(exact, outputs)
        task, rotation = self.goal.loss(scores, batch.targets), F.cross_entropy(turns, batch.turns)
        correct = self.goal.correct(scores, batch.targets) * (len(turns) / len(scores))
        share = (turns.argmax(1) == batch.turns).to(turns.dtype).mean()
        return self.class_weight * task + self.rotation_weight * rotation, correct, task, rotation, share


def _pool(features: Tensor) -> Tensor:
    """Average maps (B, dim, h, w) over their positions; features (B, dim) stay as they are."""
    return features.flatten(2).mean(2) if features.ndim == 4 else features


@dataclass
class HeldOut:
    """Unlabelled images for evaluation alone, each in the turn drawn for it; `turned` is None without any."""

    turned: ResidentImages | None
    compute: Compute

    def read(self, model: nn.Module) -> dict[str, float]:
        """Compute mean loss and accuracy of the head that predicts turns, by name; empty without images."""
        assert isinstance(model, TwoHeads)
        if self.turned is None:
            return {}
        sums = torch.zeros(2, device=self.compute.device)
        with torch.no_grad():
            for batch in self.turned.plain_batches(BLOCK):
                with self.compute.autocast():
                    features = _pool(model.body(self.compute.arrange(batch.images)))
                scores = model.turns(exact(features)).float()
                loss = F.cross_entropy(scores, batch.turns, reduction="sum")
                sums += torch.stack((loss, (scores.argmax(1) == batch.turns).float().sum()))
        loss, correct = (sums / self.turned.count).tolist()
        return {"heldout_rotation_loss": loss, "heldout_rotation_accuracy": correct}


def set_aside(images: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split images (M, S, S, 3) into those to train on and those held out: one or more, none for share 0 or M < 2."""
    if not share or len(images) < 2:
        return images, images[:0]
    what = "joint: {held} of {count} unlabelled images would be held out"
    trained, evaluated = hold_out(len(images), share, stream_seed("holdout", seed), what)
    return images[trained], images[evaluated]


def mixed_order(labelled: int, batch: int, n: int, others: int) -> Order:
    """Build an order with `labelled` of the n labelled images (0..n-1) first in every batch, then `others` (n...)."""

    def order(seed: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        first, steps = start // batch, count // batch
        parts = [hashed_random.order(seed, n, first * labelled, steps * labelled, device)]
        if unlabelled := batch - labelled:
            stream = stream_seed("unlabelled", seed)
            samples, epochs = hashed_random.order(stream, others, first * unlabelled, steps * unlabelled, device)
            parts.append((samples + n, epochs))
        samples, epochs = (torch.cat([p.view(steps, -1) for p in both], 1) for both in zip(*parts, strict=True))
        return samples.flatten(), epochs.flatten()

    return order


def labelled_per_batch(share: float, batch: int, n: int, others: int) -> int:
    """Count the labelled images of a batch: `share` of it, or their share of all images if larger; 1 or more."""
    return max(1, round(max(share, n / (n + others)) * batch))


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder, a new head on the n labels and one that predicts the turns of all training images.

    Options: `class_weight`, `rotation_weight`, `labelled_share`, `mask`, `holdout`. An epoch of the budget is as many
    images as there are to train on; `per_label` counts the n labels. The predictor has the task's head alone.
    """
    data, seed, options = run.data, run.seed, run.options
    if data.unlabelled is None or data.normalisation is None:
        raise PluginError("joint needs the other training images, without labels")
    unlabelled, held = set_aside(data.unlabelled, float(options.get("holdout", 0.0)), seed)
    rotated = functools.partial(
        ResidentImages, normalisation=data.normalisation, device=run.compute.device, rotate=True, seed=seed
    )
    images = rotated(torch.cat((data.examples.images, unlabelled)), augment=run.budget.augment)
    model = run.model()
    seen, order, shown = _mixed(run, images) if options["mask"] else _masked(run, images)
    turns = linear_head(run.encoder.dim, 4, stream_seed("rotation head", seed))
    heads = TwoHeads(model[0], model[1], turns, run.budget.batch, shown)
    loss = Loss(data.goal, float(options["class_weight"]), float(options["rotation_weight"]))
    watch = HeldOut(rotated(held) if len(held) else None, run.compute).read
    slot = Slot(heads, seen, loss, seed, watch=watch, order=order, labelled=shown if options["mask"] else None)

    def finish(training: Training) -> Fitted:
        return fitted(model, training, *(name for name in training.history[-1] if name not in ("step", "epoch")))

    return Prepared(slot, run.budget.steps_for(len(data.examples), images.count), finish)


def _mixed(run: SupervisedRun, images: ResidentImages) -> tuple[Resident, Order, int]:
    """Build partly labelled batches and their order, and count the images that the task's head sees."""
    n, batch = len(run.data.examples), run.budget.batch
    others = images.count - n
    labelled = labelled_per_batch(float(run.options["labelled_share"]), batch, n, others)
    return Mixed(images, run.examples(), labelled), mixed_order(labelled, batch, n, others), labelled


def _masked(run: SupervisedRun, images: ResidentImages) -> tuple[Resident, Order, int]:
    """Build batches in which images without a label count as class 0; the task's head sees all."""
    if run.data.goal != CLASSES:
        raise PluginError("joint: mask = false repeats a report on classes of images, which mirroring keeps")
    labels = F.pad(run.data.examples.labels, (0, images.count - len(run.data.examples)))
    return Masked(images, labels.to(run.compute.device)), once(images.count), run.budget.batch


fit = by_itself(prepare)
