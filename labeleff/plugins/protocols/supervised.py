"""What trained protocols share: a model with the head that a goal needs, what it minimises, and how one is prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.heads import LastMap, MapHead, exact
from labeleff.plugins.encoders.interface import Encoder, linear_head
from labeleff.plugins.protocols.interface import Fitted, Labelled, Preparation, Prepared
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.study.cell import Budget
from labeleff.training.device import Compute
from labeleff.training.goals.interface import Dense, Goal
from labeleff.training.images import Batch
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import BatchObjective, Slot


def model_for(data: Labelled, encoder: Encoder, seed: int, head: nn.Module | None = None) -> nn.Sequential:
    """The encoder below a linear head, new unless one is given; `data` is what it will learn from.

    A dense goal's head works on the last map (see `heads.MapHead`).
    """
    stream, goal = stream_seed("class head", seed), data.goal
    if isinstance(goal, Dense):
        start = goal.start(data.examples.labels)
        return nn.Sequential(LastMap(encoder), MapHead(encoder.dim, data.outputs, goal.grid, stream, start))
    return nn.Sequential(encoder, head or linear_head(encoder.dim, data.outputs, stream))


@dataclass(frozen=True)
class Supervised(BatchObjective):
    """The goal's mean loss on batches of labelled examples, with the number correct."""

    goal: Goal

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Mean loss and number correct of scores, worked out in float32."""
        assert isinstance(outputs, Tensor)
        assert batch.targets is not None
        scores = exact(outputs)
        return self.goal.loss(scores, batch.targets), self.goal.correct(scores, batch.targets)


@dataclass(frozen=True)
class SupervisedRun:
    """One training of `encoder`, in place, on labelled examples: all that a protocol's preparation is given."""

    data: Labelled
    encoder: Encoder
    seed: int
    budget: Budget
    options: Mapping[str, OptionValue]
    compute: Compute

    def model(self, head: nn.Module | None = None) -> nn.Sequential:
        """The encoder below a head; see `model_for`."""
        return model_for(self.data, self.encoder, self.seed, head)

    def examples(self) -> LabelledExamples:
        """The labelled examples on the device, augmented by the budget."""
        return self.data.on(self.compute.device, augment=self.budget.augment, seed=self.seed)

    def slot(self, model: nn.Module, examples: LabelledExamples, **further: Any) -> Slot:
        """A slot that trains `model` on labelled examples by their goal; `further` are other fields of it."""
        return Slot(model, examples, Supervised(self.data.goal), self.seed, **further)

    def prepared(self, slot: Slot, finish: Callable[[Training], Fitted] | None = None) -> Prepared:
        """The slot with its steps by the budget; the last step's weights are the result unless `finish` says."""
        steps = self.budget.steps_for(len(self.data.examples))
        return Prepared(slot, steps, finish or (lambda training: fitted(slot.model, training, "loss", "accuracy")))


def fitted(model: nn.Module, training: Training, *metrics: str) -> Fitted:
    """The model as predictor; the last window's entries that `metrics` names are what its training reached."""
    last = training.history[-1]
    return Fitted(model.eval(), training, {name: last[name] for name in metrics})


def preparation(function: Callable[[SupervisedRun], Prepared]) -> Preparation:
    """Give a function of a `SupervisedRun` the arguments that every preparation is called with."""

    def prepare(
        data: Labelled,
        encoder: Encoder,
        seed: int,
        budget: Budget,
        options: Mapping[str, OptionValue],
        compute: Compute,
    ) -> Prepared:
        return function(SupervisedRun(data, encoder, seed, budget, options, compute))

    prepare.__doc__ = function.__doc__
    return prepare
