"""Predictions on un-augmented examples in blocks, kept as one tensor or scored at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from labeleff.execution.calibration import Calibration
from labeleff.execution.draws import Indices
from labeleff.plugins.encoders.heads import evaluate, on_grid
from labeleff.plugins.protocols.interface import Labelled, LabelledFeatures, Predictor, SelectedFeatures
from labeleff.training.contents import numbered
from labeleff.training.device import Compute, give_back, summing_type
from labeleff.training.goals.interface import Dense, Goal
from labeleff.training.goals.item_classes import ItemClasses
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
        with torch.inference_mode():
            output = evaluate(model, compute.arrange(batch.images), compute)
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
    """The score of one predictor on a split, summed block by block, with its `calibration` where that is measured.

    Of the examples `marked` (N,) there is a further one.
    """

    def __init__(self, goal: Goal, calibration: Calibration | None = None, marked: Tensor | None = None) -> None:
        self._goal, self._calibration = goal, calibration
        self._marked = marked
        self.of_marked = None if marked is None or not bool(marked.any()) else Score(goal)
        self._tallies: list[Tensor] = []
        self._metrics: dict[str, float] | None = None
        self._finite = True
        self.class_hits: list[int] = []
        """Examples of each class classified correctly, once there are metrics; empty where the goal doesn't tell."""
        self.loss: float | None = None
        """Mean of the goal's loss; None where the predictor's scores aren't logits."""
        self.seconds: float | None = None
        """Seconds that prediction and scoring took; None where they were measured for several predictors together."""

    def add(self, scores: Tensor, target: Tensor, samples: Tensor | None = None) -> None:
        """Add the scores of a block of examples, with targets and, where some are marked, positions in the split."""
        if self._marked is not None and self.of_marked is not None:
            marked = self._marked[samples]
            self.of_marked.add(scores[marked], target[marked])
        self._finite = self._finite and bool(torch.isfinite(scores).all())
        self._tallies.append(self._goal.tally(scores, target))
        if not self._goal.gathers:
            self._tallies = [self._goal.joined(self._tallies)]
            if self._calibration is not None:
                self._calibration.add(scores, target)

    def metrics(self) -> dict[str, float]:
        """Give every metric of the goal; raises DivergedError where a prediction wasn't a finite number."""
        if not self._finite or (self._metrics is None and not self._tallies):
            raise DivergedError("the predictions on the test split are not all finite numbers")
        if self._metrics is None:
            tally = self._goal.joined(self._tallies)
            self._metrics, self.class_hits = self._goal.metrics(tally), self._goal.class_hits(tally)
            if self._calibration is not None and isinstance(self._goal, ItemClasses):
                self._calibration.add(*self._goal.parts(tally))  # of all items at once, which is faster than in blocks
            self._tallies = []
        return self._metrics

    def calibration(self) -> dict[str, float]:
        """Give the metrics of calibration; empty where they aren't measured. `metrics` has to be asked before."""
        return {} if self._calibration is None else self._calibration.values()

    def settle(self) -> None:
        """Compute the metrics now, if there are any, and forget the scores."""
        if self._finite and self._tallies:
            self.metrics()
        if self.of_marked is not None:
            self.of_marked.settle()
        self._tallies = []


def score(
    model: Predictor,
    examples: LabelledExamples,
    compute: Compute,
    goal: Goal | None = None,
    calibration: Calibration | None = None,
    marked: Tensor | None = None,
) -> Score:
    """Score a trained model on all examples, by their goal unless another one is given, and on those `marked` (N,)."""
    goal, start = goal or examples.goal, time.perf_counter()
    exact = summing_type(compute.device)
    total, sums = Score(goal, calibration, marked), torch.zeros(2, dtype=exact, device=compute.device)
    for batch, scores in _blocks(model, examples.resident, compute):
        target = examples.target(batch)
        total.add(scores, target, batch.samples)
        sums += torch.stack((goal.loss(scores, target, "sum").to(exact), goal.counted(target).sum().to(exact)))
    loss, counted = sums.tolist()  # read once: waiting for the device in every block would slow what is timed
    total.loss, total.seconds = loss / max(counted, 1), time.perf_counter() - start
    return total


GATHERED = 2**27
"""Most scores that are kept at once, of several predictors."""


@torch.no_grad()
def score_frozen(
    model: nn.Module,
    predictors: Sequence[Predictor],
    examples: LabelledExamples,
    compute: Compute,
    logits: Sequence[bool] | None = None,
    outputs: int = 1,
    goals: Sequence[Goal] | None = None,
    calibrations: Sequence[Calibration | None] | None = None,
    marked: Sequence[Tensor | None] | None = None,
) -> list[Score]:
    """Score predictors on the features of one frozen model on all examples.

    They are encoded once; where a goal gathers scores, of which `outputs` belong to an example, once for as many
    predictors as memory should hold those of. `model` gives features (B, dim), or a map (B, dim, h, w) where every
    pixel has a label. `logits` says whose scores are logits; by default all are. `goals` has one per predictor, by
    default that of the examples; so have `calibrations` and `marked`, the examples (N,) on which it is also scored by
    themselves, by default none.
    """
    goal, none = examples.goal, [None] * len(predictors)
    plain = logits or [True] * len(predictors)
    own = zip(goals or [goal] * len(predictors), plain, calibrations or none, marked or none, strict=True)
    totals = [Score(one if as_is else one.of_shares(), measured, part) for one, as_is, measured, part in own]
    pairs = list(zip(predictors, totals, strict=True))
    size = max(1, GATHERED // (examples.count * outputs)) if goal.gathers else max(1, len(pairs))
    for start in range(0, len(pairs), size):
        for batch, features in _blocks(model, examples.resident, compute):
            target = examples.target(batch)
            for predictor, total in pairs[start : start + size]:
                scores = _dense(predictor, features, goal) if isinstance(goal, Dense) else predictor(features)
                total.add(scores, target, batch.samples)
            if len(pairs) > 1:
                give_back()  # what predictors let go lies between the tallies that stay, and would be kept
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
        stories = self._data.stories
        self._equal = numbered(self._data.examples.inputs)[0].to(compute.device) if stories else None

    @property
    def features(self) -> Tensor:
        """Outputs of the model for the whole union, in its order: (M, dim) unless the goal is dense."""
        return self._outputs

    def problem(self, indices: Indices, seed: int = 0, given: Indices | None = None) -> LabelledFeatures:
        """Select the features and labels of one set: one row per image or, for a dense goal, per counted grid cell.

        Labels are the examples' own unless others are given, (n,).
        """
        positions = torch.from_numpy(np.searchsorted(self._union, indices))
        goal, places = self._data.goal, positions.to(self._device)
        labels = self._data.examples.labels[positions] if given is None else torch.from_numpy(given)
        target = goal.target(labels).to(self._device)
        if isinstance(goal, Dense):
            features = grid_features(self._outputs[places], goal)[goal.counted(target)]
            return LabelledFeatures(features, goal.answers(target), self._data.outputs, goal, seed)
        equal = None if self._equal is None else self._equal[places]
        return SelectedFeatures(self._outputs, places, goal.answers(target), self._data.outputs, goal, seed, equal)

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
