"""MLP probe: one hidden layer on frozen features (Newell & Deng 2020, reference code).

The layers are a linear one without bias as wide as the features, batch-norm, ReLU, and a linear layer.

Features are standardised with the n labelled ones. The recipe is fixed: AdamW, batches of 256 rows, as many steps as
ten passes take, at least 300 and at most 3,000, linear warm-up and cosine decay. Nothing is tuned or stopped early, so
no label is spent on validation; the default rate and weight decay did best on average among fifteen pairs on training
images that were held out (rendered objects and CIFAR-10; 50, 300 and 2,000 labels). A row is an image or, where every
pixel has a label, a counted cell of the grid; classes are learned by cross-entropy, several labels per item by the
mean of each one's binary cross-entropy, depths by absolute error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.encoders.interface import initial_weights
from labeleff.plugins.protocols.features import standardisation
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.temperature import out_of_fold
from labeleff.seeding import stream_seed
from labeleff.study.cell import Budget, Steps
from labeleff.training.device import Compute
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.item_labels import ItemLabels
from labeleff.training.images import Batch
from labeleff.training.loop import train
from labeleff.training.slots import Slot

BATCH = 256
STEPS = Steps(min=300, per_label=10 / BATCH, max=3_000)


class _Rows:
    """Standardised features on their device; `images` of a batch are rows (B, dim)."""

    def __init__(self, features: Tensor) -> None:
        self.count = len(features)
        self._features = features

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:  # noqa: ARG002
        return Batch(self._features[samples], samples, torch.zeros_like(samples))


def network(problem: LabelledFeatures) -> nn.Sequential:
    """Build the probe with initial weights by the problem's seed alone; for depths, its bias starts at their median."""
    dim = int(problem.features.shape[1])
    with initial_weights(stream_seed("mlp", problem.seed)):
        layers = nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, problem.outputs)
    if isinstance(problem.goal, Depth):
        nn.init.constant_(layers[-1].bias, float(problem.labels.median()))
    return nn.Sequential(*layers)


def _fit(problem: LabelledFeatures, rate: float, decay: float) -> Fitted:
    mean, scale = standardisation(problem.features)
    deep = isinstance(problem.goal, Depth)
    goal = problem.goal if isinstance(problem.goal, ItemLabels) else CLASSES  # a row of a map has one class

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        scores, labels = model(batch.images), problem.labels[batch.samples]
        if deep:
            near = (scores[:, 0] / labels).clamp(min=0)
            return (scores[:, 0] - labels).abs().mean(), ((near < 1.25) & (near > 1 / 1.25)).sum()
        return goal.loss(scores, labels), goal.correct(scores, labels)

    model = network(problem)
    rows = _Rows((problem.features - mean) / scale)
    budget = Budget(optimizer="adamw", lr=rate, weight_decay=decay, batch=BATCH, steps=STEPS)
    compute = Compute(problem.features.device, "fp32", "contiguous")
    [training] = train([Slot(model, rows, objective, problem.seed)], budget, budget.steps_for(rows.count), compute)
    model.eval()
    last = training.history[-1]
    metrics = {"loss": last["loss"], "accuracy": last["accuracy"]}
    return Fitted(lambda features: model((features - mean) / scale), metrics=dict(metrics))


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Train one predictor per problem; options `rate`, the highest learning rate, and weight `decay`.

    With option `folds`, each problem of classes is also trained without each fold of its labels, which gives scores of
    all of them for a temperature.
    """

    def train_all(some: Sequence[LabelledFeatures]) -> list[Fitted]:
        return [_fit(problem, float(options["rate"]), float(options["decay"])) for problem in some]

    fitted, folds = train_all(problems), int(options.get("folds", 0))
    if not folds or problems[0].goal.name not in SINGLE:
        return fitted
    temperatures = out_of_fold(problems, folds, train_all)
    return [replace(one, temperature=found) for one, found in zip(fitted, temperatures, strict=True)]
