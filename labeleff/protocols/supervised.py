"""What trained protocols share: a model with the head that a goal needs, and what it minimises."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from labeleff.encoders import Encoder, linear_head
from labeleff.goal import Dense, Goal
from labeleff.heads import LastMap, MapHead, exact
from labeleff.pipeline import Batch
from labeleff.protocols import Labelled
from labeleff.seeding import stream_seed
from labeleff.train import BatchObjective


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
