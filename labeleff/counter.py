"""Counter-based random numbers: every draw is a hash of (seed, counters), never the state of a generator.

So a cell sees the same data at any K, on CPU and GPU, in any worker, and after a resume. The mixing function is
a 32-bit finaliser of two multiplications and three xor-shifts (Wellons, "Prospecting for hash functions",
2018), done in int64 so that every device computes it alike.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _mix(h: Tensor) -> Tensor:
    """A bijection of 0..2**32-1 (int64 tensors) in which every input bit moves about half of the output bits."""
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & _MASK
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & _MASK
    return h ^ (h >> 16)


def hash32(seed: int | Tensor, *counters: Tensor) -> Tensor:
    """Hash of a seed in [0, 2**63) and broadcastable int64 counters: int64 in [0, 2**32), of their common shape.

    Seeds may also be an int64 tensor that goes with the counters' shapes: each place then has its own stream.
    """
    low = seed & _MASK
    h = _mix(low if isinstance(low, Tensor) else torch.full((), low, dtype=torch.int64, device=counters[0].device))
    h = _mix(((seed >> 32) + h) & _MASK)
    for counter in counters:
        h = _mix((h + 0x9E3779B9 + counter) & _MASK)
    return h


def below(h: Tensor, bound: int) -> Tensor:
    """Hashes to integers in 0..bound-1, by multiplication (bias under bound / 2**32)."""
    return (h * bound) >> 32


def uniform(h: Tensor) -> Tensor:
    """Hashes to float32 strictly inside (0, 1)."""
    return ((h >> 8).to(torch.float32) + 0.5) / float(1 << 24)


def normal(h: Tensor, g: Tensor) -> Tensor:
    """Two sets of hashes to standard normal float32 (Box and Muller)."""
    return torch.sqrt(-2 * torch.log(uniform(h))) * torch.cos(2 * torch.pi * uniform(g))


def permutations(seed: int, epochs: Tensor, n: int) -> Tensor:
    """One permutation of 0..n-1 an epoch: int64 (len(epochs), n)."""
    samples = torch.arange(n, device=epochs.device)
    return torch.argsort(hash32(seed, epochs[:, None], samples[None, :]), dim=1, stable=True)


@functools.lru_cache(maxsize=32)
def _permutation(seed: int, epoch: int, n: int, device: torch.device) -> Tensor:
    """One of them, kept: an epoch asked for piece by piece is sorted once, for as many cells as go side by side."""
    return permutations(seed, torch.full((1,), epoch, device=device), n)[0]


def order(seed: int, n: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions `start`..`start + count - 1` of the concatenated permutations of 0..n-1.

    Returns (samples, epochs), both int64 (count,). There is no partial batch and no hole where n is below the
    batch size: the next permutation simply follows.
    """
    first, last, end = start // n, (start + count - 1) // n, start + count
    epochs = torch.arange(start, end, device=device) // n
    if n < count:
        table = permutations(seed, torch.arange(first, last + 1, device=device), n)
        return table.flatten()[start - first * n :][:count], epochs
    whole = [(epoch * n, _permutation(seed, epoch, n, device)) for epoch in range(first, last + 1)]
    return torch.cat([samples[max(start - begin, 0) : end - begin] for begin, samples in whole]), epochs
