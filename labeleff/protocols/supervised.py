"""What trained protocols share: a model with the head that a goal needs, and what it minimises."""

from __future__ import annotations

from torch import Tensor, nn

from labeleff.encoders import Encoder, linear_head
from labeleff.goal import Dense
from labeleff.heads import LastMap, MapHead
from labeleff.labelled import LabelledExamples
from labeleff.pipeline import Batch
from labeleff.protocols import Labelled
from labeleff.seeding import stream_seed
from labeleff.train import Objective


def model_for(data: Labelled, encoder: Encoder, seed: int, head: nn.Module | None = None) -> nn.Sequential:
    """The encoder below a linear head, new unless one is given; `data` is what it will learn from.

    A dense goal's head works on the last map (see `heads.MapHead`).
    """
    stream, goal = stream_seed("class head", seed), data.goal
    if isinstance(goal, Dense):
        start = goal.start(data.examples.labels)
        return nn.Sequential(LastMap(encoder), MapHead(encoder.dim, data.outputs, goal.grid, stream, start))
    return nn.Sequential(encoder, head or linear_head(encoder.dim, data.outputs, stream))


def objective(examples: LabelledExamples) -> Objective:
    """The goal's mean loss on batches of these examples, with the number right."""

    def of_batch(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        scores, target = model(batch.images).float(), examples.target(batch)
        return examples.goal.loss(scores, target), examples.goal.right(scores, target)

    return of_batch
