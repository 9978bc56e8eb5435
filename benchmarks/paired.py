"""Two ways to compute one thing, timed in turns in one process, with a bound that allows for the machine's noise."""

import gc
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

from labeleff.training.device import one_core

ROUNDS = 9


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' B/A, with the distance of quartiles of A against itself in the same rounds."""

    value: float
    noise: float
    a: float
    """Median seconds of A."""
    b: float

    def bound(self, gate: float) -> float:
        """Largest B/A that passes, where `gate` was measured on a quiet machine."""
        return gate * max(1.10, 1 + 3 * self.noise)


def ratio(a, b, rounds=ROUNDS):
    """Time A, B, A per round, after one turn of each that doesn't count; garbage is collected between rounds."""
    one_core()
    a(), b()
    times = []
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            times.append([seconds(turn) for turn in (a, b, a)])
            gc.collect()
    finally:
        if enabled:
            gc.enable()
    against, itself = [2 * b / (a + c) for a, b, c in times], [c / a for a, _, c in times]
    low, high = np.percentile(itself, [25, 75])
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    return Ratio(statistics.median(against), float(high - low), medians[0], medians[1])


def seconds(turn):
    began = time.process_time()
    turn()
    return time.process_time() - began


def gated(benchmark, name, a, b, gate, rounds=ROUNDS):
    """Check B/A against its bound and note the numbers; a ratio over the bound is measured once more."""
    result = ratio(a, b, rounds)
    if result.value > result.bound(gate):
        result = ratio(a, b, rounds)
    benchmark.extra_info |= {
        "B/A": result.value,
        "A/A, quartiles apart": result.noise,
        "bound": result.bound(gate),
        "A, seconds": result.a,
        "B, seconds": result.b,
        "load average": os.getloadavg()[0],
    }
    benchmark.pedantic(b, rounds=1)
    print(name, {key: round(value, 4) for key, value in benchmark.extra_info.items()})
    assert result.value <= result.bound(gate)
    return result
