"""Predictions on examples as they are, in blocks: as one tensor, or scored at once and thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from labeleff.device import Compute
from labeleff.goal import Dense, Goal
from labeleff.heads import on_grid
from labeleff.labelled import LabelledExamples
from labeleff.pipeline import Batch
from labeleff.protocols import Predictor
from labeleff.stories import Resident
from labeleff.train import DivergedError

BLOCK = 500
"""Examples encoded or scored at once."""
BLOCK_ON_CPU = 128
"""The same on a CPU, whose caches hold that many maps: MobileNetV2 is 1.5 times as fast as in blocks of 500."""


def _blocks(model: Callable[[Tensor], Tensor], examples: Resident, compute: Compute) -> Iterator[tuple[Batch, Tensor]]:
    """Every batch with what `model` gives for it in eval mode, float32."""
    if isinstance(model, nn.Module):
        model.eval()
    size = min(BLOCK, BLOCK_ON_CPU) if compute.device.type == "cpu" else BLOCK
    for batch in examples.plain_batches(size):
        with torch.inference_mode(), compute.autocast():
            output = model(compute.arrange(batch.images)).float()
        yield batch, output


def predict(model: Callable[[Tensor], Tensor], examples: Resident, compute: Compute) -> Tensor:
    """What `model` gives for all examples, un-augmented, in blocks: float32 (N, ...)."""
    return torch.cat([output for _, output in _blocks(model, examples, compute)])


class Score:
    """How one predictor does on a split, block by block."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._tally: Tensor | None = None
        self._finite = True
        self.loss: float | None = None
        """Mean of the goal's loss; None where scores are no logits."""
        self.seconds: float | None = None
        """Time that the predictions and their counting took; None where they weren't made for one model alone."""

    def add(self, scores: Tensor, target: Tensor) -> None:
        """Count the scores of some images."""
        self._finite = self._finite and bool(torch.isfinite(scores).all())
        tally = self._goal.tally(scores, target)
        self._tally = tally if self._tally is None else self._tally + tally

    def metrics(self) -> dict[str, float]:
        """Every metric of the goal; raises DivergedError where a prediction wasn't a finite number."""
        if self._tally is None or not self._finite:
            raise DivergedError("the predictions on the test split are not all finite numbers")
        return self._goal.metrics(self._tally)


def score(model: Predictor, examples: LabelledExamples, compute: Compute) -> Score:
    """How a trained model does on all examples."""
    goal, began = examples.goal, time.perf_counter()
    total, sums = Score(goal), torch.zeros(2, dtype=torch.float64, device=compute.device)
    for batch, scores in _blocks(model, examples.resident, compute):
        target = examples.target(batch)
        total.add(scores, target)
        sums += torch.stack((goal.loss(scores, target, "sum").double(), goal.counted(target).sum().double()))
    loss, counted = sums.tolist()  # read once: waiting for the device in every block would slow what is timed
    total.loss, total.seconds = loss / max(counted, 1), time.perf_counter() - began
    return total


def score_frozen(
    model: nn.Module, predictors: Sequence[Predictor], examples: LabelledExamples, compute: Compute
) -> list[Score]:
    """How predictors on the features of one frozen model do on all examples, which are encoded once.

    `model` gives features (B, dim), or where every pixel has a label a map (B, dim, h, w).
    """
    goal = examples.goal
    totals = [Score(goal) for _ in predictors]
    for batch, features in _blocks(model, examples.resident, compute):
        target = examples.target(batch)
        for predictor, total in zip(predictors, totals, strict=True):
            total.add(_dense(predictor, features, goal) if isinstance(goal, Dense) else predictor(features), target)
    return totals


def _dense(predictor: Predictor, maps: Tensor, goal: Dense) -> Tensor:
    """Scores (B, outputs, grid, grid) of a predictor of single grid cells."""
    cells = grid_features(maps, goal)
    return predictor(cells.flatten(0, 2)).view(*cells.shape[:3], -1).permute(0, 3, 1, 2)


def grid_features(maps: Tensor, goal: Dense) -> Tensor:
    """Features of every grid cell, (B, grid, grid, dim), of maps (B, dim, h, w)."""
    return on_grid(maps, goal.grid).permute(0, 2, 3, 1)
