"""Which training is where: a queue, longest first, and the places of a pack that it goes through."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labeleff.cell import Budget
from labeleff.course import Course
from labeleff.packing.lockstep import Lane
from labeleff.record import Training
from labeleff.slots import Slot


@dataclass(frozen=True)
class Ready:
    """A training that can begin."""

    slot: Slot
    budget: Budget
    steps: int


@dataclass(frozen=True)
class Waiting:
    """A training whose slot is made when its turn comes; `steps` is how long it will take, more or less."""

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

    def next(self) -> Lane | None:
        """The next that can begin; None where none is left."""
        while self._left:
            number, waiting = self._left.popleft()
            try:
                ready = waiting.load()
            except Exception as error:  # noqa: BLE001  who asked for it says what becomes of it
                self.failed.append((number, error))
                continue
            return Lane(number, Course(ready.slot, ready.budget, ready.steps))
        return None

    def up_to(self, count: int) -> list[Lane]:
        """As many as can begin, `count` at most."""
        lanes: list[Lane] = []
        while len(lanes) < count and (lane := self.next()) is not None:
            lanes.append(lane)
        return lanes
