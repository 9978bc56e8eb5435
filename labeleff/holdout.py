"""Examples set aside, for pretexts and protocols that check themselves on what they weren't trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from labeleff.counter import permutations
from labeleff.errors import PluginError


def hold_out(count: int, share: float, stream: int, what: str, run: int = 1, least: int = 1) -> tuple[Tensor, Tensor]:
    """Sorted positions of 0..count-1 to train on (one or more) and to hold out (`least` or more), by the seed `stream`.

    Those held out are drawn in runs of `run` successive positions. Raises PluginError where nothing is left to train
    on; `what` says who holds out what, e.g. `rotation: {held} of {count} images would be held out`.
    """
    held = max(least, round(share * count))
    if held >= count:
        raise PluginError(f"{what.format(held=held, count=count)}; nothing is left to train on")
    blocks = -(-count // run)
    order = permutations(stream, torch.zeros(1, dtype=torch.int64), blocks)[0]
    positions = (order[:, None] * run + torch.arange(run)).flatten()
    positions = positions[positions < count]
    return positions[held:].sort().values, positions[:held].sort().values
