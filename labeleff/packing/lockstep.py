"""K slots on the device, one step at a time: all that a step reads and changes are tensors of fixed places.

`step` has no number of the host's in it and reads none back, so that it can be captured as one CUDA graph. Between
steps single slots are exchanged (`load`, `save`), their tables of examples and rates refilled, and their sums read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from labeleff.course import Course
from labeleff.device import Compute
from labeleff.dropout import own_dropout
from labeleff.errors import LabeleffError
from labeleff.packing.graph import captured
from labeleff.packing.grouped import Packing
from labeleff.packing.packs import pack, put, take
from labeleff.packing.updates import Rates, Rule, Updates
from labeleff.pipeline import Batch
from labeleff.rewrite import rewrite
from labeleff.slots import Bank, Judge, Resident
from labeleff.timing import Spent

CHUNK = 64
"""Steps whose examples and rates are put into a slot's table at once."""


class PackingError(LabeleffError):
    """These models can't be computed as one."""


@dataclass
class Lane:
    """A place of the pack with the training in it, and its optimiser's state while it is nowhere."""

    number: int
    course: Course
    spent: Spent = field(default_factory=Spent)
    """Of the present window's steps: its share of what all trainings in the pack took."""
    slots: int = 1
    """The most places that a pack had in which it was."""
    left: int = 0
    """Steps left in its table."""
    kept: list[Tensor] = field(default_factory=list)


class SeparateBank:
    """The examples of K slots, each by itself: for those that can't be kept together. Exchanging one changes code."""

    def __init__(self, slots: int) -> None:
        self._examples: list[Resident] = [None] * slots  # type: ignore[list-item]

    def put(self, place: int, examples: Resident) -> None:
        """Take in the examples of the slot at `place`."""
        self._examples[place] = examples

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Of samples (K, B) in their epochs (K, B)."""
        parts = [one.batch(*which) for one, *which in zip(self._examples, samples, epochs, strict=True)]
        fields = {f.name: [getattr(part, f.name) for part in parts] for f in dataclasses.fields(Batch)}
        together: dict[str, Any] = {k: None if of[0] is None else torch.stack(of) for k, of in fields.items()}
        return Batch(**together)


class Lockstep:
    """As many slots as there are `lanes`, all alike, from where each of them stands."""

    def __init__(self, lanes: Sequence[Lane], compute: Compute, packing: Packing) -> None:
        slots = [lane.course.slot for lane in lanes]
        if any(getattr(slot.images, "streamed", False) for slot in slots):
            raise PackingError("images are too large for the device's memory and are streamed")
        budget, count = lanes[0].course.budget, len(lanes)
        judge = slots[0].objective
        assert isinstance(judge, Judge)
        self._compute, self._judge, self._batch = compute, judge, budget.batch
        self.rule = Rule.of(budget)
        self.packing = packing
        self.room = max(slot.images.count for slot in slots)
        for lane in lanes:
            self._prepare(lane)
        self.pack = pack([slot.model for slot in slots], packing)
        self._updates = Updates(self.rule, {name: self.pack.views[name] for name in self.pack.leaves})
        self._bank, self._fixed = self._new_bank(slots[0].images, count)

        def table(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(count, *shape, dtype=dtype, device=compute.device)

        self._samples, self._epochs = table(CHUNK, self._batch), table(CHUNK, self._batch)
        self._at, self._rates = table(1), table(CHUNK, dtype=compute.dtype)
        self._decay, self._clip, self._steps = (table(1, dtype=compute.dtype) for _ in range(3))
        self._sums = table(2 + len(judge.names), dtype=compute.dtype)
        for place, lane in enumerate(lanes):
            self._enter(place, lane)
        self._updates.gather()
        self._try()
        self.advance, self.fallback = captured(self.step, self._state(), compute.device)

    @property
    def backend(self) -> str:
        """Whether steps are a captured graph."""
        return "eager" if self.advance == self.step else "graph"

    def fits(self, lane: Lane) -> bool:
        """Whether a training can take the place of another here."""
        return lane.course.slot.images.count <= self.room and self._fixed

    def _new_bank(self, examples: Resident, count: int) -> tuple[Bank, bool]:
        """A bank, and whether slots in it can be exchanged without another code of the step."""
        if hasattr(examples, "bank"):
            return examples.bank(count, self.room), True
        return SeparateBank(count), self._compute.device.type != "cuda"

    def _prepare(self, lane: Lane) -> None:
        """A slot's model as it is packed: on the device, with dropout of its own."""
        if lane.course.done == 0:
            own_dropout(lane.course.slot.model, lane.course.slot.seed)
        self._compute.place(rewrite(lane.course.slot.model, alone=False)).train()

    def load(self, place: int, lane: Lane) -> None:
        """Put a training in the place of another."""
        self._prepare(lane)
        put(self.pack, place, lane.course.slot.model)
        self._enter(place, lane)
        self._updates.gather()

    def _enter(self, place: int, lane: Lane) -> None:
        course = lane.course
        self._bank.put(place, course.slot.images)
        self._decay[place], self._clip[place] = course.budget.weight_decay, course.budget.clip or 0.0
        for number, mine in enumerate(self._own(place)):
            mine.copy_(lane.kept[number]) if lane.kept else mine.zero_()
        lane.kept = []
        self.refill(place, lane)

    def _own(self, place: int) -> list[Tensor]:
        """What a training takes along beside its weights: moments, steps done, sums."""
        return [whole[place] for whole in (*self._updates.moments, self._steps, self._sums)]

    def save(self, place: int, lane: Lane) -> None:
        """Bring a training's weights into its model, and keep its optimiser's state."""
        take(self.pack, place, lane.course.slot.model)
        lane.kept = [mine.clone() for mine in self._own(place)]

    def refill(self, place: int, lane: Lane) -> None:
        """Fill the table of a slot with its next steps."""
        course, device = lane.course, self._compute.device
        count = min(CHUNK, course.steps - course.done)
        samples, epochs = course.order(course.done, count, device)
        self._samples[place, :count] = samples.view(count, -1)
        self._epochs[place, :count] = epochs.view(count, -1)
        rates = torch.tensor(course.rates[course.done : course.done + count], dtype=self._rates.dtype)
        self._rates[place, :count] = rates.to(device)
        self._at[place] = 0
        lane.left = count

    def sums(self, place: int) -> Tensor:
        """What a slot's window added up to, and 0 from now on."""
        found = self._sums[place].clone()
        self._sums[place].zero_()
        return found

    def step(self) -> None:
        """One step of every slot."""
        at = self._at % CHUNK
        which = at[:, :, None].expand(-1, 1, self._batch)
        samples, epochs = (table.gather(1, which).squeeze(1) for table in (self._samples, self._epochs))
        gradients, measures = self._gradients(self._bank.batch(samples, epochs))
        self._updates.step(gradients, Rates(self._rates.gather(1, at), self._decay, self._clip, self._steps))
        loss, right, *more = (one.detach().to(self._sums.dtype) for one in measures)
        self._sums += torch.stack((loss, right / self._batch, *more), 1)
        self._at += 1
        self._steps += 1

    def _gradients(self, batch: Batch) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Of the sum of all slots' losses, so that none has a part in another's; and what the judge says, (K,) each."""
        leaves = [self.pack.leaves[name] for name in self._updates.names]
        with self._compute.autocast():
            batch = replace(batch, images=self._compute.arrange(batch.images))
            measures = self._judged(self.pack.outputs(batch.images), batch)
        return torch.autograd.grad(measures[0].sum(), leaves), measures

    def _judged(self, outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> tuple[Tensor, ...]:
        fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        given = {name: value for name, value in fields.items() if value is not None}

        def one(outputs: Tensor | tuple[Tensor, ...], given: dict[str, Tensor]) -> tuple[Tensor, ...]:
            return self._judge.judge(outputs, Batch(**given))

        return torch.vmap(one)(outputs, given)

    def _state(self) -> list[Tensor]:
        """All that a step changes."""
        own = [*self._updates.moments, self._updates.weights, self._at, self._steps, self._sums]
        return [*self.pack.views.values(), *own]

    def _try(self) -> None:
        """One pass that counts for nothing: drops weights without a gradient, finds what can't be computed as one."""
        before = [tensor.clone() for tensor in self.pack.views.values()]
        leaves = list(self.pack.leaves.items())
        try:
            with self._compute.autocast():
                batch = self._bank.batch(self._samples[:, 0], self._epochs[:, 0])
                batch = replace(batch, images=self._compute.arrange(batch.images))
                loss = self._judged(self.pack.outputs(batch.images), batch)[0].sum()
            found = torch.autograd.grad(loss, [leaf for _, leaf in leaves], allow_unused=True)
        except RuntimeError as error:
            raise PackingError(f"models can't be computed as one: {(str(error).splitlines() or [''])[0]}") from error
        finally:
            for tensor, value in zip(self.pack.views.values(), before, strict=True):
                tensor.copy_(value)
        if any(gradient is None for gradient in found):
            raise PackingError("some weights have no gradient, and the loop would leave them alone")
