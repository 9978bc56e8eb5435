"""The optimisation loop, which trains K slots.

A slot is one model with its own weights, optimiser state, learning-rate table, data and seed; K = 1 is the
ordinary case. Every random choice is a hash of (slot seed, epoch, sample), so a slot's numbers depend neither
on K nor on its neighbours. Here slots are trained one after another; on a GPU `packing` trains them as one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labeleff.records.training_log import Training
from labeleff.study.cell import ADAM_BETAS, Budget
from labeleff.training import checkpoints
from labeleff.training.device import Compute, Stopwatch
from labeleff.training.hashed_random import use_hashed_dropout
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.packing.layouts import packable
from labeleff.training.packing.lockstep import PackingError
from labeleff.training.packing.pack_size import halving, slots_for
from labeleff.training.packing.refilling import Outcome, PendingTraining, ReadyTraining, train_packed
from labeleff.training.slots import Progress, Slot, TrainingState

CHUNK = 64
"""Steps whose sample order is computed at once."""


@functools.cache
def _eager(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """An optimiser of this kind that doesn't import torch's compiler, which takes a process 2 s and 100 MiB.

    Torch's methods import it to tell it how to compile them, and nothing here is compiled. The numbers are the same.
    """
    for method in vars(torch.optim.Optimizer).values():
        plain, code = getattr(method, "__wrapped__", None), getattr(method, "__code__", None)
        if plain is not None and code is not None and Path(code.co_filename).name == "_compile.py":
            plain.__dict__.setdefault("__dynamo_disable", plain)
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {"step": step, "__doc__": kind.__doc__})


def _optimizer(budget: Budget, model: nn.Module) -> torch.optim.Optimizer:
    """Build SGD (Nesterov with momentum), Adam, AdamW or RMSprop (Keras's constants); only matrices decay."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": budget.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    kinds = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}
    settings: dict[str, Any] = {"fused": True, "betas": budget.betas or ADAM_BETAS}
    if budget.optimizer == "sgd":
        settings = {"fused": True, "momentum": budget.momentum, "nesterov": budget.momentum > 0}
    elif budget.optimizer == "rmsprop":
        settings = {"foreach": True, "alpha": 0.9, "eps": 1e-7}
    kind: Any = _eager(kinds.get(budget.optimizer, torch.optim.AdamW))
    built: torch.optim.Optimizer = kind(groups, lr=budget.lr, **settings)
    if settings.get("momentum"):  # the fused step fails where some weights get their first gradient later than others
        built.state.update({p: {"momentum_buffer": torch.zeros_like(p)} for p in (*matrices, *vectors)})
    return built


def train_alone(slot: Slot, budget: Budget, steps: int, compute: Compute, progress: Progress) -> Training:
    """Train one slot by itself, step by step; packed training must give the same numbers."""
    use_hashed_dropout(slot.model, slot.seed)
    model = compute.place(rewrite(slot.model, alone=compute.device.type == "cpu")).train()
    optimizer = _optimizer(budget, model)
    state = TrainingState(slot, budget, steps)
    batch = state.batch
    if (checkpoint := checkpoints.take()) is not None:
        checkpoint.restore(state, model, optimizer)
    sums = torch.zeros(2 + len(slot.names), device=compute.device, dtype=compute.dtype)
    samples = epochs = torch.empty(0, dtype=torch.int64)
    drawn_on: torch.device = getattr(slot.images, "drawn_on", compute.device)
    watch = Stopwatch(compute.device)
    while not state.over:
        at = state.done % CHUNK * batch
        if at == 0 or not len(samples):
            first = state.done // CHUNK * CHUNK
            samples, epochs = state.order(first, min(CHUNK, steps - first), drawn_on)
        for group in optimizer.param_groups:
            group["lr"] = state.rates[state.done]
            if "betas" in group:
                group["eps"] = budget.epsilon(state.done + 1)
        seen = slot.images.batch(samples[at : at + batch], epochs[at : at + batch])
        with compute.autocast():
            loss, correct, *more = slot.objective(model, replace(seen, images=compute.arrange(seen.images)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if budget.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), budget.clip)
        optimizer.step()
        sums += torch.stack([one.detach().to(sums.dtype) for one in (loss, correct / budget.batch, *more)])
        state.done += 1
        if state.done == state.due:
            rate = state.close(sums, watch.stop(), model)
            sums.zero_()
            progress(state.done, steps, slot.history[-1]["loss"], rate)
            if checkpoint is not None and not state.over:
                checkpoint.save(state, model, optimizer)
            watch.start()
    return state.training(compute.layout)


def train_queue(
    waiting: Sequence[PendingTraining], compute: Compute, slots: int | None, progress: Progress = lambda *_: None
) -> Iterator[Outcome]:
    """Train all pending trainings, `slots` at a time (None: by a short trial), and yield each as it ends.

    One at a time on a CPU is a loop, as are models that can't be computed as one; records then say why. Where memory
    ends, the remaining ones begin again, half as many at a time; `load` must create each from scratch.
    """
    if slots is None:
        slots = _best_slots(waiting, compute) if compute.device.type == "cuda" else 1
    yield from halving(waiting, slots, lambda left, count: _train_all(left, compute, count, progress))


def _best_slots(waiting: Sequence[PendingTraining], compute: Compute) -> int:
    """Find the number of slots that pays on a GPU; 1 where models can't be computed as one."""
    try:
        return slots_for(waiting[0].load, len(waiting), compute)
    except PackingError:
        return 1


def _train_all(
    waiting: Sequence[PendingTraining], compute: Compute, slots: int, progress: Progress
) -> Iterator[Outcome]:
    """Train all pending trainings, packed where `slots` and the models allow."""
    fallback = None
    ended: set[int] = set()
    if slots > 1 or compute.device.type == "cuda":
        try:
            for number, outcome in train_packed(waiting, compute, slots, progress):
                ended.add(number)
                yield number, outcome
        except PackingError as error:
            fallback = str(error)
        else:
            return
    for number, one in enumerate(waiting):
        if number in ended:
            continue
        try:
            ready = one.load()
            trained = train_alone(ready.slot, ready.budget, ready.steps, compute, progress)
            yield number, trained.model_copy(update={"fallback": fallback})
        except Exception as error:  # noqa: BLE001  the caller decides what becomes of it
            yield number, error


def train(
    slots: Sequence[Slot], budget: Budget, steps: int, compute: Compute, progress: Progress = lambda *_: None
) -> list[Training]:
    """Train every slot for `steps` steps of `budget.batch` examples and return the log of each.

    Models are trained in place and left in train mode. Raises DivergedError where a loss is not finite; slots are
    independent of each other. On a GPU slots that can be packed are trained as one.
    """
    if compute.device.type != "cuda" or not packable(slots):
        return [train_alone(slot, budget, steps, compute, progress) for slot in slots]
    waiting = [PendingTraining(steps, functools.partial(ReadyTraining, slot, budget, steps)) for slot in slots]
    trained: dict[int, Training] = {}
    for number, ended in _train_all(waiting, compute, len(slots), progress):
        if isinstance(ended, Exception):
            raise ended
        trained[number] = ended
    return [trained[number] for number in range(len(slots))]
