"""Timing that means what it says: synchronise, then read the clock."""

from __future__ import annotations

import time

import torch


def now(device: torch.device) -> float:
    """Seconds on the monotonic clock, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
