"""Search for the number of slots that pays, and fewer slots where memory ends.

A training's numbers don't depend on how many run beside it, so unfinished ones simply begin again.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence

import torch

from labeleff.training.device import Compute, is_out_of_memory, now
from labeleff.training.packing.layouts import packing_of
from labeleff.training.packing.lockstep import Lockstep
from labeleff.training.packing.refilling import Outcome, PendingTraining, ReadyTraining


def halving(
    waiting: Sequence[PendingTraining], slots: int, train: Callable[[Sequence[PendingTraining], int], Iterator[Outcome]]
) -> Iterator[Outcome]:
    """Yield all outcomes of `train(waiting, slots)`, with half the slots whenever memory runs out.

    `load` must create each pending training from scratch. One without room even by itself ends with the error, and the
    others continue.
    """
    left = dict(enumerate(waiting))
    while left:
        numbers, full = list(left), None
        try:
            for position, ended in train([left[number] for number in numbers], slots):
                del left[numbers[position]]
                yield numbers[position], ended
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            full = error.with_traceback(None)  # its frames would hold the memory
        if full is None:
            continue
        if slots == 1:
            largest = max(left, key=lambda number: left[number].steps)  # it is the one that was being trained
            del left[largest]
            yield largest, full
        slots = max(1, min(slots, len(numbers)) // 2)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


SIZES = (1, 4, 8, 16, 32, 64)
"""Numbers of slots tried, in order."""
GAIN = 1.1
"""Factor by which the speed of all slots together must grow for a larger size to be taken."""
STEPS = 20
"""Steps timed per size."""


def best_size(most: int, rate: Callable[[int], float]) -> int:
    """Find the size of at most `most` after which `rate(size)`, steps of all slots per second, hardly grows (`GAIN`).

    A size that memory has no room for ends the search.
    """
    best, fastest = 1, 0.0
    for size in (size for size in SIZES if size <= most):
        try:
            speed = rate(size)
        except torch.cuda.OutOfMemoryError:
            break
        if speed < GAIN * fastest:
            break
        best, fastest = size, speed
    return best


def slots_for(load: Callable[[], ReadyTraining], most: int, compute: Compute) -> int:
    """Measure how many slots pay for trainings like the one that `load` creates."""

    def rate(size: int) -> float:
        ready = [load() for _ in range(size)]
        members = [one.member(number) for number, one in enumerate(ready)]
        lockstep = Lockstep(members, compute, packing_of(ready[0].slot.model))
        for _ in range(3):
            lockstep.advance()
        began = now(compute.device)
        for _ in range(STEPS):
            lockstep.advance()
        return size * STEPS / (now(compute.device) - began)

    return best_size(most, rate)
