"""What is trained: a slot is one model with its own data, objective, learning curve and seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from labeleff.errors import LabeleffError
from labeleff.pipeline import Batch

Objective = Callable[[nn.Module, Batch], tuple[Tensor, ...]]
"""(model, batch) to (mean loss, number correct), both scalars; the loss is differentiated.

Where every pixel has a label, the number correct is the share of pixels predicted correctly, times the batch's size."""

Order = Callable[[int, int, int, torch.device], tuple[Tensor, Tensor]]
"""(seed, start, count, device) to (samples, epochs), both int64 (count,): positions `start` and on of the order.

`start` and `count` are multiples of the batch."""

Progress = Callable[[int, int, float, float], None]
"""Called with (steps done, steps in all, mean loss, examples/s) at the end of every window."""


class DivergedError(LabeleffError):
    """The loss stopped being a number."""


class BatchObjective(ABC):
    """An objective computed from a model's outputs on a batch's images and nothing else, so that K models can be one.

    It has no state and knows no labels but the batch's `targets`: of equal objectives any measures every slot of a
    pack.
    """

    names: tuple[str, ...] = ()
    """Entries of the learning curve beyond loss and accuracy: means of the further values of `measure`."""

    @abstractmethod
    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """(mean loss, number correct, one value per name), all scalars, of the model's outputs on the images."""

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """Mean loss, number correct and further values, of a model on a batch."""
        return self.measure(model(batch.images), batch)


class Bank(Protocol):
    """The examples of K slots on the device, from which the batches of all are made together."""

    def put(self, slot: int, examples: Resident) -> None:
        """Take in the examples of the slot numbered `slot`, instead of those that were there."""
        ...

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """A batch whose fields have K more in front, of samples (K, B) in their epochs (K, B)."""
        ...


class Resident(Protocol):
    """Examples on the device, drawn in batches: images, stories, or views of images."""

    count: int

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """The examples at positions `samples` (B,) as they are in their `epochs` (B,)."""
        ...


class Bankable(Resident, Protocol):
    """Examples that can be kept with those of other slots."""

    def bank(self, slots: int, room: int) -> Bank:
        """An empty bank for `slots` slots with up to `room` examples each, all like these."""
        ...


@dataclass
class Slot:
    """One model to train: what it sees (`images`), what it minimises, and the seed of its order.

    `watch`, if given, is called at the end of every window with the model in eval mode and returns further
    entries of the learning curve, e.g. held-out accuracy. Its time is not counted. Training ends early after a
    window whose curve is `enough`. Batches are cut from concatenated permutations of all examples unless `order` says
    otherwise.
    """

    model: nn.Module
    images: Resident
    objective: Objective
    seed: int
    watch: Callable[[nn.Module], dict[str, float]] | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    enough: Callable[[list[dict[str, float]]], bool] | None = None
    order: Order | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Entries of the learning curve that the objective gives beyond loss and accuracy."""
        return self.objective.names if isinstance(self.objective, BatchObjective) else ()
