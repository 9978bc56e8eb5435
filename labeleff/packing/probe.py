"""The number of slots that pay: more are tried for a moment until they hardly help, or memory ends."""

from __future__ import annotations

from collections.abc import Callable

import torch

from labeleff.device import Compute
from labeleff.packing.lockstep import Lockstep
from labeleff.packing.packs import packing_of
from labeleff.packing.schedule import Ready
from labeleff.timing import now

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
