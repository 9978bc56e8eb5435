"""Named streams of seeds: every random choice has its own, and no stream shifts another.

A stream's seed is the first 63 bits of the SHA-256 of its parts, so it is the same on every machine, Python
and numpy version. Draws of labels, initialisation, order and augmentation take seeds from streams of
different names.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

Part = str | int


def stream_seed(*parts: Part) -> int:
    """The seed of the stream named by `parts`: an integer in [0, 2**63).

    >>> stream_seed("order", 0) == stream_seed("order", 0)
    True
    >>> stream_seed("order", 0) == stream_seed("augment", 0)
    False
    """
    text = json.dumps(["labeleff", *parts], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: Part) -> np.random.Generator:
    """A new numpy generator (PCG64) for the stream named by `parts`."""
    return np.random.Generator(np.random.PCG64(stream_seed(*parts)))
