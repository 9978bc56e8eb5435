"""Dropout by hashes: what is dropped depends on the cell's seed, the step, the layer and the position alone.

torch's layer takes its numbers from the generator that a whole process shares, so that a cell's numbers would depend
on what ran before it and on which models it is packed with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labeleff.counter import hash32, uniform
from labeleff.seeding import stream_seed


class HashedDropout(nn.Dropout):
    """Dropout by hashes. Its seed and the number of passes are buffers, int64 (), that aren't saved."""

    stream: Tensor
    passes: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Values of any shape, some of them 0 and the rest larger; as they are in eval mode."""
        if not self.training or self.p == 0:
            return input
        positions = torch.arange(input.numel(), device=input.device).view(input.shape)
        kept = uniform(hash32(self.stream, self.passes, positions)) >= self.p
        self.passes.add_(1)
        return input * kept / (1 - self.p) if self.p < 1 else input * 0


def own_dropout(model: nn.Module, seed: int) -> None:
    """Exchange torch's dropout layers of a model in place for ones that begin at `seed`; nothing else changes."""
    layers = [m for m in model.modules() if type(m) is nn.Dropout or isinstance(m, HashedDropout)]
    for number, layer in enumerate(layers):
        layer.__class__ = HashedDropout
        layer.register_buffer("stream", torch.tensor(stream_seed("dropout", number, seed)), persistent=False)
        layer.register_buffer("passes", torch.tensor(0), persistent=False)
