"""Protocols: how an encoder meets labels, one plain function a file.

A trained protocol (`fit`) gets a copy of the encoder and exactly n labelled examples. A frozen one (`fit`, with
`trained = False` in the catalogue) never sees the encoder: it gets exactly n features with their labels, for
many label sets at once. Neither gets the test set; the runner scores what they return, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder
from labeleff.pipeline import Normalisation
from labeleff.record import Training
from labeleff.tensors import Examples
from labeleff.train import Progress

Predictor = Callable[[Tensor], Tensor]
"""Trained protocols: float images (B, 3, S, S) or word numbers of stories; frozen ones: features (B, dim). To
scores (B, classes)."""


@dataclass(frozen=True)
class Labelled:
    """Exactly n labelled images or stories, the number of classes, and the training images' channel statistics.

    Stories have no `normalisation`.
    """

    examples: Examples
    classes: int
    normalisation: Normalisation | None


@dataclass(frozen=True)
class LabelledFeatures:
    """Exactly n features (n, dim) float32 with labels (n,) int64 in 0..classes-1."""

    features: Tensor
    labels: Tensor
    classes: int


@dataclass(frozen=True)
class Fitted:
    """What a protocol gives: a predictor, and how its training went (frozen protocols: None)."""

    predictor: Predictor
    training: Training | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)


TrainedProtocol = Callable[[Labelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute, Progress], Fitted]
FrozenProtocol = Callable[[Sequence[LabelledFeatures], Mapping[str, OptionValue]], list[Fitted]]
