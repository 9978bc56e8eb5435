"""Any number of trainings through K slots, refilled as trainings end."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from labeleff.records.training_log import Training
from labeleff.study.cell import Budget
from labeleff.training.device import Compute, Durations, Stopwatch
from labeleff.training.packing.grouped import Packing
from labeleff.training.packing.layouts import packing_of, take
from labeleff.training.packing.lockstep import Lockstep, PackMember
from labeleff.training.slots import DivergedError, Progress, Slot, TrainingState


@dataclass(frozen=True)
class ReadyTraining:
    """A training that can begin at once."""

    slot: Slot
    budget: Budget
    steps: int

    def member(self, number: int) -> PackMember:
        """Create the pack member, before its first step, with the training's number in the queue."""
        return PackMember(number, TrainingState(self.slot, self.budget, self.steps))


@dataclass(frozen=True)
class PendingTraining:
    """A training whose slot is created by `load` when its turn comes; `steps` is an estimate of its length."""

    steps: int
    load: Callable[[], ReadyTraining]


Outcome = tuple[int, Training | Exception]
"""Number of a training in the given sequence, and its log or the error that ended it."""


class Queue:
    """Pending trainings, the longest first, and among equals in the given order."""

    def __init__(self, waiting: Sequence[PendingTraining]) -> None:
        longest = sorted(range(len(waiting)), key=lambda number: -waiting[number].steps)
        self._left = deque((number, waiting[number]) for number in longest)
        self.failed: list[Outcome] = []
        """Trainings that couldn't begin, with their errors."""

    def __len__(self) -> int:
        return len(self._left)

    def next(self) -> PackMember | None:
        """Return the next training that can begin; None where none is left."""
        while self._left:
            number, waiting = self._left.popleft()
            try:
                return waiting.load().member(number)
            except Exception as error:  # noqa: BLE001  the caller decides what becomes of it
                self.failed.append((number, error))
        return None

    def up_to(self, count: int) -> list[PackMember]:
        """Return the next trainings that can begin, at most `count`."""
        members: list[PackMember] = []
        while len(members) < count and (member := self.next()) is not None:
            members.append(member)
        return members


def train_packed(
    waiting: Sequence[PendingTraining], compute: Compute, slots: int, progress: Progress, packing: Packing | None = None
) -> Iterator[Outcome]:
    """Train all pending trainings, at most `slots` at a time as one, and yield each as it ends.

    A training's model then has its weights and is in train mode. Trainings are independent of each other; one that
    diverges ends and leaves its slot. `packing` is chosen by the model unless given. Raises PackingError, before
    any step, where the models can't be computed as one.
    """
    queue, total = Queue(waiting), sum(one.steps for one in waiting)
    members: list[PackMember | None] = [*queue.up_to(slots)]
    yield from _failures(queue)
    if not members:
        return
    lockstep = _build(members, compute, packing)
    done = 0
    while any(members):
        done += _advance(lockstep, members, compute)
        for slot, member in enumerate(members):
            ended = member and _settle(lockstep, slot, member, compute, functools.partial(progress, done, total))
            if ended:
                members[slot] = None
                yield ended
        lockstep, members = _refill(lockstep, members, queue, compute)
        yield from _failures(queue)


def _failures(queue: Queue) -> Iterator[Outcome]:
    yield from queue.failed
    queue.failed.clear()


def _build(members: Sequence[PackMember | None], compute: Compute, packing: Packing | None) -> Lockstep:
    live = [member for member in members if member is not None]
    return Lockstep(live, compute, packing or packing_of(live[0].state.slot.model))


def _advance(lockstep: Lockstep, members: Sequence[PackMember | None], compute: Compute) -> int:
    """Step until some slot's window or table ends; returns the number of steps summed over slots."""
    live = [member for member in members if member is not None]
    count = min(min(member.left, member.state.due - member.state.done) for member in live)
    watch = Stopwatch(compute.device)
    for _ in range(count):
        lockstep.advance()
    share = watch.stop() / len(live)
    for member in live:
        member.state.done += count
        member.left -= count
        member.spent += share
        member.slots = max(member.slots, lockstep.pack.slots)
    return count * len(live)


def _settle(
    lockstep: Lockstep, slot: int, member: PackMember, compute: Compute, progress: Callable[[float, float], None]
) -> Outcome | None:
    """Close a window that has ended; returns the training's outcome where it was its last."""
    state = member.state
    if state.done == state.due:
        sums, spent, member.spent = lockstep.sums(slot), member.spent, Durations()
        take(lockstep.pack, slot, state.slot.model)
        try:
            rate = state.close(sums, spent, state.slot.model)
        except DivergedError as error:
            return member.number, error
        progress(state.slot.history[-1]["loss"], rate)
    if state.over:
        how = {"slots": member.slots, "packing": lockstep.packing, "backend": lockstep.backend}
        return member.number, state.training(compute.layout, **how, fallback=lockstep.fallback)
    if member.left == 0:
        lockstep.refill(slot, member)
    return None


def _refill(
    lockstep: Lockstep, members: list[PackMember | None], queue: Queue, compute: Compute
) -> tuple[Lockstep, list[PackMember | None]]:
    """Refill empty slots; builds another pack where a training doesn't fit or half of the slots would be empty."""
    misfits: list[PackMember] = []
    for slot, member in enumerate(members):
        if member is None and (new := queue.next()) is not None:
            if lockstep.fits(new):
                lockstep.load(slot, new)
                members[slot] = new
            else:
                misfits.append(new)
    live = [member for member in members if member is not None]
    if not misfits and (2 * len(live) > len(members) or not live):
        return lockstep, members
    for slot, member in enumerate(members):
        if member is not None:
            lockstep.save(slot, member)
    together: list[PackMember | None] = [*live, *misfits]
    return _build(together, compute, lockstep.packing), together
