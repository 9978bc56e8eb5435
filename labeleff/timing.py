"""Timing that means what it says: synchronise, then read the clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


def now(device: torch.device) -> float:
    """Seconds on the monotonic clock, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Spent:
    """Time that something took, in seconds."""

    seconds: float = 0.0
    """By the clock on the wall."""
    processor_seconds: float = 0.0
    """Of all threads of the process."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)

    def __truediv__(self, shares: int) -> Spent:
        return Spent(self.seconds / shares, self.processor_seconds / shares)


class Stopwatch:
    """Both clocks, from its making or the last `start` on."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.start()

    def start(self) -> None:
        """Begin anew; what lies between `stop` and `start` counts nowhere."""
        self._since, self._worked = now(self._device), time.process_time()

    def stop(self) -> Spent:
        """What has passed."""
        seconds = now(self._device) - self._since
        return Spent(seconds, time.process_time() - self._worked)
