"""Steps of K slots at once, on tensors at fixed addresses.

`step` uses no number of the host and reads none back, so that it can be captured as one CUDA graph. Between
steps, single trainings are exchanged (`load`, `save`), their tables of examples and rates refilled, and sums read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from labeleff.errors import LabeleffError
from labeleff.training.device import Compute, Durations, is_out_of_memory
from labeleff.training.hashed_random import use_hashed_dropout
from labeleff.training.images import Batch
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.packing.cuda_graph import capture
from labeleff.training.packing.grouped import Packing
from labeleff.training.packing.layouts import pack, put, take
from labeleff.training.packing.optimizer import Rates, Rule, Updates
from labeleff.training.slots import Bank, BatchObjective, Resident, TrainingState

CHUNK = 64
"""Steps whose examples and rates go into a slot's table at once."""


class PackingError(LabeleffError):
    """Models that can't be computed as one."""


@dataclass
class PackMember:
    """A training in a slot of the pack; between packs it holds its optimiser's state."""

    number: int
    state: TrainingState
    spent: Durations = field(default_factory=Durations)
    """Duration of the current window's steps: an equal share of what the whole pack took."""
    slots: int = 1
    """Most slots of any pack that it has been in."""
    left: int = 0
    """Steps left in the slot's table."""
    optimizer_state: list[Tensor] = field(default_factory=list)


class SeparateBank:
    """The examples of K slots, each by itself, where they can't be kept together; a new one needs a new capture."""

    def __init__(self, slots: int) -> None:
        self._examples: list[Resident] = [None] * slots  # type: ignore[list-item]

    def put(self, slot: int, examples: Resident) -> None:
        """Store the examples of the slot numbered `slot`."""
        self._examples[slot] = examples

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make a batch of samples (K, B) in their epochs (K, B); every field has a leading axis K."""
        parts = [one.batch(*which) for one, *which in zip(self._examples, samples, epochs, strict=True)]
        fields = {f.name: [getattr(part, f.name) for part in parts] for f in dataclasses.fields(Batch)}
        together: dict[str, Any] = {k: None if of[0] is None else torch.stack(of) for k, of in fields.items()}
        return Batch(**together)


class StepTables:
    """The examples and learning rates of the next steps of K slots, on the device, CHUNK steps at once."""

    def __init__(self, slots: int, batch: int, compute: Compute) -> None:
        def zeros(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(slots, *shape, dtype=dtype, device=compute.device)

        self._samples, self._epochs = zeros(CHUNK, batch), zeros(CHUNK, batch)
        self._rates, self._device = zeros(CHUNK, dtype=compute.dtype), compute.device
        self.at = zeros(1)
        """Steps done since a slot's table was filled (K, 1)."""

    def fill(self, slot: int, state: TrainingState) -> int:
        """Fill in the next steps of a training; returns their number."""
        count = min(CHUNK, state.steps - state.done)
        samples, epochs = state.order(state.done, count, self._device)
        self._samples[slot, :count] = samples.view(count, -1)
        self._epochs[slot, :count] = epochs.view(count, -1)
        rates = torch.tensor(state.rates[state.done : state.done + count], dtype=self._rates.dtype)
        self._rates[slot, :count] = rates.to(self._device)
        self.at[slot] = 0
        return count

    def first(self) -> tuple[Tensor, Tensor]:
        """Return samples and epochs (K, B) of the first step in the tables."""
        return self._samples[:, 0], self._epochs[:, 0]

    def present(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return samples and epochs (K, B) and learning rates (K, 1) of the current step."""
        at = self.at % CHUNK
        which = at[:, :, None].expand(-1, 1, self._samples.shape[2])
        samples, epochs = (table.gather(1, which).squeeze(1) for table in (self._samples, self._epochs))
        return samples, epochs, self._rates.gather(1, at)


class Lockstep:
    """K slots stepped together, one for each of the `members`; every training continues from its current step."""

    def __init__(self, members: Sequence[PackMember], compute: Compute, packing: Packing) -> None:
        if any(getattr(member.state.slot.images, "streamed", False) for member in members):
            raise PackingError("images are too large for the device's memory and are streamed")
        first, slots = members[0].state, len(members)
        objective = first.slot.objective
        if packing == "loop" or not isinstance(objective, BatchObjective):
            raise PackingError("the model or its objective can't be computed as one with others")
        self._compute, self._objective, self._batch = compute, objective, first.budget.batch
        self.rule = Rule.of(first.budget)
        self.packing = packing
        self.room = max(member.state.slot.images.count for member in members)
        for member in members:
            self._prepare(member)
        self.pack = pack([member.state.slot.model for member in members], packing)
        self._updates = Updates(self.rule, {name: self.pack.views[name] for name in self.pack.leaves})
        self._bank, self._fixed = self._new_bank(first.slot.images, slots)
        self._tables = StepTables(slots, first.batch, compute)
        self._decay, self._clip, self._steps = (self._numbers(slots, 1) for _ in range(3))
        self._sums = self._numbers(slots, 2 + len(objective.names))
        for slot, member in enumerate(members):
            self._enter(slot, member)
        self._updates.gather()
        self._try()
        self.advance, self.fallback = capture(self.step, self._state(), compute.device)

    def _numbers(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=self._compute.dtype, device=self._compute.device)

    @property
    def backend(self) -> str:
        """Execution of steps: `graph` where they are captured, else `eager`."""
        return "eager" if self.advance == self.step else "graph"

    def fits(self, member: PackMember) -> bool:
        """Whether a training can take another's slot in this pack."""
        return member.state.slot.images.count <= self.room and self._fixed

    def _new_bank(self, examples: Resident, slots: int) -> tuple[Bank, bool]:
        """Create a bank; also returns whether its slots can be exchanged without another capture of the step."""
        if hasattr(examples, "bank"):
            return examples.bank(slots, self.room), True
        return SeparateBank(slots), self._compute.device.type != "cuda"

    def _prepare(self, member: PackMember) -> None:
        """Prepare a training's model for packing: on the device, with hashed dropout."""
        slot = member.state.slot
        if member.state.done == 0:
            use_hashed_dropout(slot.model, slot.seed)
        self._compute.place(rewrite(slot.model, alone=False)).train()

    def load(self, slot: int, member: PackMember) -> None:
        """Put a training into the slot of another."""
        self._prepare(member)
        put(self.pack, slot, member.state.slot.model)
        self._enter(slot, member)
        self._updates.gather()

    def _enter(self, slot: int, member: PackMember) -> None:
        state = member.state
        self._bank.put(slot, state.slot.images)
        self._decay[slot], self._clip[slot] = state.budget.weight_decay, state.budget.clip or 0.0
        for number, tensor in enumerate(self._slot_state(slot)):
            tensor.copy_(member.optimizer_state[number]) if member.optimizer_state else tensor.zero_()
        member.optimizer_state = []
        self.refill(slot, member)

    def _slot_state(self, slot: int) -> list[Tensor]:
        """Return the state of a slot beside its weights: moments, steps done, sums."""
        return [whole[slot] for whole in (*self._updates.moments, self._steps, self._sums)]

    def save(self, slot: int, member: PackMember) -> None:
        """Copy a training's weights into its model, and its optimiser's state into `member`."""
        take(self.pack, slot, member.state.slot.model)
        member.optimizer_state = [tensor.clone() for tensor in self._slot_state(slot)]

    def refill(self, slot: int, member: PackMember) -> None:
        """Fill the table of a slot with its next steps."""
        member.left = self._tables.fill(slot, member.state)

    def sums(self, slot: int) -> Tensor:
        """Return the sums of a slot's window, and reset them to 0."""
        sums = self._sums[slot].clone()
        self._sums[slot].zero_()
        return sums

    def step(self) -> None:
        """Do one step of every slot."""
        samples, epochs, rates = self._tables.present()
        gradients, measures = self._gradients(self._bank.batch(samples, epochs))
        self._updates.step(gradients, Rates(rates, self._decay, self._clip, self._steps))
        loss, correct, *more = (one.detach().to(self._sums.dtype) for one in measures)
        self._sums += torch.stack((loss, correct / self._batch, *more), 1)
        self._tables.at += 1
        self._steps += 1

    def _gradients(self, batch: Batch) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Compute each slot's gradients, as those of the sum of independent losses, and the measures."""
        leaves = [self.pack.leaves[name] for name in self._updates.names]
        measures = self._measures(batch)
        return torch.autograd.grad(measures[0].sum(), leaves), measures

    def _measures(self, batch: Batch) -> tuple[Tensor, ...]:
        """Evaluate the objective for every slot, (K,) each: loss, number correct and further values."""
        fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        present = {name: value for name, value in fields.items() if value is not None}

        def one(outputs: Tensor | tuple[Tensor, ...], present: dict[str, Tensor]) -> tuple[Tensor, ...]:
            return self._objective.measure(outputs, Batch(**present))

        with self._compute.autocast():
            present["images"] = self._compute.arrange(batch.images)
            return torch.vmap(one)(self.pack.outputs(present["images"]), present)

    def _state(self) -> list[Tensor]:
        """Return all tensors that a step changes."""
        tensors = [*self._updates.moments, self._updates.weights, self._tables.at, self._steps, self._sums]
        return [*self.pack.views.values(), *tensors]

    def _try(self) -> None:
        """Try one pass without effect; raises PackingError where gradients are missing or models don't pack."""
        before = [tensor.clone() for tensor in self.pack.views.values()]
        leaves = list(self.pack.leaves.items())
        try:
            loss = self._measures(self._bank.batch(*self._tables.first()))[0].sum()
            gradients = torch.autograd.grad(loss, [leaf for _, leaf in leaves], allow_unused=True)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise PackingError(f"models can't be computed as one: {(str(error).splitlines() or [''])[0]}") from error
        finally:
            for tensor, value in zip(self.pack.views.values(), before, strict=True):
                tensor.copy_(value)
        if any(gradient is None for gradient in gradients):
            raise PackingError("some weights have no gradient, and the loop would leave them alone")
