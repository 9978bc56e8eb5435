"""How a training is cut into windows, each of which gives one timing and one entry of its learning curve."""

from __future__ import annotations

import math

MIN_WINDOW = 20
"""Fewest steps in a window; an epoch that is longer is a window of its own."""
MAX_WINDOWS = 100


def window_steps(steps: int, n: int, batch: int) -> int:
    """Steps in a window: an epoch of `n` examples, but no fewer than MIN_WINDOW and no more than MAX_WINDOWS in all.

    A remainder of under half of MIN_WINDOW or a tenth of a window joins the last window (see `ends`).
    """
    return max(round(n / batch), MIN_WINDOW, math.ceil(steps / MAX_WINDOWS))


def ends(done: int, steps: int, window: int) -> bool:
    """Whether a window ends after `done` of `steps` steps."""
    return done == steps or (done % window == 0 and steps - done >= max(MIN_WINDOW // 2, window // 10))


def count(steps: int, n: int, batch: int) -> int:
    """Number of windows in a training of `steps` steps."""
    window = window_steps(steps, n, batch)
    return sum(ends(done, steps, window) for done in (*range(window, steps, window), steps))
