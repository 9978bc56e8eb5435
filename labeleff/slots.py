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
"""(model, batch) to (mean loss, number right), both scalars; the loss is differentiated.

Where every pixel has a label, the number right is the share of pixels told right, times the batch's size."""

Order = Callable[[int, int, int, torch.device], tuple[Tensor, Tensor]]
"""(seed, start, count, device) to (samples, epochs), both int64 (count,): what stands at the places from `start` on.

`start` and `count` are multiples of the batch."""

Progress = Callable[[int, int, float, float], None]
"""Called with (steps done, steps in all, mean loss, examples/s) at the end of every window."""


class DivergedError(LabeleffError):
    """The loss stopped being a number."""


class Judge(ABC):
    """An objective that sees of the model what it gives for a batch's images and nothing else.

    So K models can be computed as one. It has no state and knows no labels but the batch's `targets`: judges that are
    equal judge every slot of a pack alike.
    """

    names: tuple[str, ...] = ()
    """Entries of the learning curve beyond loss and accuracy: means of what `judge` gives after the number right."""

    @abstractmethod
    def judge(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """(mean loss, number right, what `names` says ...), all scalars, of what the model gave for the images."""

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """As every objective."""
        return self.judge(model(batch.images), batch)


class Bank(Protocol):
    """The examples of K slots on the device, from which the batches of all are made together."""

    def put(self, place: int, examples: Resident) -> None:
        """Take in the examples of the slot at `place`, instead of those that were there."""
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
        """An empty bank for so many slots with up to `room` examples each, all like these."""
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
        """What the objective gives beyond loss and number right."""
        return self.objective.names if isinstance(self.objective, Judge) else ()
