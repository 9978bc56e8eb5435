"""Interface of protocols: how an encoder meets labels, one plain function per file.

A trained protocol (`fit`) gets a copy of the encoder and exactly n labelled examples; where it also has `prepare`,
which the catalogue names, several of its cells can be trained as one. A trained protocol with `unlabelled = True` in
the catalogue also gets the other training images without their labels. A frozen one (`fit`, with
`trained = False` in the catalogue) never sees the encoder: it gets exactly n features with their labels, for
many label sets at once. Neither gets the test set; the runner scores what they return, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder
from labeleff.records.training_log import Training
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.interface import Goal
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.loop import train
from labeleff.training.slots import Progress, Slot

Predictor = Callable[[Tensor], Tensor]
"""A function from inputs to scores.

Trained protocols: float images (B, 3, S, S) or word numbers of stories; frozen ones: features (B, dim) of images
or grid cells. To scores (B, outputs), or of trained ones (B, outputs, grid, grid) where every pixel has a label."""


@dataclass(frozen=True)
class Labelled:
    """Exactly n labelled images or stories, the number of scores, and the training images' channel statistics.

    Stories have no `normalisation`. `goal` says what the labels are. `unlabelled` are the other training images, uint8
    (M, S, S, 3), for protocols that declare in the catalogue that they use them; None for all others.
    """

    examples: Examples
    outputs: int
    normalisation: Normalisation | None
    goal: Goal = CLASSES
    unlabelled: Tensor | None = None

    def on(self, device: torch.device, *, augment: Augment | None = None, seed: int = 0) -> LabelledExamples:
        """Put all examples on the device, augmented from the stream that `seed` names."""
        return LabelledExamples(self.examples, self.goal, self.normalisation, device, augment=augment, seed=seed)

    def part(self, places: Tensor) -> Labelled:
        """Select the examples at some positions."""
        examples = Examples(self.examples.inputs[places], self.examples.labels[places])
        return replace(self, examples=examples)


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (rows, dim) float32 of exactly n images with labels: classes (rows,) int64 in 0..outputs-1.

    A row is an image or, where the goal is dense, a counted grid cell; depths are float32 in scene units. `seed` is
    the cell's, for protocols that have to begin somewhere. `rows` (rows,) int64, where given, name the rows, each by
    one number in all problems that are solved together, so that a protocol sees which problem contains which.
    """

    features: Tensor
    labels: Tensor
    outputs: int
    goal: Goal = CLASSES
    seed: int = 0
    rows: Tensor | None = None


class SelectedFeatures(LabelledFeatures):
    """Rows of features (M, dim) that many problems share: `features` are selected anew whenever they are read."""

    def __init__(
        self, source: Tensor, rows: Tensor, labels: Tensor, outputs: int, goal: Goal = CLASSES, seed: int = 0
    ) -> None:
        own = {"source": source, "rows": rows, "labels": labels, "outputs": outputs, "goal": goal, "seed": seed}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    source: Tensor

    @property
    def features(self) -> Tensor:
        """Features (rows, dim): a copy, which is let go after use."""
        assert self.rows is not None
        return self.source[self.rows]


@dataclass(frozen=True)
class Fitted:
    """Result of a protocol: a predictor, its training log (frozen protocols: None) and further metrics."""

    predictor: Predictor
    training: Training | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    logits: bool = True
    """Whether scores of classes are logits; else they are compared between items as they are, e.g. shares of votes."""


@dataclass(frozen=True)
class Prepared:
    """A slot ready to be trained for `steps` steps, and the function that turns its training into a result."""

    slot: Slot
    steps: int
    finish: Callable[[Training], Fitted]

    def fit(self, budget: Budget, compute: Compute, progress: Progress) -> Fitted:
        """Train the slot by itself."""
        [training] = train([self.slot], budget, self.steps, compute, progress)
        return self.finish(training)


Preparation = Callable[[Labelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute], Prepared]
"""The part of a trained protocol before training, so that the runner can train several cells as one."""
TrainedProtocol = Callable[[Labelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute, Progress], Fitted]
FrozenProtocol = Callable[[Sequence[LabelledFeatures], Mapping[str, OptionValue]], list[Fitted]]


def by_itself(prepare: Preparation) -> TrainedProtocol:
    """Build the protocol that trains what `prepare` returns, one cell at a time."""

    def fit(
        data: Labelled,
        encoder: Encoder,
        seed: int,
        budget: Budget,
        options: Mapping[str, OptionValue],
        compute: Compute,
        progress: Progress,
    ) -> Fitted:
        return prepare(data, encoder, seed, budget, options, compute).fit(budget, compute, progress)

    return fit
