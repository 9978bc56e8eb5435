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
from labeleff.plugins.protocols.temperature import Temperature
from labeleff.records.entries import Trial
from labeleff.records.training_log import Training
from labeleff.study.cell import Augment, Budget
from labeleff.study.tuning import Choice
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.interface import Goal
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.loop import train
from labeleff.training.slots import Progress, Slot

STORY_AXES = 3
"""Axes of word numbers of stories; images have four, positions of items with stored features two."""

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

    @property
    def stories(self) -> bool:
        """Whether the examples are stories with questions, as word numbers (n, sentences + 1, length)."""
        return self.examples.inputs.ndim == STORY_AXES

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
    one number in all problems that are solved together, so that a protocol sees which problem contains which. `equal`
    (rows,) int64, where given, has one number for rows of equal stories and questions, which no split may tear apart.
    """

    features: Tensor
    labels: Tensor
    outputs: int
    goal: Goal = CLASSES
    seed: int = 0
    rows: Tensor | None = None
    equal: Tensor | None = None

    def part(self, chosen: Tensor) -> LabelledFeatures:
        """Select some of the rows, by a mask."""
        rows, equal = (None if numbers is None else numbers[chosen] for numbers in (self.rows, self.equal))
        return replace(self, features=self.features[chosen], labels=self.labels[chosen], rows=rows, equal=equal)


class SelectedFeatures(LabelledFeatures):
    """Rows of features (M, dim) that many problems share: `features` are selected anew whenever they are read."""

    def __init__(
        self,
        source: Tensor,
        rows: Tensor,
        labels: Tensor,
        outputs: int,
        goal: Goal = CLASSES,
        seed: int = 0,
        equal: Tensor | None = None,
    ) -> None:
        own = {"source": source, "rows": rows, "labels": labels, "outputs": outputs, "goal": goal, "seed": seed}
        own["equal"] = equal
        for name, value in own.items():
            object.__setattr__(self, name, value)

    source: Tensor

    @property
    def features(self) -> Tensor:
        """Features (rows, dim): a copy, which is let go after use."""
        assert self.rows is not None
        return self.source[self.rows]

    def part(self, chosen: Tensor) -> SelectedFeatures:
        """Select some of the rows, by a mask."""
        assert self.rows is not None
        rows, labels, equal = self.rows[chosen], self.labels[chosen], None if self.equal is None else self.equal[chosen]
        return SelectedFeatures(self.source, rows, labels, self.outputs, self.goal, self.seed, equal)


@dataclass(frozen=True)
class Fitted:
    """Result of a protocol: a predictor, its training log (frozen protocols: None) and further metrics."""

    predictor: Predictor
    training: Training | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    logits: bool = True
    """Whether scores of classes are logits; else they are compared between items as they are, e.g. shares of votes."""
    trials: list[Trial] = field(default_factory=list)
    """Trials of a tuned training, which the runner adds."""
    tuned: Choice | None = None
    """What they chose."""
    shares: bool = False
    """Whether scores of classes that are no logits are probabilities, which sum up to 1."""
    temperature: Temperature | None = None
    """What scores of classes are divided by so that their softmax is calibrated; None where that wasn't fitted.

    It is fitted on some of the n labels, by scores of predictors that weren't trained on them.
    """
    failure: str | None = None
    """Why a problem that was solved beside others isn't solved; its cell alone fails with it."""


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
