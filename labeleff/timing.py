"""Timing that means what it says: synchronise, then read the clock; keep raw windows."""

from __future__ import annotations

import time

import torch

from labeleff.record import Window


def now(device: torch.device) -> float:
    """Seconds on the monotonic clock, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Stopwatch:
    """Cuts a training into windows; time spent between `stop` and `start` belongs to none of them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._since = self._worked = 0.0
        self.windows: list[Window] = []

    def start(self) -> None:
        """Begin a window."""
        self._since, self._worked = now(self._device), time.process_time()

    def stop(self, images: int) -> Window:
        """End the window in which `images` images were trained on."""
        seconds = now(self._device) - self._since
        window = Window(images=images, seconds=seconds, processor_seconds=time.process_time() - self._worked)
        self.windows.append(window)
        return window
