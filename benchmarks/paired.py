"""Two ways to do one thing, timed in turns in one process, with a bound that knows how noisy the machine is."""

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
    """Median of the rounds' B/A, and the quartiles' distance of A against itself in the same rounds."""

    value: float
    noise: float
    a: float
    """Median seconds."""
    b: float

    def bound(self, gate: float) -> float:
        """The most that B/A may be where `gate` is what was measured on a quiet machine."""
        return gate * max(1.10, 1 + 3 * self.noise)


def ratio(a, b, rounds=ROUNDS):
    """A, B, A again, and so on, after one turn of each that doesn't count; garbage is collected between rounds."""
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
    """Measure, note what was measured, and hold B/A against its bound; measured again once where it is over."""
    found = ratio(a, b, rounds)
    if found.value > found.bound(gate):
        found = ratio(a, b, rounds)
    benchmark.extra_info |= {
        "B/A": found.value,
        "A/A, quartiles apart": found.noise,
        "bound": found.bound(gate),
        "A, seconds": found.a,
        "B, seconds": found.b,
        "load average": os.getloadavg()[0],
    }
    benchmark.pedantic(b, rounds=1)
    print(name, {key: round(value, 4) for key, value in benchmark.extra_info.items()})
    assert found.value <= found.bound(gate)
    return found
