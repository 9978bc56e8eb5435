"""Reproducible random numbers of numbered objects or scenes, by purpose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.seeding import stream_seed
from labeleff.training.hashed_random import hash32

_TWO_32 = float(1 << 32)


@dataclass(frozen=True)
class SceneRng:
    """Random numbers of the objects or scenes `index` (N,), int64, in the stream `name`; float64, made on the CPU."""

    name: tuple[str, ...]
    index: Tensor

    def hashes(self, purpose: str, count: int) -> Tensor:
        """Draw hashes (N, count) int64 in [0, 2**32)."""
        seed = stream_seed("scenes", *self.name, purpose)
        return hash32(seed, self.index[:, None], torch.arange(count))

    def uniform(self, purpose: str, count: int) -> Tensor:
        """Draw (N, count) numbers strictly inside (0, 1)."""
        return (self.hashes(purpose, count).to(torch.float64) + 0.5) / _TWO_32

    def between(self, purpose: str, count: int, low: float, high: float) -> Tensor:
        """Draw (N, count) numbers strictly inside (low, high)."""
        return low + (high - low) * self.uniform(purpose, count)

    def normal(self, purpose: str, count: int) -> Tensor:
        """Draw (N, count) standard normal numbers (by the inverse distribution function, so that no tail is cut)."""
        return torch.special.ndtri(self.uniform(purpose, count))  # type: ignore[no-any-return]

    def permuted(self, purpose: str, size: int) -> Tensor:
        """Draw (N,) numbers of 0..size-1; every `size` successive ones have each once, in random order."""
        blocks = torch.div(self.index, size, rounding_mode="floor")
        seed = stream_seed("scenes", *self.name, purpose)
        orders = hash32(seed, blocks[:, None], torch.arange(size)).argsort(dim=1, stable=True)
        return orders.gather(1, (self.index % size)[:, None])[:, 0]
