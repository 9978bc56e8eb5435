"""Shared parts of protocols that learn from labelled and unlabelled images in each step: batches, model, preparation.

A step draws the budget's batch of the n labelled images, just as `finetune` does, and beside it `ratio` times as many
of all training images without their labels (the n labelled ones among them, as in FixMatch's code). One network encodes
all of them in one pass, so batch-norm's statistics are of both, as in the papers' code. The loss is

    task loss of the labelled images + weight * ramp * loss of the unlabelled ones

With `weight = 0` no unlabelled image is drawn, an epoch is one of the labels, and without an average the protocol is
`finetune`.

With a `decay` over 0, an average of the weights is kept beside the network and is the result. It is float32 in any
precision (in bfloat16 a step of 1/1000 would be rounded away) and follows Tarvainen & Valpola's rule, decay min(1 - 1 /
(t + 1), decay) after step t, so that short trainings don't end near the first weights.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.encoders.heads import exact
from labeleff.plugins.protocols.interface import Fitted, Prepared
from labeleff.plugins.protocols.joint import mixed_order
from labeleff.plugins.protocols.supervised import SupervisedRun, fitted
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.study.cell import drawn_beside
from labeleff.training.goals.classification import Classes
from labeleff.training.images import Batch, ResidentImages
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import BatchObjective, Slot

Drawn = tuple[Tensor, Tensor]
"""Positions (B,) of images, and their epochs (B,)."""
Views = Callable[[Drawn, Drawn], Sequence[Tensor]]
"""(labelled, unlabelled) images drawn to the images (..., 3, S, S) that a step sees after the labelled ones."""


@dataclass
class SemiBatches:
    """Batches of `labelled` images, drawn and seen as by `finetune`, followed by the further `views` of a step.

    Samples below n are the labelled images; n and on are all training images without labels, `unlabelled` per step.
    """

    examples: LabelledExamples
    everything: ResidentImages
    labelled: int
    unlabelled: int
    views: Views

    def __post_init__(self) -> None:
        drawn_from = self.everything if self.unlabelled else self.examples
        self.count, self.drawn_on = drawn_from.count, self.everything.drawn_on
        self.streamed = self.everything.streamed

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make the batch of images at `samples` (B,); its `samples` are positions among the images of each kind."""
        own = samples[: self.labelled], epochs[: self.labelled]
        others = samples[self.labelled :] - self.examples.count, epochs[self.labelled :]
        batch = self.examples.batch(*own)
        images = torch.cat((batch.images, *self.views(own, others)))
        samples, epochs = (
            torch.cat(both).to(images.device, non_blocking=True) for both in zip(own, others, strict=True)
        )
        return Batch(images, samples, torch.zeros_like(samples), targets=batch.targets, epochs=epochs)


class Averaged(nn.Module):
    """A network, the average of its weights where `decay` is over 0, and the progress of a ramp of `ramp` steps."""

    steps: Tensor
    ramp: Tensor

    def __init__(self, network: nn.Module, decay: float, ramp: float) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False) if decay else None
        self._decay = decay
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("ramp", torch.tensor(float(ramp)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute scores (B, classes) and the ramp's progress (), in 0..1."""
        progress = self.begin_step()
        return self.network(images), progress

    def begin_step(self) -> Tensor:
        """Take the last step's weights into the average, and count this step; returns the ramp's progress before it.

        Models that are trained as one have no other moment of their own between two steps.
        """
        self.follow()
        progress = torch.where(self.ramp > 0, self.steps / self.ramp, 1.0).clamp(max=1.0)
        if self.training:
            self.steps.add_(1)
        return progress

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the weights as they are after `steps` steps; buffers aren't touched."""
        if self.average is None or not self.training:
            return
        kept = (1 - 1 / (self.steps + 1)).clamp(max=self._decay)
        for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.mul_(kept).add_(now * (1 - kept))

    def result(self, *, own_statistics: bool) -> nn.Module:
        """Return the network to evaluate: the average after the last step, or the network where none is kept.

        The average has the network's batch-norm statistics unless it has computed its own.
        """
        self.follow()
        if self.average is None:
            return self.network
        if not own_statistics:
            for mean, now in zip(self.average.buffers(), self.network.buffers(), strict=True):
                mean.copy_(now)
        return self.average


@dataclass(frozen=True)
class SemiLoss(BatchObjective):
    """Loss of labelled images and, unless `weight` is 0, of unlabelled ones.

    Outputs are scores, the labelled images' first, then further outputs, and the ramp's progress.
    """

    goal: Classes
    weight: float
    names: tuple[str, ...] = field(init=False)
    values: ClassVar[tuple[str, ...]] = ()
    """Names of what `unlabelled` returns beside its loss."""

    def __post_init__(self) -> None:
        names = ("task_loss", "unlabelled_loss", *self.values) if self.weight else ()
        object.__setattr__(self, "names", names)

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Compute the loss, the number of labelled images predicted correctly, both parts, and further values."""
        assert batch.targets is not None
        scores, *further, progress = map(exact, outputs)
        own = scores[: len(batch.targets)]
        task, correct = self.goal.loss(own, batch.targets), self.goal.correct(own, batch.targets)
        if not self.weight:
            return task, correct
        loss, *values = self.unlabelled(len(own), scores, *further)
        return task + self.weight * self.risen(progress) * loss, correct, task, loss, *values

    @abstractmethod
    def unlabelled(self, labelled: int, scores: Tensor, *further: Tensor) -> tuple[Tensor, ...]:
        """Compute the loss that needs no labels, and further values; the first `labelled` rows have labels."""

    def risen(self, progress: Tensor) -> Tensor:
        """Compute the share of the weight that holds at this progress, both in 0..1: as much."""
        return progress


def confident(scores: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Predict classes (B,), and tell which are at least as likely as the threshold: 0 or 1 (B,); no gradients."""
    likeliest, classes = F.softmax(scores.detach(), 1).max(1)
    return classes, (likeliest >= threshold).to(scores.dtype)


class SemiRun:
    """One training on n labelled images and all training images: what is common to these protocols' preparation.

    `weak` gives unlabelled images in the budget's augmentation, by another stream than the labelled ones have. Raises
    PluginError where labels aren't classes of images.
    """

    def __init__(self, run: SupervisedRun, name: str) -> None:
        data, batch = run.data, run.budget.batch
        if data.unlabelled is None or data.normalisation is None:
            raise PluginError(f"{name} needs the other training images, without labels")
        if not isinstance(data.goal, Classes):
            raise PluginError(f"{name} works on classes of images; found labels of the kind {data.goal.name!r}")
        self.run, self.goal, self.normalisation = run, data.goal, data.normalisation
        self.weight, self.others = float(run.options["weight"]), drawn_beside(run.options, batch)
        self.examples = run.examples()
        self.everything = ResidentImages(
            torch.cat((data.examples.images, data.unlabelled)),
            data.normalisation,
            run.compute.device,
            augment=run.budget.augment,
            seed=stream_seed("unlabelled", run.seed),
        )
        images = self.everything.count if self.others else None
        self.steps = run.budget.steps_for(len(data.examples), images, batch + self.others)

    def weak(self, drawn: Drawn, view: int = 0) -> Tensor:
        """Make the weak views (B, 3, S, S) of unlabelled images."""
        return self.everything.batch(*drawn, view=view).images

    def averaged(self, kind: type[Averaged] = Averaged) -> Averaged:
        """Put the encoder below a new head, with what options say of average and ramp."""
        options = self.run.options
        return kind(self.run.model(), float(options["decay"]), float(options["ramp"]) * self.steps)

    def prepared(self, model: Averaged, loss: SemiLoss, views: Views, *, own_statistics: bool = False) -> Prepared:
        """Prepare the training; `own_statistics` says whether the average computes those of its batch-norm itself."""
        batch, n = self.run.budget.batch, self.examples.count
        batches = SemiBatches(self.examples, self.everything, batch, self.others, views)

        def finish(training: Training) -> Fitted:
            return fitted(model.result(own_statistics=own_statistics), training, "loss", "accuracy", *loss.names)

        drawn = batch + self.others
        order = mixed_order(batch, drawn, n, self.everything.count)
        slot = Slot(model, batches, loss, self.run.seed, order=order, batch=drawn, labelled=batch)
        return Prepared(slot, self.steps, finish)
