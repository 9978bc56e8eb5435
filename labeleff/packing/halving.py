"""What to do when memory ends: the same trainings again, half as many at a time.

A training's numbers don't depend on how many go beside it, so those that hadn't ended just begin anew.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence

import torch

from labeleff.device import is_out_of_memory
from labeleff.packing.schedule import Ended, Waiting


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
