"""The number of slots that pay: more are tried for a moment until they hardly help, or memory ends.

A training's numbers don't depend on how many go beside it, so those that hadn't ended just begin anew.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence

import torch

from labeleff.training.device import Compute, is_out_of_memory, now
from labeleff.training.packing.layouts import packing_of
from labeleff.training.packing.lockstep import Lockstep
from labeleff.training.packing.refilling import Ended, Ready, Waiting


def halving(
    waiting: Sequence[Waiting], slots: int, train: Callable[[Sequence[Waiting], int], Iterator[Ended]]
) -> Iterator[Ended]:
    """All that `train(waiting, slots)` gives, with fewer slots from where it ran out of memory.

    Everything that waits must be made afresh by its `load`. One that has no room even by itself ends with the error,
    and the others go on.
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
            full = error.with_traceback(None)  # whose frames hold what is in the way
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
GAIN = 1.1
"""How much faster all slots together must get for more of them to be taken."""
STEPS = 20


def best_size(most: int, rate: Callable[[int], float]) -> int:
    """The size of at most `most` after which `rate(size)`, steps of all slots per second, grows by less than `GAIN`.

    A size that memory has no room for ends the search.
    """
    best, fastest = 1, 0.0
    for size in (size for size in SIZES if size <= most):
        try:
            found = rate(size)
        except torch.cuda.OutOfMemoryError:
            break
        if found < GAIN * fastest:
            break
        best, fastest = size, found
    return best


def slots_for(load: Callable[[], Ready], most: int, compute: Compute) -> int:
    """The number of slots that pay for trainings like the one that `load` makes, which itself is left as it was."""

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
