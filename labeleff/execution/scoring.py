"""Predictions on un-augmented examples in blocks, kept as one tensor or scored at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from labeleff.execution.draws import Indices
from labeleff.plugins.encoders.heads import on_grid
from labeleff.plugins.protocols.interface import Labelled, LabelledFeatures, Predictor, SelectedFeatures
from labeleff.training.device import Compute, summing_type
from labeleff.training.goals.interface import Dense, Goal
from labeleff.training.images import Batch
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import DivergedError
from labeleff.training.stories import Resident

BLOCK = 500
"""Examples encoded or scored at once."""
BLOCK_ON_CPU = 128
"""Most examples at once on a CPU, whose caches hold their maps: MobileNetV2 is 1.5 times as fast as with 500."""


def _blocks(model: Callable[[Tensor], Tensor], examples: Resident, compute: Compute) -> Iterator[tuple[Batch, Tensor]]:
    """Yield every batch with the output of `model` for it in eval mode, float32."""
    if isinstance(model, nn.Module):
        model.eval()
    size = min(BLOCK, BLOCK_ON_CPU) if compute.device.type == "cpu" else BLOCK
    for batch in examples.plain_batches(size):
        with torch.inference_mode(), compute.autocast():
            output = model(compute.arrange(batch.images)).float()
        yield batch, output


def predict(model: Callable[[Tensor], Tensor], examples: Resident, compute: Compute) -> Tensor:
    """Compute the output of `model` for all examples, un-augmented, in blocks: float32 (N, ...)."""
    outputs, done = torch.empty(0), 0
    for _, output in _blocks(model, examples, compute):
        if not done:  # room for all at once: joining blocks at the end would take it twice
            outputs = output.new_empty(examples.count, *output.shape[1:])
        outputs[done : done + len(output)] = output
        done += len(output)
    return outputs


class Score:
    """The score of one predictor on a split, summed block by block."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._tallies: list[Tensor] = []
        self._metrics: dict[str, float] | None = None
        self._finite = True
        self.class_hits: list[int] = []
        """Examples of each class classified correctly, once there are metrics; empty where the goal doesn't tell."""
        self.loss: float | None = None
        """Mean of the goal's loss; None where the predictor's scores aren't logits."""
        self.seconds: float | None = None
        """Seconds that prediction and scoring took; None where they were measured for several predictors together."""

    def add(self, scores: Tensor, target: Tensor) -> None:
        """Add the scores of a block of examples, with their targets."""
        self._finite = self._finite and bool(torch.isfinite(scores).all())
        self._tallies.append(self._goal.tally(scores, target))
        if not self._goal.gathers:
            self._tallies = [self._goal.joined(self._tallies)]

    def metrics(self) -> dict[str, float]:
        """Give every metric of the goal; raises DivergedError where a prediction wasn't a finite number."""
        if not self._finite or (self._metrics is None and not self._tallies):
            raise DivergedError("the predictions on the test split are not all finite numbers")
        if self._metrics is None:
            tally = self._goal.joined(self._tallies)
            self._metrics, self.class_hits = self._goal.metrics(tally), self._goal.class_hits(tally)
            self._tallies = []
        return self._metrics

    def settle(self) -> None:
        """Compute the metrics now, if there are any, and forget the scores."""
        if self._finite and self._tallies:
            self.metrics()
        self._tallies = []


def score(model: Predictor, examples: LabelledExamples, compute: Compute) -> Score:
    """Score a trained model on all examples."""
    goal, start = examples.goal, time.perf_counter()
    exact = summing_type(compute.device)
    total, sums = Score(goal), torch.zeros(2, dtype=exact, device=compute.device)
    for batch, scores in _blocks(model, examples.resident, compute):
        target = examples.target(batch)
        total.add(scores, target)
        sums += torch.stack((goal.loss(scores, target, "sum").to(exact), goal.counted(target).sum().to(exact)))
    loss, counted = sums.tolist()  # read once: waiting for the device in every block would slow what is timed
    total.loss, total.seconds = loss / max(counted, 1), time.perf_counter() - start
    return total


GATHERED = 2**27
"""Most scores that are kept at once, of several predictors."""


def score_frozen(
    model: nn.Module,
    predictors: Sequence[Predictor],
    examples: LabelledExamples,
    compute: Compute,
    logits: Sequence[bool] | None = None,
    outputs: int = 1,
) -> list[Score]:
    """Score predictors on the features of one frozen model on all examples.

    They are encoded once; where a goal gathers scores, of which `outputs` belong to an example, once for as many
    predictors as memory should hold those of. `model` gives features (B, dim), or a map (B, dim, h, w) where every
    pixel has a label. `logits` says whose scores are logits; by default all are.
    """
    goal = examples.goal
    totals = [Score(goal if plain else goal.of_shares()) for plain in logits or [True] * len(predictors)]
    pairs = list(zip(predictors, totals, strict=True))
    size = max(1, GATHERED // (examples.count * outputs)) if goal.gathers else max(1, len(pairs))
    for start in range(0, len(pairs), size):
        for batch, features in _blocks(model, examples.resident, compute):
            target = examples.target(batch)
            for predictor, total in pairs[start : start + size]:
                scores = _dense(predictor, features, goal) if isinstance(goal, Dense) else predictor(features)
                total.add(scores, target)
        for _, total in pairs[start : start + size]:
            total.settle()
    return totals


def _dense(predictor: Predictor, maps: Tensor, goal: Dense) -> Tensor:
    """Apply a predictor of single grid cells to maps (B, dim, h, w): scores (B, outputs, grid, grid)."""
    cells = grid_features(maps, goal)
    return predictor(cells.flatten(0, 2)).view(*cells.shape[:3], -1).permute(0, 3, 1, 2)


def grid_features(maps: Tensor, goal: Dense) -> Tensor:
    """Resize maps (B, dim, h, w) to the features of every grid cell: (B, grid, grid, dim)."""
    return on_grid(maps, goal.grid).permute(0, 2, 3, 1)


LARGEST = 2**28
"""Most numbers in the grid cells' features of sets that are solved together; a single set may have more."""


class EncodedLabels:
    """Labelled examples of several sets, encoded once by a frozen model; each set's problem is a part of them.

    `model` gives features (B, dim), or a map (B, dim, h, w) where the goal is dense. `union` are sorted positions in
    the training split that include every set; `labelled` gives the examples at such positions.
    """

    def __init__(
        self, model: nn.Module, labelled: Callable[[Indices], Labelled], union: Indices, compute: Compute
    ) -> None:
        self._data = labelled(union)
        self._union, self._device = union, compute.device
        self._outputs = predict(model, self._data.on(compute.device).resident, compute)

    def problem(self, indices: Indices, seed: int = 0) -> LabelledFeatures:
        """Select the features and labels of one set: one row per image or, for a dense goal, per counted grid cell."""
        positions = torch.from_numpy(np.searchsorted(self._union, indices))
        goal, places = self._data.goal, positions.to(self._device)
        target = goal.target(self._data.examples.labels[positions]).to(self._device)
        if isinstance(goal, Dense):
            features = grid_features(self._outputs[places], goal)[goal.counted(target)]
            return LabelledFeatures(features, goal.answers(target), self._data.outputs, goal, seed)
        return SelectedFeatures(self._outputs, places, goal.answers(target), self._data.outputs, goal, seed)

    def packs(self, sets: Sequence[Indices]) -> Iterator[list[Indices]]:
        """Group the sets in order, each as large as memory should hold at once; images' features aren't copied."""
        goal, size = self._data.goal, 0
        pack: list[Indices] = []
        for indices in sets:
            numbers = len(indices) * goal.grid**2 * int(self._outputs.shape[1]) if isinstance(goal, Dense) else 0
            if pack and size + numbers > LARGEST:
                yield pack
                pack, size = [], 0
            pack.append(indices)
            size += numbers
        yield pack
