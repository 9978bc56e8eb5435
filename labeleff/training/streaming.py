"""Streaming of images from the host's memory, where the device has no room for all.

The place of images changes no number: rows are picked on the host by the indices that would have picked them on the
device, and everything after is the same. `LABELEFF_IMAGE_MB` says how many megabytes one set of images may take on
the device; unset, it may take two fifths of what a GPU has free, and on a CPU anything.
"""

from __future__ import annotations

import math
import os

import torch
from torch import Tensor

from labeleff.errors import OptionError

VARIABLE = "LABELEFF_IMAGE_MB"
SHARE = 0.4
"""Share of a GPU's free memory that one set of images may take; while it is laid out there are two copies."""


def limit(device: torch.device) -> float:
    """Compute the bytes that one set of images may take on a device; OptionError where the variable isn't a size."""
    if text := os.environ.get(VARIABLE):
        try:
            size = float(text)
        except ValueError:
            size = math.nan
        if not size >= 0:
            raise OptionError(f"{VARIABLE}: found {text!r}, expected a number of megabytes, 0 or more")
        return size * 2**20
    if device.type != "cuda":
        return math.inf
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return SHARE * (torch.cuda.mem_get_info(device)[0] + unused)


def rows(array: Tensor, positions: Tensor, device: torch.device) -> Tensor:
    """Copy the rows at `positions` (B,) of an array in host memory to the device, without waiting for the copy.

    Positions in host memory spare the host a wait for the device.
    """
    positions = positions.cpu()
    if device.type == "cpu":
        return array.index_select(0, positions)
    staged = torch.empty(len(positions), *array.shape[1:], dtype=array.dtype, pin_memory=True)
    torch.index_select(array, 0, positions, out=staged)
    return staged.to(device, non_blocking=True)
