"""Counter-based random numbers: every draw is a hash of (seed, counters).

So a cell sees the same data at any K, on CPU and GPU, in any worker, and after a resume. The mixing function is
a 32-bit finaliser of two multiplications and three xor-shifts (Wellons, "Prospecting for hash functions",
2018), done in int64 so that every device computes it alike.

torch's dropout takes its numbers from the generator that a whole process shares, so that a cell's numbers would depend
on what ran before it and on which models it is packed with.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.seeding import stream_seed

_MASK = 0xFFFFFFFF


def _mix(h: Tensor) -> Tensor:
    """Permute 0..2**32-1 (int64 tensors) so that every input bit changes about half of the output bits."""
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & _MASK
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & _MASK
    return h ^ (h >> 16)


def hash32(seed: int | Tensor, *counters: Tensor) -> Tensor:
    """Hash a seed in [0, 2**63) and broadcastable int64 counters: int64 in [0, 2**32), of their common shape.

    Seeds may also be an int64 tensor that goes with the counters' shapes: each place then has its own stream.
    """
    low = seed & _MASK
    h = _mix(low if isinstance(low, Tensor) else torch.full((), low, dtype=torch.int64, device=counters[0].device))
    h = _mix(((seed >> 32) + h) & _MASK)
    for counter in counters:
        h = _mix((h + 0x9E3779B9 + counter) & _MASK)
    return h


def below(h: Tensor, bound: int | Tensor) -> Tensor:
    """Map hashes to integers in 0..bound-1, by multiplication (bias under bound / 2**32); bounds may be per hash."""
    return (h * bound) >> 32


def uniform(h: Tensor) -> Tensor:
    """Map hashes to float32 strictly inside (0, 1)."""
    return ((h >> 8).to(torch.float32) + 0.5) / float(1 << 24)


def normal(h: Tensor, g: Tensor) -> Tensor:
    """Map two sets of hashes to standard normal float32 (Box and Muller)."""
    return torch.sqrt(-2 * torch.log(uniform(h))) * torch.cos(2 * torch.pi * uniform(g))


def permutations(seed: int, epochs: Tensor, n: int) -> Tensor:
    """Draw one permutation of 0..n-1 per epoch: int64 (len(epochs), n)."""
    samples = torch.arange(n, device=epochs.device)
    return torch.argsort(hash32(seed, epochs[:, None], samples[None, :]), dim=1, stable=True)


@functools.lru_cache(maxsize=32)
def _permutation(seed: int, epoch: int, n: int, device: torch.device) -> Tensor:
    """Draw the permutation (n,) of one epoch, cached so that an epoch read piece by piece is sorted once."""
    return permutations(seed, torch.full((1,), epoch, device=device), n)[0]


def order(seed: int, n: int, start: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """List positions `start`..`start + count - 1` of the concatenated permutations of 0..n-1.

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


class HashedDropout(nn.Dropout):
    """Dropout by hashes; its seed and the number of passes are buffers, int64 (), that aren't saved."""

    stream: Tensor
    passes: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Set some values of any shape to 0 and scale the others by 1 / (1 - p); in eval mode keep all."""
        if not self.training or self.p == 0:
            return input
        positions = torch.arange(input.numel(), device=input.device).view(input.shape)
        mask = uniform(hash32(self.stream, self.passes, positions)) >= self.p
        self.passes.add_(1)
        return input * mask / (1 - self.p) if self.p < 1 else input * 0


def use_hashed_dropout(model: nn.Module, seed: int) -> None:
    """Replace a model's dropout layers in place by hashed ones with streams from `seed`; nothing else changes."""
    layers = [m for m in model.modules() if type(m) is nn.Dropout or isinstance(m, HashedDropout)]
    for number, layer in enumerate(layers):
        layer.__class__ = HashedDropout
        layer.register_buffer("stream", torch.tensor(stream_seed("dropout", number, seed)), persistent=False)
        layer.register_buffer("passes", torch.tensor(0), persistent=False)


def order_in_runs(count: int, stream: int, run: int) -> Tensor:
    """Order 0..count-1 (count,) by the seed `stream`, in runs of `run` successive numbers."""
    blocks = -(-count // run)
    order = permutations(stream, torch.zeros(1, dtype=torch.int64), blocks)[0]
    positions = (order[:, None] * run + torch.arange(run)).flatten()
    return positions[positions < count]


def held_out_count(count: int, share: float, least: int = 1) -> int:
    """Count how many of `count` examples a share of them holds out, `least` or more."""
    return max(least, round(share * count))


def hold_out(count: int, share: float, stream: int, what: str, run: int = 1, least: int = 1) -> tuple[Tensor, Tensor]:
    """Split 0..count-1 into sorted positions to train on (one or more) and to hold out (`least` or more).

    Those held out are drawn by the seed `stream`, in runs of `run` successive positions. Raises PluginError
    where nothing is left to train on; `what` begins its message, e.g. `rotation: {held} of {count} images would be held
    out`.
    """
    size = held_out_count(count, share, least)
    if size >= count:
        raise PluginError(f"{what.format(held=size, count=count)}; nothing is left to train on")
    positions = order_in_runs(count, stream, run)
    return positions[size:].sort().values, positions[:size].sort().values
