"""The state of one training: its learning rates, its order of examples, its windows and its learning curve."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from labeleff import counter
from labeleff.cell import Budget
from labeleff.record import Training, Window
from labeleff.seeding import stream_seed
from labeleff.slots import DivergedError, Order, Slot
from labeleff.timing import Spent
from labeleff.windows import ends, window_steps


def learning_rates(budget: Budget, steps: int) -> list[float]:
    """The learning rate of every step: linear warm-up, then the schedule down to `final * lr`."""
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
    """The usual order of n examples, each as it is in epoch 0 whenever it comes: turned and augmented once for all."""

    def order(seed: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        samples, epochs = counter.order(seed, n, start, count, device)
        return samples, torch.zeros_like(epochs)

    return order


class TrainingState:
    """How far the training of a slot has got, out of `steps` steps under `budget`."""

    def __init__(self, slot: Slot, budget: Budget, steps: int) -> None:
        self.slot, self.budget, self.steps = slot, budget, steps
        self.rates = learning_rates(budget, steps)
        self.done = 0
        self.over = False
        self._ended = 0
        self._windows: list[Window] = []
        self._window = window_steps(steps, slot.images.count, budget.batch)
        self._stream = stream_seed("order", slot.seed)

    @property
    def due(self) -> int:
        """The step with which the present window ends."""
        end = (self._ended // self._window + 1) * self._window
        return end if ends(end, self.steps, self._window) else self.steps

    def order(self, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Samples and epochs, int64 (count * batch,) both, of the `count` steps from `start` on."""
        batch = self.budget.batch
        if self.slot.order is not None:
            return self.slot.order(self._stream, start * batch, count * batch, device)
        return counter.order(self._stream, self.slot.images.count, start * batch, count * batch, device)

    def close(self, sums: Tensor, spent: Spent, model: nn.Module) -> float:
        """End the window with step `done` and add an entry to the learning curve; returns the examples/s.

        `sums` are over the window's steps: loss, share correct, and what the slot's `names` say; `spent` is the time of
        the steps alone. Raises DivergedError where a number isn't finite.
        """
        length, self._ended = self.done - self._ended, self.done
        images = length * self.budget.batch
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
        epoch = self.done * self.budget.batch / slot.images.count
        slot.history.append({"step": self.done, "epoch": epoch, "loss": means[0], "accuracy": means[1]} | further)
        self.over = self.done == self.steps or (slot.enough is not None and slot.enough(slot.history))
        return images / max(spent.seconds, 1e-9)

    def training(self, layout: str, **how: Any) -> Training:
        """How it went, for the record; `how` are further fields of it."""
        images = self.done * self.budget.batch
        return Training(
            steps=self.done,
            batch=self.budget.batch,
            images=images,
            seconds=sum(window.seconds for window in self._windows),
            windows=self._windows,
            history=self.slot.history,
            layout=layout,
            threads=torch.get_num_threads(),
            **how,
        )
