"""Slots: single models to train, each with its own data, objective, curve and seed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from labeleff.errors import LabeleffError
from labeleff.records.training_log import Training, Window, window_ends, window_steps
from labeleff.seeding import stream_seed
from labeleff.study.cell import Budget
from labeleff.training import hashed_random
from labeleff.training.device import Durations
from labeleff.training.images import Batch

Objective = Callable[[nn.Module, Batch], tuple[Tensor, ...]]
"""(model, batch) to (mean loss, number correct), both scalars; the loss is differentiated.

Where every pixel has a label, the number correct is the share of pixels predicted correctly, times the batch's size."""

Order = Callable[[int, int, int, torch.device], tuple[Tensor, Tensor]]
"""(seed, start, count, device) to (samples, epochs), both int64 (count,): positions `start` and on of the order.

`start` and `count` are multiples of the batch."""

Progress = Callable[[int, int, float, float], None]
"""Called with (steps done, steps in all, mean loss, examples/s) at the end of every window."""


class DivergedError(LabeleffError):
    """A training whose loss is no longer finite, or a problem that its solver didn't solve."""


class BatchObjective(ABC):
    """An objective computed from a model's outputs on a batch's images alone, so that K models can be one.

    It has no state and knows no labels except the batch's `targets`: equal objectives are interchangeable, and one of
    them measures every slot of a pack.
    """

    names: tuple[str, ...] = ()
    """Entries of the learning curve beyond loss and accuracy: means of the further values of `measure`."""

    @abstractmethod
    def measure(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        """Compute (mean loss, number correct, one value per name), all scalars, from outputs on the batch's images."""

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """Compute mean loss, number correct and further values of a model on a batch."""
        return self.measure(model(batch.images), batch)


class Bank(Protocol):
    """The examples of K slots on the device, from which one joint batch is made."""

    def put(self, slot: int, examples: Resident) -> None:
        """Store the examples of the slot numbered `slot`, in place of earlier ones."""
        ...

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make a batch of samples (K, B) in their epochs (K, B); every field has a leading axis K."""
        ...


class Resident(Protocol):
    """Examples on the device, drawn in batches: images, stories, or views of images."""

    count: int

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make the batch of examples at positions `samples` (B,) as augmented in their `epochs` (B,)."""
        ...


class Bankable(Resident, Protocol):
    """Examples that can be kept with those of other slots."""

    def bank(self, slots: int, room: int) -> Bank:
        """Create an empty bank for `slots` slots with up to `room` examples each, all like these."""
        ...


@dataclass
class Slot:
    """One model to train, with its examples (`images`), its objective and the seed of its order.

    `watch`, if given, is called at the end of every window with the model in eval mode and returns further
    entries of the learning curve, e.g. held-out accuracy. Its time is not counted. Training ends early after a
    window whose curve is `enough`. Batches are cut from concatenated permutations of all examples unless `order` says
    otherwise. A step draws `batch` examples, by default the budget's batch; `labelled` of them have labels, where those
    are counted apart.
    """

    model: nn.Module
    images: Resident
    objective: Objective
    seed: int
    watch: Callable[[nn.Module], dict[str, float]] | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    enough: Callable[[list[dict[str, float]]], bool] | None = None
    order: Order | None = None
    batch: int | None = None
    labelled: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Entries of the learning curve that the objective gives beyond loss and accuracy."""
        return self.objective.names if isinstance(self.objective, BatchObjective) else ()


def learning_rates(budget: Budget, steps: int) -> list[float]:
    """Compute the learning rate of every step: linear warm-up, then the schedule down to `final * lr`."""
    warmup = math.ceil(budget.warmup * steps)
    rates = []
    for step in range(steps):
        if step < warmup:
            rates.append(budget.lr * (step + 1) / warmup)
            continue
        done = (step - warmup + 1) / (steps - warmup)
        fall = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[budget.schedule]
        rates.append(budget.lr * (budget.final + (1 - budget.final) * fall))
    return rates


def once(n: int) -> Order:
    """Build the usual order of n examples, each always as in epoch 0: turned and augmented once and for all."""

    def order(seed: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        samples, epochs = hashed_random.order(seed, n, start, count, device)
        return samples, torch.zeros_like(epochs)

    return order


class TrainingState:
    """Progress of one slot's training, out of `steps` steps under `budget`."""

    def __init__(self, slot: Slot, budget: Budget, steps: int) -> None:
        self.slot, self.budget, self.steps = slot, budget, steps
        self.rates = learning_rates(budget, steps)
        self.batch = slot.batch or budget.batch
        """Examples that a step draws."""
        self.done = 0
        self.over = False
        self._window_start = 0
        self._windows: list[Window] = []
        self._window = window_steps(steps, slot.images.count, self.batch)
        self._stream = stream_seed("order", slot.seed)

    def progress(self) -> dict[str, Any]:
        """What a checkpoint at the end of a window holds of the progress."""
        windows = [window.model_dump() for window in self._windows]
        return {"done": self.done, "windows": windows, "history": self.slot.history}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Take up the progress of a checkpoint."""
        self.done = self._window_start = progress["done"]
        self._windows = [Window(**window) for window in progress["windows"]]
        self.slot.history[:] = progress["history"]

    @property
    def due(self) -> int:
        """Step at which the current window ends."""
        end = (self._window_start // self._window + 1) * self._window
        return end if window_ends(end, self.steps, self._window) else self.steps

    def order(self, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return samples and epochs, int64 (count * batch,) both, of the `count` steps from `start` on."""
        batch = self.batch
        if self.slot.order is not None:
            return self.slot.order(self._stream, start * batch, count * batch, device)
        return hashed_random.order(self._stream, self.slot.images.count, start * batch, count * batch, device)

    def close(self, sums: Tensor, spent: Durations, model: nn.Module) -> float:
        """End the window with step `done` and add an entry to the learning curve; returns the examples/s.

        `sums` are over the window's steps: loss, share correct, and what the slot's `names` say; `spent` is the
        duration of the steps alone. Raises DivergedError where a number isn't finite.
        """
        length, self._window_start = self.done - self._window_start, self.done
        images = length * self.batch
        self._windows.append(Window(images=images, seconds=spent.seconds, processor_seconds=spent.processor_seconds))
        slot, at = self.slot, f"step {self.done} of {self.steps}"
        means = (sums / length).tolist()
        if not math.isfinite(means[0]):
            raise DivergedError(f"the training loss is {means[0]} within the {length} steps up to {at}")
        further = dict(zip(slot.names, means[2:], strict=True))
        if slot.watch is not None:
            model.eval()
            further |= slot.watch(model)
            model.train()
        for name, value in further.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} after {at}")
        epoch = self.done * self.batch / slot.images.count
        slot.history.append({"step": self.done, "epoch": epoch, "loss": means[0], "accuracy": means[1]} | further)
        self.over = self.done == self.steps or (slot.enough is not None and slot.enough(slot.history))
        return images / max(spent.seconds, 1e-9)

    def training(self, layout: str, **how: Any) -> Training:
        """Build the log of the training for the record; `how` are further fields of it."""
        labelled = self.slot.labelled
        return Training(
            steps=self.done,
            batch=self.budget.batch,
            images=self.done * self.batch,
            labelled=None if labelled is None else self.done * labelled,
            seconds=sum(window.seconds for window in self._windows),
            windows=self._windows,
            history=self.slot.history,
            layout=layout,
            threads=torch.get_num_threads(),
            **how,
        )
