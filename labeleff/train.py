"""The one optimisation loop: a trainer of K slots.

A slot is one model with its own weights, optimiser state, learning-rate table, data and seed; K = 1 is the
ordinary case. Every random choice is a hash of (slot seed, epoch, sample), so a slot's numbers depend neither
on K nor on its neighbours.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from labeleff import counter
from labeleff.cell import Budget
from labeleff.device import Compute
from labeleff.errors import LabeleffError
from labeleff.pipeline import Batch
from labeleff.record import Training
from labeleff.rewrite import rewrite
from labeleff.seeding import stream_seed
from labeleff.timing import Stopwatch
from labeleff.windows import ends, window_steps

CHUNK = 64
"""Steps whose sample order is made at once."""

Objective = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""(model, batch) to (mean loss, number right), both scalars; the loss is differentiated.

Where every pixel has a label, the number right is the share of pixels told right, times the batch's size."""

Order = Callable[[int, int, int, torch.device], tuple[Tensor, Tensor]]
"""(seed, start, count, device) to (samples, epochs), both int64 (count,): what stands at the places from `start` on.

`start` and `count` are multiples of the batch."""

Progress = Callable[[int, int, float, float], None]
"""Called with (steps done, steps in all, mean loss, examples/s) at the end of every window."""


class DivergedError(LabeleffError):
    """The loss stopped being a number."""


class Resident(Protocol):
    """Examples on the device, drawn in batches: images, stories, or views of images."""

    count: int

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """The examples at positions `samples` (B,) as they are in their `epochs` (B,)."""
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


def _optimizer(budget: Budget, model: nn.Module) -> torch.optim.Optimizer:
    """SGD (Nesterov where momentum is on), Adam, AdamW or RMSprop (Keras's constants); decay is for matrices only."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": budget.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if budget.optimizer == "sgd":
        nesterov = budget.momentum > 0
        return torch.optim.SGD(groups, lr=budget.lr, momentum=budget.momentum, nesterov=nesterov, fused=True)
    if budget.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=budget.lr, alpha=0.9, eps=1e-7, foreach=True)
    kind = torch.optim.Adam if budget.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=budget.lr, betas=budget.betas or (0.9, 0.999), fused=True)


def _shuffled(n: int, seed: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The usual order."""
    return counter.order(seed, n, start, count, device)


def once(n: int) -> Order:
    """The usual order of n examples, each as it is in epoch 0 whenever it comes: turned and augmented once for all."""

    def order(seed: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        samples, epochs = _shuffled(n, seed, start, count, device)
        return samples, torch.zeros_like(epochs)

    return order


def _train_slot(slot: Slot, budget: Budget, steps: int, compute: Compute, progress: Progress) -> Training:
    model = compute.place(rewrite(slot.model)).train()
    optimizer = _optimizer(budget, model)
    rates = learning_rates(budget, steps)
    seed, n, batch = stream_seed("order", slot.seed), slot.images.count, budget.batch
    window = window_steps(steps, n, batch)
    order = slot.order or functools.partial(_shuffled, n)
    watch = Stopwatch(compute.device)
    sums = torch.zeros(2, device=compute.device)
    samples = epochs = torch.empty(0, dtype=torch.int64)
    since = 0
    watch.start()
    for step in range(steps):
        at = step % CHUNK * batch
        if at == 0:
            ahead = min(CHUNK, steps - step) * batch
            samples, epochs = order(seed, step * batch, ahead, compute.device)
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        seen = slot.images.batch(samples[at : at + batch], epochs[at : at + batch])
        with compute.autocast():
            loss, right = slot.objective(model, replace(seen, images=compute.arrange(seen.images)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if budget.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), budget.clip)
        optimizer.step()
        sums += torch.stack((loss.detach().float(), right.detach().float() / batch))
        done = step + 1
        if not ends(done, steps, window):
            continue
        length, since = done - since, done
        _close_window(slot, model, watch, sums, length, done, progress, steps, budget)
        if slot.enough is not None and slot.enough(slot.history):
            break
        watch.start()
    return Training(
        steps=since,
        batch=batch,
        images=since * batch,
        seconds=sum(w.seconds for w in watch.windows),
        windows=watch.windows,
        history=slot.history,
        layout=compute.layout,
        threads=torch.get_num_threads(),
    )


def _close_window(
    slot: Slot,
    model: nn.Module,
    watch: Stopwatch,
    sums: Tensor,
    length: int,
    step: int,
    progress: Progress,
    steps: int,
    budget: Budget,
) -> None:
    """Read the sums of a window back, check them, and add one entry to the learning curve."""
    loss, accuracy = (sums / length).tolist()
    timed = watch.stop(length * budget.batch)
    sums.zero_()
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss is {loss} within the {length} steps up to step {step} of {steps}")
    entry = {
        "step": step,
        "epoch": step * budget.batch / slot.images.count,
        "loss": loss,
        "accuracy": accuracy,
    }
    if slot.watch is not None:
        model.eval()
        seen = slot.watch(model)
        model.train()
        for name, value in seen.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} after step {step} of {steps}")
        entry |= seen
    slot.history.append(entry)
    progress(step, steps, loss, timed.images / max(timed.seconds, 1e-9))


def train(
    slots: Sequence[Slot], budget: Budget, steps: int, compute: Compute, progress: Progress = lambda *_: None
) -> list[Training]:
    """Train every slot for `steps` steps of `budget.batch` examples and return how each went.

    Models are trained in place and left in train mode. Raises DivergedError where a loss is not finite; slots are
    independent, so what one slot does changes nothing in another.
    """
    return [_train_slot(slot, budget, steps, compute, progress) for slot in slots]
