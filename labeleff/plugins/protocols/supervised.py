"""Shared parts of trained protocols: model with head, objective, preparation."""

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
    """Put the encoder below a linear head, new unless one is given; `data` are the examples it will learn from.

    A dense goal's head works on the last map (see `heads.MapHead`).
    """
    stream, goal = stream_seed("class head", seed), data.goal
    if isinstance(goal, Dense):
        start = goal.start(data.examples.labels)
        return nn.Sequential(LastMap(encoder), MapHead(encoder.dim, data.outputs, goal.grid, stream, start))
    return nn.Sequential(encoder, head or linear_head(encoder.dim, data.outputs, stream))


@dataclass(frozen=True)
class Supervised(BatchObjective):
    """Objective of a goal: mean loss on batches of labelled examples, with the number correct."""

    goal: Goal

    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Compute mean loss and number correct of scores, in float32."""
        assert isinstance(outputs, Tensor)
        assert batch.targets is not None
        scores = exact(outputs)
        return self.goal.loss(scores, batch.targets), self.goal.correct(scores, batch.targets)


@dataclass(frozen=True)
class SupervisedRun:
    """One training of `encoder`, in place, on labelled examples: the arguments of a protocol's preparation."""

    data: Labelled
    encoder: Encoder
    seed: int
    budget: Budget
    options: Mapping[str, OptionValue]
    compute: Compute

    def model(self, head: nn.Module | None = None) -> nn.Sequential:
        """Put the encoder below a head; see `model_for`."""
        return model_for(self.data, self.encoder, self.seed, head)

    def examples(self) -> LabelledExamples:
        """Put the labelled examples on the device, augmented by the budget."""
        return self.data.on(self.compute.device, augment=self.budget.augment, seed=self.seed)

    def slot(self, model: nn.Module, examples: LabelledExamples, **further: Any) -> Slot:
        """Create a slot that trains `model` on labelled examples by their goal; `further` are other fields of it."""
        return Slot(model, examples, Supervised(self.data.goal), self.seed, **further)

    def prepared(self, slot: Slot, finish: Callable[[Training], Fitted] | None = None) -> Prepared:
        """Add the budget's steps to a slot; the last step's weights are the result unless `finish` says otherwise."""
        steps = self.budget.steps_for(len(self.data.examples))
        return Prepared(slot, steps, finish or (lambda training: fitted(slot.model, training, "loss", "accuracy")))


def fitted(model: nn.Module, training: Training, *metrics: str) -> Fitted:
    """Return the model as predictor, with the last window's entries that `metrics` names."""
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
