"""Pretexts: ways to train an encoder without labels, one plain function a file.

A pretext gets images, an encoder, a seed and a budget. It never gets labels, nor test images. One that takes weights
from outside (`load`, with `loaded = True` in the catalogue) gets no images either; the runner fills the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder
from labeleff.pipeline import Normalisation
from labeleff.record import Training
from labeleff.train import Progress


@dataclass(frozen=True)
class Unlabelled:
    """What a pretext may see: uint8 images (N, S, S, 3), and their channel statistics."""

    images: Tensor
    normalisation: Normalisation


@dataclass(frozen=True)
class Pretrained:
    """What a pretext gives: its own metrics (in 0..1 or losses) and how training went; the encoder is in place."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    training: Training | None = None
    provenance: str | None = None
    """Where weights from outside came from, and what was left out."""
    weights_sha256: str | None = None


PretextFunction = Callable[[Unlabelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute, Progress], Pretrained]
"""(images, encoder, seed, budget, options, compute, progress) to Pretrained."""


def without_accuracy(training: Training) -> Training:
    """The training of a pretext in which nothing is correct or wrong: its learning curve has no accuracy."""
    history = [{key: value for key, value in entry.items() if key != "accuracy"} for entry in training.history]
    return training.model_copy(update={"history": history})
