"""Trainings that wait for a slot, the longest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labeleff.cell import Budget
from labeleff.course import TrainingState
from labeleff.packing.lockstep import PackMember
from labeleff.record import Training
from labeleff.slots import Slot


@dataclass(frozen=True)
class Ready:
    """A training that can begin."""

    slot: Slot
    budget: Budget
    steps: int

    def member(self, number: int) -> PackMember:
        """It before its first step, by its number among those that were given."""
        return PackMember(number, TrainingState(self.slot, self.budget, self.steps))


@dataclass(frozen=True)
class Waiting:
    """A training whose slot is made when its turn comes; `steps` is about how many it will take."""

    steps: int
    load: Callable[[], Ready]


Ended = tuple[int, Training | Exception]
"""Number of a training among those that were given, and how it went or why it failed."""


class Queue:
    """Trainings that wait, the longest first, and among equals in the order given."""

    def __init__(self, waiting: Sequence[Waiting]) -> None:
        longest = sorted(range(len(waiting)), key=lambda number: -waiting[number].steps)
        self._left = deque((number, waiting[number]) for number in longest)
        self.failed: list[Ended] = []
        """Those that couldn't begin."""

    def __len__(self) -> int:
        return len(self._left)

    def next(self) -> PackMember | None:
        """The next that can begin; None where none is left."""
        while self._left:
            number, waiting = self._left.popleft()
            try:
                return waiting.load().member(number)
            except Exception as error:  # noqa: BLE001  who asked for it says what becomes of it
                self.failed.append((number, error))
        return None

    def up_to(self, count: int) -> list[PackMember]:
        """All that can begin, `count` at most."""
        members: list[PackMember] = []
        while len(members) < count and (member := self.next()) is not None:
            members.append(member)
        return members
